"""Editing: the one who may write (`Editor`), and for all who only read the rows as edited (`with_edits`). Knows the
journal and the table of edits.

An edit is applied, then written to the journal, and counts once it is on disk; what cannot be written is taken back.
Every edit makes a new DataSet.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data.cells import clean
from core.data.columns.mapping import blank
from core.data.dataset import DataSet
from core.data.editing.history import edited, told

if TYPE_CHECKING:
    import numpy as np

    from core.data.editing.history import History
    from core.data.editing.operations import Operation


class Step(msgspec.Struct, frozen=True):
    """words: what was done, for people, foreign text inside; index: the row to go to, -1 where there is none; when:
    seconds since 1970."""

    words: str
    index: int
    when: float


def with_edits(dataset: DataSet, folder: Path | None = None) -> DataSet:
    """The data set with the person's edits, itself where there are none. `folder`: of the journal, where it is not the
    sidecar.

    Raises DataError where the journal cannot be read; edits that no longer fit are among the problems.
    """
    path = _journal(dataset, folder)
    if not path.exists():
        return dataset
    from core.data.editing.journal import read

    story, mark = read(path)
    if story.begun is None and not story.bad:
        return dataset
    return edited(dataset, told(dataset, story, path, mark)[0])


def open_editor(dataset: DataSet, folder: Path | None = None) -> Editor:
    """The right to edit `dataset`, until `close`. Raises DataError where another process has it, or nothing can be
    written."""
    if not dataset.ready:
        raise DataError("its rows are still being read", dataset.name, "Wait until all are here")
    return Editor(dataset, _journal(dataset, folder), folder is not None or _beside(dataset))


class Editor:
    """dataset: with all edits so far; where: the folder of the journal; beside: whether it stands next to the data.

    Every method that edits raises DataError and leaves all as it was where a row is not there or the journal cannot be
    written. Not for two threads.
    """

    def __init__(self, dataset: DataSet, journal: Path, beside: bool) -> None:
        from core.data.editing.journal import Journal

        self.where, self.beside = journal.parent, beside
        self._source = dataset.unedited()
        self._journal = Journal(journal)
        try:
            known = dataset.edits
            if known is not None and known.mark == known.history.mark == self._journal.mark:
                history: History = known.history
                self._history, begun = history, True
            else:
                story = self._journal.read()
                self._history, again = told(self._source, story, journal, self._journal.mark)
                if again is not story:
                    from core.data.editing.journal import dated

                    self._journal.begin_again(self._key, self._history.edits.size, again, dated(journal))
                    self._history.mark = self._journal.mark
                begun = story.begun is not None
            self._begun = begun
            self.dataset = (
                dataset if known is not None and known.history is self._history else edited(self._source, self._history)
            )
        except BaseException:
            self._journal.close()
            raise

    def __enter__(self) -> Editor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets another one edit. The data set stays readable."""
        self._journal.close()

    @property
    def undoable(self) -> int:
        return len(self._history.done)

    @property
    def redoable(self) -> int:
        return len(self._history.undone)

    def change(self, index: int, texts: Mapping[str, str]) -> bool:
        """Sets columns of one row; False where that changes nothing."""
        from core.data.editing.operations import Change

        row = self._row(index)
        texts = {
            column: clean(text) for column, text in self._columns(texts).items() if clean(text) != getattr(row, column)
        }
        self._says(texts.get("instruction", row.instruction), texts.get("output", row.output))
        return bool(texts) and self._do(Change(index, texts, keys=self._keys([index]), when=time.time())) > 0

    def add(self, row: Row | Mapping[str, str], after: int | None = None) -> int:
        """A new row behind the row `after`, at the end where None; its index. What is not named is empty."""
        return self._add(row, after, None)

    def duplicate(self, index: int) -> int:
        """A copy right behind the row `index`; the copy's index."""
        return self._add(self._row(index), index, index)

    def _add(self, row: Row | Mapping[str, str], after: int | None, copied: int | None) -> int:
        from core.data.editing.operations import Add

        if after is not None:
            self._row(after)
        texts = {column: getattr(row, column) for column in COLUMNS} if isinstance(row, Row) else self._columns(row)
        instruction, given, reasoning, output, syslang, sysflag = (clean(texts.get(column, "")) for column in COLUMNS)
        fields = (instruction, given, reasoning, output, syslang, sysflag)
        self._says(instruction, output)
        index = self._history.edits.next
        keys = self._keys([after]) if after is not None else []
        self._do(Add(index, fields, after, copied, keys=keys, when=time.time()))
        return index

    def delete(self, indices: Iterable[int] | np.ndarray[Any, Any]) -> int:
        """Takes rows out; how many. Undo brings them back to their places."""
        from core.data.editing.operations import Delete
        from core.data.editing.row_list import pack

        rows = self._rows(indices)
        if not len(rows):
            return 0
        if len(rows) == len(self.dataset):
            raise DataError("these are all the rows there are", self._source.name, "Leave at least one")
        return self._do(Delete(pack(rows), len(rows), keys=self._keys(rows), when=time.time()))

    def fill(self, indices: Iterable[int] | np.ndarray[Any, Any], column: str, value: str) -> int:
        """Sets `column` to `value`; how many rows had another text."""
        from core.data.editing.operations import Fill
        from core.data.editing.row_list import pack

        self._columns({column: value})
        rows = self._rows(indices)
        if column in ("instruction", "output") and not value.strip():
            other = "output" if column == "instruction" else "instruction"
            for batch in self.dataset.record_batches(rows):
                for text in batch.column(other).to_pylist():
                    self._says(text, "")
        return (
            self._do(Fill(pack(rows), len(rows), column, clean(value), keys=self._keys(rows), when=time.time()))
            if len(rows)
            else 0
        )

    def split(
        self,
        indices: Iterable[int] | np.ndarray[Any, Any],
        share: float,
        seed: int,
        test: str = "test",
        train: str = "train",
    ) -> tuple[int, int]:
        """Sets sysflag of `share` of the rows to `test`, of the others to `train`; how many each. Rows that ask the
        same stand on the same side."""
        from core.data.editing import bulk
        from core.data.editing.operations import Split
        from core.data.editing.row_list import pack

        if not 0 <= share <= 1:
            raise DataError(
                f"a share of {share:g} is none", self._source.name, "Give a number from 0 to 1, such as 0.1"
            )
        rows = self._rows(indices)
        if not len(rows):
            return 0, 0
        chosen, others = bulk.split(self._history.edits, rows, share, seed)
        keys = self._keys(rows)
        self._do(
            Split(
                pack(rows), len(rows), share, seed, clean(test), clean(train), pack(chosen), keys=keys, when=time.time()
            )
        )
        return len(chosen), len(others)

    def extract_reasoning(self, indices: Iterable[int] | np.ndarray[Any, Any]) -> int:
        """Moves what stands between markers such as <think> and </think> from output to reasoning; how many rows had
        such.

        A row is left alone where its thought never ends, nothing follows it, or another reasoning stands in its column
        already.
        """
        from core.data.editing.operations import Extract
        from core.data.editing.row_list import pack

        rows = self._rows(indices)
        return self._do(Extract(pack(rows), len(rows), keys=self._keys(rows), when=time.time())) if len(rows) else 0

    def rewrite(self, texts: Mapping[int, Mapping[str, str]], words: str) -> int:
        """Sets columns of many rows to texts of their own, as one edit; how many rows that changes. words: what is done
        to them, for people."""
        from core.data.editing.operations import Rewrite

        new: list[tuple[int, dict[str, str]]] = []
        for index, columns in texts.items():
            row = self._row(index)
            changed = {
                column: clean(text)
                for column, text in self._columns(columns).items()
                if clean(text) != getattr(row, column)
            }
            if changed:
                new.append((index, changed))
        return (
            self._do(Rewrite(new, words, keys=self._keys([index for index, _ in new]), when=time.time())) if new else 0
        )

    def undo(self) -> Step | None:
        """Takes the last edit back; None where there is none."""
        from core.data.editing.operations import Undone

        if not self._history.done:
            return None
        operation = self._history.done[-1].operation
        self._history.back()
        try:
            self._write(Undone(when=time.time()))
        except BaseException:
            self._history.do(operation)
            raise
        self._history.undone.append(operation)
        return self._stepped(operation)

    def redo(self) -> Step | None:
        """Does again what was undone last; None where there is nothing."""
        from core.data.editing.operations import Redone

        if not self._history.undone:
            return None
        operation = self._history.undone[-1]
        self._fits(operation)
        try:
            self._write(Redone(when=time.time()))
        except BaseException:
            self._history.back()
            raise
        self._history.undone.pop()
        return self._stepped(operation)

    def log(self) -> list[Step]:
        """The edits in force, the oldest first."""
        from core.data.editing.operations import step

        return [Step(*step(done.operation), done.operation.when) for done in self._history.done]

    def _stepped(self, operation: Operation) -> Step:
        from core.data.editing.operations import step

        self._publish()
        return Step(*step(operation), operation.when)

    def _do(self, operation: Operation) -> int:
        count = self._fits(operation)
        try:
            if not count:
                self._history.back()
                return 0
            if not self._begun:
                self._journal.begin(self._key, self._history.edits.size)
                self._begun = True
            from core.data.editing.rebase import FEW

            if getattr(operation, "count", 0) > FEW:
                self._keep_keys()
            self._write(operation)
        except BaseException:
            if count:
                self._history.back()
            raise
        self._history.undone.clear()
        self._publish()
        return count

    def _fits(self, operation: Operation) -> int:
        try:
            return self._history.do(operation)
        except (IndexError, ValueError) as error:
            raise DataError(f"the edit does not fit ({error})", self._source.name, "Look at the rows again") from error

    def _keep_keys(self) -> None:
        from core.data.editing.rebase import keep_keys

        try:
            keep_keys(self._journal.path, self._key, self._history.edits.base)
        except OSError as error:
            raise DataError(
                f"the edit cannot be kept ({error.strerror})", str(self.where), "Free space there and edit again"
            ) from error

    def _write(self, line: Any) -> None:
        self._journal.append(line)
        self._history.mark = self._journal.mark

    def _publish(self) -> None:
        self.dataset = edited(self._source, self._history)

    @property
    def _key(self) -> str:
        return self._source.fingerprint

    def _row(self, index: int) -> Row:
        try:
            return self._history.edits.row(index)
        except IndexError as error:
            raise DataError(f"there is no row {index}", self._source.name, "Look at the rows again") from error

    def _columns(self, texts: Mapping[str, str]) -> Mapping[str, str]:
        for column in texts:
            if column not in COLUMNS:
                raise DataError(f"there is no column {column}", self._source.name, f"Columns are {', '.join(COLUMNS)}")
        return texts

    def _rows(self, indices: Iterable[int] | np.ndarray[Any, Any]) -> Sequence[int]:
        """Rising, each once, all there."""
        if not hasattr(indices, "dtype") and not isinstance(indices, range):
            indices = sorted({int(index) for index in indices})
        if isinstance(indices, list) and len(indices) <= 1000:
            for index in indices:
                self._row(index)
            return indices
        import numpy as np

        rows = np.unique(np.asarray(indices, dtype=np.int64))
        return rows.tolist() if len(rows) <= 1000 else rows  # type: ignore[return-value]

    def _says(self, instruction: str, output: str) -> None:
        if blank(instruction, output):
            raise DataError("a row needs an instruction or an output", self._source.name, "Write one of them")

    def _keys(self, rows: Sequence[int]) -> list[int]:
        from core.data.editing.rebase import few_keys

        return few_keys(self._history.edits.base, rows)


def _journal(dataset: DataSet, folder: Path | None) -> Path:
    from core.data.sidecar import EDITS, sidecar

    if folder is not None:
        return folder / EDITS
    if dataset.origin is None:
        raise DataError("it has no place where edits could be kept", dataset.name, "Save it as a file and open that")
    return sidecar(dataset.origin.found).edits


def _beside(dataset: DataSet) -> bool:
    from core.data.sidecar import sidecar

    return dataset.origin is not None and sidecar(dataset.origin.found).beside
