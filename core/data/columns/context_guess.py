"""Guesses where the context of a question stands: the system prompt, the turns before it, and the tools."""

from __future__ import annotations

from collections.abc import Mapping

from core.data.columns.candidates import ColumnCandidates
from core.data.columns.mapping import ColumnPick


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
            found[column] = named[0]
            taken.add(named[0].column)
    return found
