"""Guesses which column of a source is which of a row, from names and the values of a few rows. Pure; knows no files.

The better of two guesses is used: columns by their names, or one column of chat turns with everything. Where a column
could be taken from several, they are listed in `unclear`, which blocks nothing: the likeliest is used until the user
decides.
"""

from __future__ import annotations

from collections.abc import Mapping as Record
from collections.abc import Sequence
from typing import Any

from core.base.row import COLUMNS, CONTEXT, FIELDS
from core.data.columns.candidates import ColumnCandidates, is_same_pick
from core.data.columns.column_names import CHAT_NAMES, NAME_TIERS, REJECTED_NAMES, normalized_name
from core.data.columns.column_values import ColumnProfile
from core.data.columns.context_guess import context_picks
from core.data.columns.input_guess import guess_input, guess_question
from core.data.columns.mapping import ColumnMapping, ColumnPick, Extraction
from core.data.columns.mark_guess import guess_marks, late_marks
from core.data.columns.offers import offer_other_lists, offer_reasoning

_SHORT_ANSWER = 40  # characters of an answer that is only there for checking, at most
_HOWS_BESIDE = ("answer", "assistant", "hash_answer", "heading_answer")  # of an output that has reasoning beside it
_TIMES_LONGER = 3  # times as long as such an answer, a worked solution is at least


def guess_mapping(names: Sequence[str], sample_rows: Sequence[Record[str, Any]]) -> ColumnMapping:
    """The likeliest mapping of the columns `names`, judged by `sample_rows`, each with its reason. Columns without a
    source are not in `picks`."""
    if set(COLUMNS) <= set(names):  # Suiron's own files: columns are read back as they were saved, with any values
        own = {column: ColumnPick(column, why=f"named {column}") for column in COLUMNS}
        own |= {column: _own_context(column, sample_rows) for column in CONTEXT if column in names}
        marks = guess_marks(ColumnCandidates(names, sample_rows), own, sample_rows)
        return ColumnMapping(own, marks=marks)
    sources = ColumnCandidates(names, sample_rows)
    guesses = [guess for guess in (_by_names(sources, sample_rows), _by_chat(sources)) if guess is not None]
    _, picks, unclear = max(guesses, key=lambda guess: guess[0])
    taken = {pick.column for pick in picks.values()}
    for column in ("syslang", "sysflag"):
        candidates = [pick for pick in sources.by_name(column) if pick.column not in taken]
        if candidates:
            picks[column] = candidates[0]
            if len(candidates) > 1:
                unclear[column] = candidates
    picks.update(context_picks(sources, picks))
    ordered = {column: picks[column] for column in FIELDS if column in picks}
    marks = guess_marks(sources, ordered, sample_rows)
    unclear_picks = {column: tuple(unclear[column]) for column in FIELDS if column in unclear}
    return ColumnMapping(ordered, unclear_picks, marks=marks)


def _own_context(column: str, rows: Sequence[Record[str, Any]]) -> ColumnPick:
    """The pick for a context in a file of Suiron's own, which has it as text or as the JSON that the text holds."""
    is_text = column == "system" or all(isinstance(row.get(column), str | None) for row in rows)
    how: Extraction = "text" if is_text else "history" if column == "history" else "tools"
    return ColumnPick(column, how, f"named {column}")


def extend_mapping(mapping: ColumnMapping, names: Sequence[str]) -> ColumnMapping:
    """The mapping with its missing columns taken from `names`, which appeared after the rows it was guessed from; only
    the names are judged."""
    sources = ColumnCandidates(list(names), [])
    picks, unclear = dict(mapping.picks), dict(mapping.unclear)
    question = mapping.picks.get("instruction")
    for column in FIELDS:
        if mapping.source(column) or (column == "input" and question is not None and question.how == "user"):
            continue
        taken = {pick.column for pick in picks.values()}
        candidates = [pick for pick in sources.by_name(column) if pick.column not in taken]
        if candidates:
            picks[column] = candidates[0]
            if len(candidates) > 1:
                unclear[column] = tuple(candidates)
    ordered = {column: picks[column] for column in FIELDS if column in picks}
    taken = {*(pick.column for pick in picks.values()), *(mark.column for mark in mapping.marks)}
    marks = (*mapping.marks, *late_marks(name for name in names if name not in taken))
    return ColumnMapping(ordered, unclear, mapping.by_hand, marks)


def pick_candidates(column: str, names: Sequence[str], sample_rows: Sequence[Record[str, Any]]) -> list[ColumnPick]:
    """Every sensible source of the canonical `column`, the guess first, then in order of likelihood; last
    `ColumnPick("")`, nothing."""
    mapping = guess_mapping(names, sample_rows)
    first = mapping.picks.get(column)
    picks = [first] if first is not None and first.column else []
    for pick in (*mapping.unclear.get(column, ()), *ColumnCandidates(names, sample_rows).every_pick(column)):
        if pick.column and not any(is_same_pick(pick, known) for known in picks):
            picks.append(pick)
    return [*picks, ColumnPick("", why="left empty")]


_Guess = tuple[float, dict[str, ColumnPick], dict[str, list[ColumnPick]]]
"""The likelihood, the pick of each column, and the candidates for unclear columns."""


