"""What a guess offers and does not take: an unused long text as the reasoning, `Final Answer:`, all items of a list.

An offer stands in `unclear`, behind what is taken until the user decides.
"""

from __future__ import annotations

from core.data.cell_text import cell_text
from core.data.columns.candidates import ColumnCandidates
from core.data.columns.column_names import NAME_TIERS, NOT_REASONING_NAMES, RELEVANT_NAMES, normalized_name
from core.data.columns.mapping import ColumnPick
from core.data.columns.value_picks import heading_pick

Picks = dict[str, ColumnPick]
Unclear = dict[str, list[ColumnPick]]
_LONG = 40  # characters of an unused text, on average, at least
_MOST = 0.8  # the share of rows that have the text
_REASONING_NAMES = frozenset(name for tier in NAME_TIERS["reasoning"] for name in tier)


def offer_reasoning(sources: ColumnCandidates, picks: Picks, unclear: Unclear) -> None:
    """Offer the reasoning of a source that has none by its names and markers: the text before `Final Answer:`, and long
    texts that are not used."""
    output = picks["output"]
    none = picks.get("reasoning") or ColumnPick("", why="nothing is named or marked as reasoning")
    offers: list[ColumnPick] = []
    profile = sources.profile(output.column)
    if profile.heading == "final" and output.how == "text":
        offers.append(heading_pick(output.column, profile, "think"))
        unclear["output"] = [*unclear.get("output", [output]), heading_pick(output.column, profile, "answer")]
    taken = {pick.column for several in unclear.values() for pick in several} | {pick.column for pick in picks.values()}
    offers += [
        ColumnPick(name, why="long unused text")
        for name in sources.names
        if name not in taken and _may_be_reasoning(sources, name, picks)
    ]
    if offers:
        picks["reasoning"] = none
        unclear["reasoning"] = [none, *offers]


def offer_other_lists(sources: ColumnCandidates, picks: Picks, unclear: Unclear) -> None:
    """Where a list with several items is taken, offer the other ways to take it."""
    for column in ("reasoning", "output"):
        pick = picks.get(column)
        if pick is None or not pick.column or pick.how not in ("first", "text") or column in unclear:
            continue
        profile = sources.profile(pick.column)
        if profile.kind == "list" and (profile.several or profile.literal):
            unclear[column] = [pick, *(other for other in sources.picks_from(pick.column, column) if other != pick)]


def _may_be_reasoning(sources: ColumnCandidates, name: str, picks: Picks) -> bool:
    profile, answer = sources.profile(name), sources.profile(picks["output"].column)
    plain = normalized_name(name)
    if profile.kind != "text" or plain in NOT_REASONING_NAMES or plain in RELEVANT_NAMES - _REASONING_NAMES:
        return False
    if profile.length < max(_LONG, answer.length) or profile.filled < _MOST * len(sources.rows):
        return False
    question = picks.get("instruction", ColumnPick("")).column
    texts = [(cell_text(row.get(name)), cell_text(row.get(question)).strip()) for row in sources.rows]
    if sum(_is_prose(text) for text, _ in texts) < _MOST * len(texts):
        return False
    return not any(asked and asked in text for text, asked in texts)  # a prompt made of the other columns


def _is_prose(text: str) -> bool:
    """Whether a text has several words, or signs of a language without spaces; not a path, a hash or JSON."""
    bare = text.strip()
    return not bare.startswith(("{", "[", "http://", "https://")) and (len(bare.split()) > 3 or not bare.isascii())
