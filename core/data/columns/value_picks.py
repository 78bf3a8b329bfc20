"""The picks that the values of a column allow: of lists, of objects, of texts with headings. Chooses no column."""

from __future__ import annotations

from typing import Literal, cast

from core.data.columns.column_names import ALTERNATIVE_NAMES, normalized_name
from core.data.columns.column_values import ColumnProfile
from core.data.columns.inner_text import IN_OBJECT
from core.data.columns.mapping import ColumnPick, Extraction

_HEADING_WORDS = {
    "hash": ("the steps before {mark}", "the result after {mark}"),
    "heading": ("the text under {mark}", "the text under the heading of the answer, behind {mark}"),
    "final": ("the text before {mark}", "the text after {mark}"),
}


def list_picks(name: str, column: str, profile: ColumnProfile, why: str) -> list[ColumnPick]:
    """The ways to take a list of texts: the likeliest first. why: what is said before the reason."""
    first = ColumnPick(name, "first", f"{why}the first of a list")
    joined = ColumnPick(name, "joined", f"{why}the texts of a list, joined")
    parts = column != "output" and normalized_name(name) not in ALTERNATIVE_NAMES
    picks = [first] if not profile.several else [joined, first] if parts else [first, joined]
    return [*picks, ColumnPick(name, why="the text of the list as it is")] if profile.literal else picks


def nested_picks(name: str, column: str, profile: ColumnProfile, why: str) -> list[ColumnPick]:
    """The ways to take objects that hold a text, or lists of these."""
    inner = ColumnPick(name, "inner", f"{why}; {profile.inner}")
    joined = ColumnPick(name, "joined", f"{why}; the texts of a list, joined")
    json = ColumnPick(name, "json", "its JSON text")
    if column == "reasoning":
        is_object = profile.inner == IN_OBJECT
        thought = ColumnPick(name, "inner_think", f"the reasoning with {profile.inner}")
        picks = [inner] if is_object or normalized_name(name) in ALTERNATIVE_NAMES else [joined, inner]
        return [*([thought] if profile.thinks else []), *picks]
    return [inner, json] if not profile.several else [inner, joined, json]


def heading_pick(name: str, profile: ColumnProfile, side: Literal["think", "answer"], why: str = "") -> ColumnPick:
    """One side of texts that are split at a line of the kind `profile.heading`."""
    kind = profile.heading or "final"
    words = _HEADING_WORDS[kind][side == "answer"].format(mark=profile.heading_mark)
    return ColumnPick(name, cast(Extraction, f"{kind}_{side}"), f"{why}; {words}" if why else f"{words} in {name}")