def _by_names(sources: ColumnCandidates, rows: Sequence[Record[str, Any]]) -> _Guess:
    picks: dict[str, ColumnPick] = {}
    unclear: dict[str, list[ColumnPick]] = {}

    def take(column: str, candidates: list[ColumnPick]) -> None:
        taken = {pick.column for pick in picks.values()}
        candidates = [pick for pick in candidates if pick.column not in taken or not pick.column]
        if candidates:
            picks[column] = candidates[0]
            if len(candidates) > 1:
                unclear[column] = candidates

    worked = _worked_solution(sources)
    take("instruction", sources.by_name("instruction"))
    take("output", [sources.best_pick(worked[1], "output")] if worked else sources.by_name("output"))
    output = picks.get("output")
    if output is not None and (plain := guess_question(sources, picks.get("instruction"), output.column, rows)):
        picks["instruction"] = plain
    strong = False
    if output is not None and output.how == "best_answer":
        picks["reasoning"] = sources.reasoning_beside(output)
        strong = True
    else:
        candidates = sources.by_name("reasoning")
        if output is not None and sources.thinks(output.column):
            candidates = [pick for pick in candidates if sources.profile(pick.column).kind != "empty"]
        if output is not None and "output" in unclear and candidates and candidates[0].column != output.column:
            candidates = sorted(candidates, key=lambda pick: not sources.share_prefix(pick.column, output.column))
        take("reasoning", candidates)
        strong = "reasoning" in picks
        if output is not None and (output.how in _HOWS_BESIDE or output.how == "inner"):
            beside = sources.reasoning_beside(output)
            if output.how == "inner" and not sources.thinks(output.column):
                pass  # no object holds reasoning
            elif "reasoning" not in picks:
                picks["reasoning"] = beside
                strong = sources.thinks(output.column)
            elif sources.thinks(output.column):
                unclear["reasoning"] = [*unclear.get("reasoning", [picks["reasoning"]]), beside]
    if worked and "reasoning" not in picks:
        answer, solution = worked[1], worked[0]
        why = f"long, next to a short {answer}: the steps to it"
        picks["reasoning"] = ColumnPick(solution, why=why)
        unclear["output"] = [
            picks["output"],
            ColumnPick(solution, why=f"long, next to a short {answer}: it may be the answer itself"),
        ]
    elif worked:
        picks["output"] = ColumnPick(worked[0], why=f"long, next to a short {worked[1]} that only checks it")
        unclear["output"] = [picks["output"], sources.best_pick(worked[1], "output")]
    if "output" in picks and picks["output"].how == "index":
        unclear["output"] = [picks["output"], *sources.other_picks(picks["output"], "output")]
    if "reasoning" not in picks and output is not None and output.column in sources.paths:
        take("reasoning", sources.reasoning_near(output.column))
        strong = "reasoning" in picks
    if "instruction" in picks and sources.profile(picks["instruction"].column).kind != "chat":
        take("input", guess_input(sources, picks, rows))
    if "reasoning" not in picks and (flag := sources.flag_reason("reasoning")):
        picks["reasoning"] = ColumnPick("", why=flag)
    if not picks.get("reasoning", ColumnPick("")).column and output is not None:
        offer_reasoning(sources, picks, unclear)
    offer_other_lists(sources, picks, unclear)
    complete = "instruction" in picks and "output" in picks
    known = "instruction" in picks and normalized_name(picks["instruction"].column) in {
        name for tier in NAME_TIERS["instruction"][:2] for name in tier
    }
    marked = output is not None and output.how == "best_answer" and sources.marked_generations
    weak = "reasoning" in picks and bool(picks["reasoning"].column)
    # only the reply is taken from a complete chat, so that its question and earlier turns are lost
    torn = output is not None and output.how == "assistant" and _is_complete_chat(sources.profile(output.column))
    wrong = torn and output is not None and sources.profile(output.column).earlier  # the reply to another question
    reasoning_points = 10 if strong else 4 if weak else 0
    likelihood = 100 * complete + 20 * marked + reasoning_points + 2 * known + 1 - 4 * torn - 20 * wrong
    return likelihood, picks, unclear


def _worked_solution(sources: ColumnCandidates) -> tuple[str, str] | None:
    """A long `solution` and the short `answer` that only checks it, where the source has both and nothing else as the
    output."""
    candidates = sources.by_name("output")
    if len(candidates) != 1 or normalized_name(candidates[0].column) != "answer":
        return None
    solution = next((name for name in sources.names if normalized_name(name) == "solution"), None)
    if solution is None:
        return None
    short, long = sources.profile(candidates[0].column), sources.profile(solution)
    checks = short.kind in ("number", "flag") or (short.kind == "text" and short.length <= _SHORT_ANSWER)
    if not checks or long.kind != "text" or long.length < _TIMES_LONGER * short.length:
        return None
    return solution, candidates[0].column


def _by_chat(sources: ColumnCandidates) -> _Guess | None:
    def order(name: str) -> tuple[bool, bool, bool, bool]:
        return (
            name in sources.paths,
            not sources.profile(name).thinks,
            normalized_name(name) in REJECTED_NAMES,
            normalized_name(name) not in CHAT_NAMES,
        )

    complete = [name for name in (*sources.names, *sources.paths) if _is_complete_chat(sources.profile(name))]
    chats = sorted(complete, key=order)
    if not chats:
        return None
    equal = [name for name in chats if order(name) == order(chats[0])]
    columns = ("instruction", "reasoning", "output")
    picks = {column: sources.best_pick(chats[0], column) for column in columns}
    unclear = {}
    if len(equal) > 1:
        unclear = {column: [sources.best_pick(name, column) for name in equal] for column in columns}
    thinks = sources.profile(chats[0]).thinks
    if not thinks and (by_name := sources.by_name("reasoning")):
        picks["reasoning"] = by_name[0]
        thinks = True
    return 100 + 10 * thinks, picks, unclear


def _is_complete_chat(profile: ColumnProfile) -> bool:
    return profile.kind == "chat" and profile.asks and profile.replies
