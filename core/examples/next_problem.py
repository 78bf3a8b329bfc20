"""The search for the next row with a problem: left out, cut, or with a fault or a warning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from core.base.errors import DataError
from core.base.row import Row
from core.examples.example import AnyTemplate, ExampleMaker, Verdict
from core.examples.example_checks import ExampleChecker
from core.examples.row_warnings import row_warnings
from core.examples.trained_rows import TrainedRows

if TYPE_CHECKING:
    from core.tokens.tokenizer import TextTokenizer

BATCH = 256  # rows judged at once


class RowSelection(Protocol):
    """Some rows in an order, as `DataSet.select` returns them."""

    def __len__(self) -> int: ...

    def page(self, offset: int, limit: int) -> list[Row]: ...


class ProblemFinder:
    """Finds rows that have a problem, as one run would train them. tokenizer: None to check only the texts."""

    def __init__(self, maker: ExampleMaker[AnyTemplate], tokenizer: TextTokenizer | None) -> None:
        self._maker = maker
        self._checker = ExampleChecker(tokenizer, maker.weights) if tokenizer is not None else None

    def problems(self, rows: Sequence[Row], template_index: int | None = None) -> list[bool]:
        """Whether each row has a problem. All get the mixture's template at `template_index`; without it, the mixture
        draws one for each."""
        if self._checker is None:
            return [self._has_text_problem(row, self._template_index(row, template_index)) for row in rows]
        examples = self._maker.make(rows, template_index)
        problems: list[bool] = (examples.verdicts != Verdict.TRAINED).tolist()
        kept = examples.kept.nonzero()[0]
        if not len(kept):
            return problems
        kept_rows = [rows[position] for position in kept.tolist()]
        cut = examples.verdicts[kept] == Verdict.CUT
        faults = self._checker.check(kept_rows, examples.kept_ids(), examples.ends[kept], examples.present[kept], cut)
        for position, fault in zip(kept.tolist(), faults.tolist(), strict=True):
            index = int(examples.template_indices[position])
            problems[position] = problems[position] or bool(fault) or self._has_text_problem(rows[position], index)
        return problems

    def _template_index(self, row: Row, template_index: int | None) -> int | None:
        return self._maker.mixture.template_index(row) if template_index is None else template_index

    def _has_text_problem(self, row: Row, template_index: int | None) -> bool:
        if template_index is None:
            return True
        try:
            segments = self._maker.encoder.segments(row, template_index)
        except DataError:
            return True
        return bool(row_warnings(row, self._maker.mixture.templates[template_index], segments))


def find_next_problem(
    selection: RowSelection,
    position: int,
    step: int,
    finder: ProblemFinder,
    trained_rows: TrainedRows,
    progress: Callable[[int], None] = lambda position: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> int | None:
    """The index, in its source, of the next row that is trained on and has a problem.

    Starts at the row next to `position`, forwards where `step` is above 0, else backwards. `progress` is called with a
    position in the selection after each batch. Returns None where no such row is left, or `cancelled` returns True.
    """
    for first, rows in _batches_from(selection, position, step):
        trained, _ = trained_rows.part(rows)
        problems = finder.problems(trained)
        if cancelled():
            return None
        for row, has_problem in zip(trained, problems, strict=True):
            if has_problem:
                return row.index
        progress(first)
    return None


def _batches_from(selection: RowSelection, position: int, step: int) -> Iterator[tuple[int, list[Row]]]:
    """Rows in the order of the search, with the position of the first row of each batch in the selection."""
    if step > 0:
        for first in range(position + 1, len(selection), BATCH):
            yield first, selection.page(first, BATCH)
        return
    for end in range(position, 0, -BATCH):
        first = max(0, end - BATCH)
        yield first, selection.page(first, end - first)[::-1]
