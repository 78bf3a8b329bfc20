"""Guesses the text that an instruction is about, where no column is named input: a passage, or the question beside a
line that only states the task."""

from __future__ import annotations

from collections.abc import Mapping as Record
from collections.abc import Sequence
from typing import Any

from core.data.cell_text import cell_text
from core.data.columns.candidates import ColumnCandidates
from core.data.columns.column_names import normalized_name
from core.data.columns.mapping import ColumnPick

_PASSAGES = ("text", "body")  # these may also hold all of a row, as an example for training
_PLAIN_QUESTIONS = (
    (("text",), ("output", "response", "answer", "completion")),
    (("source", "sourcetext", "src"), ("target", "targets", "targettext", "tgt")),
)
_QUESTIONS = ("question", "query", "problem", "request", "prompt", "usermessage", "質問", "問題", "问题")


def guess_input(
    sources: ColumnCandidates, picks: Record[str, ColumnPick], rows: Sequence[Record[str, Any]]
) -> list[ColumnPick]:
    """The candidates for the input beside the `picks` of the question and the answer, the best first; more than one
    where the user should decide, which may begin with an empty pick. rows: records to judge by."""
    taken = {pick.column for pick in picks.values()}
    named = [pick for pick in sources.by_name("input") if pick.column not in taken]
    if any(sources.profile(pick.column).kind != "empty" for pick in named):
        return named
    instruction, output = picks.get("instruction"), picks.get("output")
    if instruction is None or output is None or not rows:
        return named
    if question := _question_beside(sources, instruction.column, taken, rows):
        return question
    passages = [
        ColumnPick(name, why=f"named {name}, beside the question")
        for name in sources.names
        if normalized_name(name) in _PASSAGES
        and name not in taken
        and sources.profile(name).kind == "text"
        and not named
        and not _repeats(name, (instruction.column, output.column), rows)
    ]
    return named or passages


def guess_question(
    sources: ColumnCandidates, found: ColumnPick | None, output: str, rows: Sequence[Record[str, Any]]
) -> ColumnPick | None:
    """The question in a column whose name alone says nothing: `text` beside `output`, `source` beside `target`; None
    where there is none, or where a better one was `found`. rows: records to judge by."""
    if found is not None and sources.profile(found.column).kind != "flag":
        return None
    names = next((names for names, outputs in _PLAIN_QUESTIONS if normalized_name(output) in outputs), ())
    for name in sources.names:
        profile = sources.profile(name)
        if normalized_name(name) in names and profile.kind == "text" and not _repeats(name, (output,), rows):
            return ColumnPick(name, why=f"named {name}, beside {output}")
    return None


def _question_beside(
    sources: ColumnCandidates, instruction: str, taken: set[str], rows: Sequence[Record[str, Any]]
) -> list[ColumnPick]:
    """A column with a question beside the one with the instruction; none where they repeat each other."""
    names = [
        name
        for name in sources.names
        if normalized_name(name) in _QUESTIONS and name not in taken and sources.profile(name).kind == "text"
    ]
    names = [name for name in names if not _repeats(name, (instruction,), rows)]
    if not names or normalized_name(instruction) not in ("instruction", "instructions", "task"):
        return []
    pick = ColumnPick(names[0], why=f"{instruction} states the task, {names[0]} what it is about")
    if 2 * _distinct(instruction, rows) <= _distinct(names[0], rows):
        return [pick]
    return [ColumnPick("", why=f"{instruction} may be all of the question"), pick]


def _distinct(name: str, rows: Sequence[Record[str, Any]]) -> int:
    return len({cell_text(row[name]) for row in rows if row.get(name) is not None})


def _repeats(name: str, others: Sequence[str], rows: Sequence[Record[str, Any]]) -> bool:
    """Whether the texts of the column `name` repeat those of another, in most rows."""
    repeated = 0
    for row in rows:
        text = cell_text(row.get(name)).strip()
        beside = [other for column in others if (other := cell_text(row.get(column)).strip())]
        repeated += any(other in text or text in other for other in beside) if text else 1
    return 2 * repeated > len(rows)
