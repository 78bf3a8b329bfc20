"""The user's edits on rows: checks each request and makes an operation of it.

`open_editor` returns the only writer; `with_edits` returns the edited rows for reading. Knows neither journal lines nor
how rows are stored.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError
from core.base.row import COLUMNS, Row, is_blank
from core.data.cell_text import replace_surrogates
from core.data.columns.mapping import is_blank_row
from core.data.dataset import DataSet

if TYPE_CHECKING:
    import numpy as np

    from core.data.editing.operations import Operation

    RowIndices = Iterable[int] | np.ndarray[Any, Any]

_LISTED_ROWS = 1000  # up to which rows are handled as a list, not as an array


class EditStep(msgspec.Struct, frozen=True):
    """One edit, undo or redo, for the user."""

    words: str
    """A description, with foreign text inside."""
    index: int
    """Index of the row to show, -1 for none."""
    when: float
    """Seconds since 1970."""


def with_edits(dataset: DataSet, folder: Path | None = None) -> DataSet:
    """The data set with the user's edits; the same one if there are none.

    `folder`: the folder of the journal, if it is not the sidecar. Raises DataError if the journal cannot be read; edits
    that no longer fit are listed in the problems.
    """
    path = _journal_path(dataset, folder)
    if not path.exists():
        return dataset
    from core.data.editing.applied_edits import apply_edits, replay_journal
    from core.data.editing.journal import read_journal

    contents, position = read_journal(path)
    if contents.header is None and not contents.unreadable:
        return dataset
    return apply_edits(dataset, replay_journal(dataset, contents, path, position)[0])


def open_editor(dataset: DataSet, folder: Path | None = None) -> RowEditor:
    """The editor of `dataset`, which excludes other editors until `close`. `folder`: the folder for the journal, if it
    is not the sidecar.

    Raises DataError if another process edits the data, or the journal cannot be written.
    """
    if not dataset.ready:
        raise DataError("its rows are still being imported", dataset.name, "Wait until the import has ended")
    return RowEditor(dataset, _journal_path(dataset, folder), folder is not None or _is_beside_data(dataset))


class RowEditor:
    """Edits one data set.

    Every method that edits raises DataError, without changing anything, if a row does not exist or the journal cannot
    be written. For one thread.
    """

    def __init__(self, dataset: DataSet, journal: Path, beside: bool) -> None:
        from core.data.editing.undoable_edits import UndoableEdits

        self.where = journal.parent
        """The folder of the journal."""
        self.beside = beside
        """Whether that folder is beside the data."""
        self._edits = UndoableEdits(dataset, journal)

    def __enter__(self) -> RowEditor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process edit. The data set stays readable."""
        self._edits.close()

    @property
    def dataset(self) -> DataSet:
        """The data set with all edits so far."""
        return self._edits.dataset

    @property
    def undoable(self) -> int:
        """How many edits can be undone."""
        return len(self._edits.done)

    @property
    def redoable(self) -> int:
        """How many edits can be redone."""
        return len(self._edits.undone)

    def change(self, index: int, texts: Mapping[str, str]) -> bool:
        """Set columns of one row. False if that changes nothing."""
        from core.data.editing.operations import ChangeRow

        row = self._row(index)
        new = self._new_texts(row, texts)
        self._check_not_blank(new.get("instruction", row.instruction), new.get("output", row.output))
        if not new:
            return False
        return self._edits.apply(ChangeRow(index, new, keys=self._row_keys([index]), when=time.time())) > 0

    def add(self, row: Row | Mapping[str, str], after: int | None = None) -> int:
        """Add a row after the row `after`, at the end if None; returns its index. Missing columns are empty."""
        return self._add(row, after, None)

    def duplicate(self, index: int) -> int:
        """Add a copy right after the row `index`; returns the copy's index."""
        return self._add(self._row(index), index, index)

    def _add(self, row: Row | Mapping[str, str], after: int | None, copied: int | None) -> int:
        from core.data.editing.operations import AddRow

        if after is not None:
            self._row(after)
        if isinstance(row, Row):
            texts: Mapping[str, str] = {column: getattr(row, column) for column in COLUMNS}
        else:
            self._check_columns(row)
            texts = row
        instruction, input_text, reasoning, output, syslang, sysflag = (
            replace_surrogates(texts.get(column, "")) for column in COLUMNS
        )
        self._check_not_blank(instruction, output)
        index = self._edits.table.next_index
        fields = (instruction, input_text, reasoning, output, syslang, sysflag)
        context = (row.system, row.history, row.tools) if isinstance(row, Row) else ("", "", "")
        keys = self._row_keys([after]) if after is not None else []
        self._edits.apply(AddRow(index, fields, after, copied, context, keys=keys, when=time.time()))
        return index

    def delete(self, indices: RowIndices) -> int:
        """Delete rows; returns how many. Undo restores them at their positions."""
        from core.data.editing.operations import DeleteRows
        from core.data.editing.row_list import pack_rows

        rows = self._rows(indices)
        if not len(rows):
            return 0
        if len(rows) == len(self.dataset):
            raise DataError("these are all rows of the data set", self._name, "Keep at least one")
        return self._edits.apply(DeleteRows(pack_rows(rows), len(rows), keys=self._row_keys(rows), when=time.time()))

    def fill(self, indices: RowIndices, column: str, value: str) -> int:
        """Set `column` to `value`; returns how many rows had another text."""
        from core.data.editing.operations import FillColumn
        from core.data.editing.row_list import pack_rows

        self._check_columns([column])
        rows = self._rows(indices)
        if column in ("instruction", "output") and is_blank(value):
            other = "output" if column == "instruction" else "instruction"
            for batch in self.dataset.record_batches(rows):
                for text in batch.column(other).to_pylist():
                    self._check_not_blank(text, "")
        if not len(rows):
            return 0
        keys = self._row_keys(rows)
        return self._edits.apply(
            FillColumn(pack_rows(rows), len(rows), column, replace_surrogates(value), keys=keys, when=time.time())
        )

    def split(
        self, indices: RowIndices, share: float, seed: int, test: str = "test", train: str = "train"
    ) -> tuple[int, int]:
        """Set sysflag of about `share` of the rows to `test`, of the others to `train`; returns both numbers.

        Rows with the same question are on the same side.
        """
        from core.data.editing.bulk_edits import choose_test_rows
        from core.data.editing.operations import SplitRows
        from core.data.editing.row_list import pack_rows

        if not 0 <= share <= 1:
            raise DataError(
                f"{share:g} is not a share of the rows", self._name, "Give a number from 0 to 1, such as 0.1"
            )
        rows = self._rows(indices)
        if not len(rows):
            return 0, 0
        chosen, others = choose_test_rows(self._edits.table, rows, share, seed)
        operation = SplitRows(
            rows=pack_rows(rows),
            count=len(rows),
            share=share,
            seed=seed,
            test=replace_surrogates(test),
            train=replace_surrogates(train),
            chosen=pack_rows(chosen),
            keys=self._row_keys(rows),
            when=time.time(),
        )
        self._edits.apply(operation)
        return len(chosen), len(others)

    def extract_reasoning(self, indices: RowIndices) -> int:
        """Move the text between markers such as <think> and </think> from output to reasoning; returns how many rows
        changed.

        A row stays unchanged if its reasoning never ends, if nothing follows it, or if the reasoning column has another
        text already.
        """
        from core.data.editing.operations import ExtractReasoning
        from core.data.editing.row_list import pack_rows

        rows = self._rows(indices)
        if not len(rows):
            return 0
        return self._edits.apply(
            ExtractReasoning(pack_rows(rows), len(rows), keys=self._row_keys(rows), when=time.time())
        )

    def rewrite(self, texts: Mapping[int, Mapping[str, str]], words: str) -> int:
        """Set columns of many rows, each row to its own texts, as one edit; returns how many rows changed.

        `texts` has the new text of each column by row index; `words` describes the edit for the user.
        """
        from core.data.editing.operations import RewriteRows

        changed: list[tuple[int, dict[str, str]]] = []
        for index, columns in texts.items():
            new = self._new_texts(self._row(index), columns)
            if new:
                changed.append((index, new))
        if not changed:
            return 0
        keys = self._row_keys([index for index, _ in changed])
        return self._edits.apply(RewriteRows(changed, words, keys=keys, when=time.time()))

    def undo(self) -> EditStep | None:
        """Undo the last edit; None if there is none."""
        operation = self._edits.undo()
        return None if operation is None else _step(operation)

    def redo(self) -> EditStep | None:
        """Redo the edit that was undone last; None if there is none."""
        operation = self._edits.redo()
        return None if operation is None else _step(operation)

    def log(self) -> list[EditStep]:
        """The edits in force, the oldest first."""
        return [_step(operation) for operation in self._edits.done]

    @property
    def _name(self) -> str:
        return self._edits.source.name

    def _row(self, index: int) -> Row:
        try:
            return self._edits.table.row(index)
        except IndexError as error:
            raise DataError(f"there is no row {index}", self._name, "Look at the rows again") from error

    def _new_texts(self, row: Row, texts: Mapping[str, str]) -> dict[str, str]:
        """The texts that differ from the row's."""
        self._check_columns(texts)
        cleaned = {column: replace_surrogates(text) for column, text in texts.items()}
        return {column: text for column, text in cleaned.items() if text != getattr(row, column)}

    def _check_columns(self, columns: Iterable[str]) -> None:
        for column in columns:
            if column not in COLUMNS:
                raise DataError(f"there is no column {column}", self._name, f"Columns are {', '.join(COLUMNS)}")

    def _check_not_blank(self, instruction: str, output: str) -> None:
        if is_blank_row(instruction, output):
            raise DataError("a row needs an instruction or an output", self._name, "Write one of them")

    def _rows(self, indices: RowIndices) -> Sequence[int]:
        """The indices in ascending order, each once. A few are checked here, many when the operation is applied."""
        if not hasattr(indices, "dtype") and not isinstance(indices, range):
            indices = sorted({int(index) for index in indices})
        if isinstance(indices, list) and len(indices) <= _LISTED_ROWS:
            for index in indices:
                self._row(index)
            return indices
        import numpy as np

        rows = np.unique(np.asarray(indices, dtype=np.int64))
        return rows.tolist() if len(rows) <= _LISTED_ROWS else rows  # type: ignore[return-value]

    def _row_keys(self, rows: Sequence[int]) -> list[int]:
        from core.data.editing.rebase import identity_keys

        return identity_keys(self._edits.table.base, rows)


def _step(operation: Operation) -> EditStep:
    from core.data.editing.operations import describe_operation

    words, index = describe_operation(operation)
    return EditStep(words, index, operation.when)


def _journal_path(dataset: DataSet, folder: Path | None) -> Path:
    from core.data.sidecar import EDITS_FILE, sidecar_of

    if folder is not None:
        return folder / EDITS_FILE
    if dataset.origin is None:
        raise DataError(
            "there is no folder for edits of this data", dataset.name, "Save it to a file and open the file"
        )
    return sidecar_of(dataset.origin.files).edits


def _is_beside_data(dataset: DataSet) -> bool:
    from core.data.sidecar import sidecar_of

    return dataset.origin is not None and sidecar_of(dataset.origin.files).beside
