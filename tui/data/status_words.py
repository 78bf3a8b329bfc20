"""What the Data room says about rows: counts, filters, unreadable rows, a source that did not open.

Foreign text is made safe here. Knows no widget.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.content import Content

from core.base.errors import SuironError, error_sentences
from core.base.plural import counted
from core.base.safe_text import safe_line
from core.data.filters import RowFilters
from core.data.problems import unread_words
from tui.actions import key_of

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from core.data.problems import ProblemKind, RowProblem
    from tui.data.query_runner import ValueCounts

VALUES_SHOWN = 4  # of a column, in the line above the table
_NOTES_SHOWN = 2  # on how the source is read, in the last line


def row_count_words(total: int, shown: int, share: float, filters: RowFilters, counts: ValueCounts) -> Content:
    """One line: all rows, the rows shown, and for each filter its value, or the values it could have. share: of the
    rows searched so far, 0 to 1."""
    parts = [Content(f" {counted(total, 'row')}")]
    if share < 1:
        parts.append(Content.styled(f" · {shown:,} so far, {share:.0%} searched", "bold $accent"))
    elif _narrows(filters):
        parts.append(Content.styled(f" · shown {shown:,}", "bold $accent"))
    # the filters come before the counts, which may not fit
    parts += [Content.styled(f" · {words}", "bold $accent") for words in _filter_words(filters)]
    for column, key in (("syslang", key_of("data.next_language")), ("sysflag", key_of("data.next_split"))):
        values = counts.get(column, [])
        if values and not getattr(filters, column):
            words = f" · {key} {_value_words(values)}"
            parts.append(Content.styled(words, "$text-muted"))
    if filters != RowFilters():
        parts.append(Content.styled(f" · {key_of('data.show_all_rows')} shows all", "$text-muted"))
    return Content("").join(parts)


def _value_words(values: Sequence[tuple[str, int]]) -> str:
    some = ", ".join(f"{safe_line(value, 20) or '(empty)'} {count:,}" for value, count in values[:VALUES_SHOWN])
    return some + (", …" if len(values) > VALUES_SHOWN else "")


def waiting_words(total: int, is_counted: bool, filters: RowFilters, imported: float | None) -> Content:
    """The same line while the source is imported: paging works, queries wait. imported: share of the source, 0 to 1;
    None where it is not known."""
    share = f" {imported:.0%}" if imported is not None else ""
    rows = counted(total, "row")
    parts = [
        Content(f" {rows}" if is_counted else f" at least {rows}"),
        Content.styled(f" · importing{share}", "bold $accent"),
    ]
    waiting = _waiting(filters)
    if waiting:
        names = " and ".join([", ".join(waiting[:-1]), waiting[-1]] if len(waiting) > 1 else waiting)
        start = "starts" if waiting in (["search"], ["order"]) else "start"
        parts.append(Content.styled(f"; {names} {start} when it is done", "bold $accent"))
        parts += [Content.styled(f" · {words}", "$text-muted") for words in _filter_words(filters)]
    else:
        parts.append(Content.styled("; search, order and edits wait for it", "$text-muted"))
    return Content("").join(parts)


def _waiting(filters: RowFilters) -> list[str]:
    """The parts of the query that wait for the import."""
    waiting = []
    if filters.text:
        waiting.append("search")
    if filters.sort:
        waiting.append("order")
    if filters.where or filters.syslang or filters.sysflag:
        waiting.append("filters")
    return waiting


def _narrows(filters: RowFilters) -> bool:
    return bool(filters.text or filters.where or filters.syslang or filters.sysflag)


def _filter_words(filters: RowFilters) -> list[str]:
    """Each filter that is on, in a few words."""
    words = []
    if filters.text:
        columns = f" in {', '.join(filters.columns)}" if filters.columns else ""
        words.append(f"/{safe_line(filters.text, 60)}{columns}")
    if filters.where:
        words.append(f"where {safe_line(filters.where, 60)}")
    for column in ("syslang", "sysflag"):
        if value := getattr(filters, column):
            words.append(f"{column}: {safe_line(value, 40)}")
    if filters.sort:
        words.append(f"by {safe_line(filters.sort, 30)}{' ▼' if filters.descending else ' ▲'}")
    return words


def idle_words(dataset: DataSet, source_change: str, journal_folder: Path | None, splits: str = "") -> Content:
    """The last lines while there is no message: changes of the source, unclear columns, which split is shown, edits,
    what could not be read or is not used, and how the source is read where that is not plain. journal_folder: where the
    edits are kept, None before the first edit; splits: safe text, empty for none."""
    parts = []
    if source_change:
        parts.append(Content.styled(source_change, "$warning"))
    if unclear := list(dataset.mapping.unclear):
        words = f"{' and '.join(unclear)} could be taken from several columns; {key_of('data.map_columns')} chooses"
        parts.append(Content.styled(words, "$warning"))
    if splits:
        parts.append(Content.styled(splits, "$accent"))
    changes = dataset.changes
    if counts := _edit_counts(changes.changed, changes.added, changes.deleted):
        folder = ""
        if journal_folder is not None:
            folder = f", kept in {safe_line(journal_folder.name, 60)}; the source is unchanged"
        parts.append(Content.styled(f"edits: {counts}{folder}", "$text-muted"))
    words = not_used_words(dataset)
    if dataset.problem_count:
        alone = not parts and not words
        parts.append(_problem_words(dataset.problems[: 1 if alone else 0], dataset.problem_kinds, len(dataset)))
    if words:
        lists = "" if dataset.problem_count else f"; {key_of('data.show_problems')} lists it"
        parts.append(Content.styled(f"{safe_line(words, 200)}{lists}", "$warning"))
    parts += [Content.styled(safe_line(note, 200), "$text-muted") for note in dataset.notes[:_NOTES_SHOWN]]
    return Content(" · ").join(parts)


def not_used_words(dataset: DataSet) -> str:
    """What of the source is not used, as clauses with `; ` between them; empty where everything is. Safe text."""
    return safe_line(dataset.not_used_words, 2000)


def _edit_counts(changed: int, added: int, deleted: int) -> str:
    """How many rows were changed, added and deleted; empty where none were."""
    counts = ((changed, "changed"), (added, "added"), (deleted, "deleted"))
    return ", ".join(f"{count:,} {words}" for count, words in counts if count)


def _problem_words(problems: Sequence[RowProblem], kinds: Sequence[ProblemKind], good_rows: int) -> Content:
    """How many rows and files could not be read, the key that lists them, and the first of `problems` if there is
    any. good_rows: the rows that could be read, which are named where they are fewer."""
    words, style = f"{unread_words(kinds)} could not be read", "$warning"
    if sum(kind.count for kind in kinds) > good_rows:
        words, style = f"{words}, only {good_rows:,} could", "bold $error"
    head = Content.styled(f"{words}; {key_of('data.show_problems')} shows why", style)
    if not problems:
        return head
    first = problems[0]
    row = f"row {first.row:,}" if first.row else ""
    location = ", ".join(part for part in (first.file, row) if part) or "the file"
    return head + Content.styled(". " + safe_line(f"{location}: {first.what}", 120), "$text-muted")


def open_failure_words(source: str, error: SuironError, before: str = "") -> Content:
    """The three parts of an error, and the ways out. before: the source that was open until then, empty for none."""
    sentences = error_sentences(error)
    parts = [
        Content.styled(safe_line(sentences.what, 1000), "bold $error"),
        Content(f"\n\n{safe_line(sentences.where or source, 1000)}"),
    ]
    if sentences.do:
        parts.append(Content(f"\n\n{safe_line(sentences.do, 1000)}"))
    columns = "names" if "--names" in sentences.do else "chooses"
    opens = "opens one of its splits, or another source" if "--split" in sentences.do else "opens another source"
    ways = f"{key_of('data.open_source')} {opens}."
    if "--split" not in sentences.do:
        ways = f"{key_of('data.map_columns')} {columns} its columns; {ways}"
    if before:
        ways += f" {key_of('data.go_back')} goes back to {safe_line(before, 200)}."
    parts.append(Content.styled(f"\n\n{ways}", "$text-muted"))
    return Content("").join(parts)
