"""Guesses where the context of a question stands: the system prompt, the turns before it, and the tools."""

from __future__ import annotations

from collections.abc import Mapping

from core.data.columns.candidates import ColumnCandidates
from core.data.columns.mapping import ColumnPick
from core.data.columns.transcripts import SYSTEM_PREFIX


def context_picks(sources: ColumnCandidates, picks: Mapping[str, ColumnPick]) -> dict[str, ColumnPick]:
    """The picks of system, history and tools that have a source, beside the `picks` of the other columns.

    The list of turns that has the question has the turns around it, and its system turns come before a column of that
    name. Such a list never fills the input: what was said is kept as it was.
    """
    taken = {pick.column for pick in picks.values()}
    question = picks.get("instruction")
    chat = question.column if question is not None and question.how == "user" else ""
    found: dict[str, ColumnPick] = {}
    for column in ("system", "history", "tools"):
        named = [pick for pick in sources.by_name(column) if pick.column not in taken]
        filled = named and sources.profile(named[0].column).kind != "empty"
        if chat and (column == "history" or (column == "system" and (sources.profile(chat).instructed or not filled))):
            found[column] = sources.chat_pick(chat, column)
        elif named:
            found[column] = _unprefixed(named[0], sources) if column == "system" else named[0]
            taken.add(named[0].column)
    return found


def _unprefixed(pick: ColumnPick, sources: ColumnCandidates) -> ColumnPick:
    """The pick of a system prompt, without the role before it where all that are there have one."""
    values = [value for row in sources.rows if (value := row.get(pick.column)) not in (None, "")]
    if pick.how != "text" or not values:
        return pick
    if not all(isinstance(value, str) and SYSTEM_PREFIX.match(value) for value in values):
        return pick
    return ColumnPick(pick.column, "unprefixed", f"{pick.why}; the text after SYSTEM:")
