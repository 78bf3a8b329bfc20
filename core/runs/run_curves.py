"""The numbers of a run over its steps, as they grow: a long history mapped from disk, and the steps since.

A number that is not finite, or not there, is NaN. Steps only grow; where a run resumes from a checkpoint and writes its
steps again, all from that step on are dropped. numpy is imported with the first step: it takes a tenth of a second.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from core.runs.curve_file import Curve
from core.runs.metrics_file import StepMetric

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

STEPS = "step"
_FIRST_ROOM = 1024  # values of a new column


class RunCurves:
    """One number per step for each name in `CURVE_VALUES`. Columns are made when they are first asked for, so that a
    chart of a million steps costs one column and not ten."""

    def __init__(self) -> None:
        self.last: StepMetric | None = None
        """The newest step that was added since the history; None before."""
        self._history: Curve | None = None
        self._kept = 0  # of the history
        self._tail: list[StepMetric] = []
        self._columns: dict[str, _Column] = {}

    def __len__(self) -> int:
        return self._kept + len(self._tail)

    @property
    def last_step(self) -> int:
        """The newest step; 0 where there is none."""
        if self._tail:
            return self._tail[-1].step
        return int(self._history.steps[self._kept - 1]) if self._history is not None and self._kept else 0

    @property
    def steps(self) -> Array:
        """Steps, int64, ascending, shape (n,). A view: not to be kept over the next `add`."""
        return self._column(STEPS)

    def values(self, name: str) -> Array:
        """The number `name` of each step, float64, shape (n,), NaN where there is none. A view, as `steps`."""
        return self._column(name)

    def load(self, curve: Curve) -> None:
        """Replace everything by the numbers of `curve`."""
        self._history, self._kept = curve, len(curve)
        self._tail, self._columns, self.last = [], {}, None

    def add(self, metric: StepMetric) -> None:
        """Add a step. One that was added before is replaced, and all steps after it are dropped."""
        if metric.step <= self.last_step:
            self.drop_after(metric.step - 1)
        self._tail.append(metric)
        self.last = metric
        for name, column in self._columns.items():
            column.extend([_number(metric, name)])

    def drop_after(self, step: int) -> None:
        """Drop all steps after `step`: the run has resumed from there."""
        if step >= self.last_step:
            return
        del self._tail[bisect_right(self._tail, step, key=lambda metric: metric.step) :]
        if not self._tail and self._history is not None:
            import numpy as np

            self._kept = int(np.searchsorted(self._history.steps[: self._kept], step, "right"))
        self.last = self._tail[-1] if self._tail else None
        for column in self._columns.values():
            column.count = len(self)

    def _column(self, name: str) -> Array:
        if name not in self._columns:
            self._columns[name] = self._make_column(name)
        return self._columns[name].values()

    def _make_column(self, name: str) -> _Column:
        column = _Column(whole=name == STEPS)
        if self._history is not None:
            history = self._history.steps if name == STEPS else self._history.values[name]
            column.extend(history[: self._kept])
        column.extend([_number(metric, name) for metric in self._tail])
        return column


class _Column:
    """An array that grows at its end."""

    def __init__(self, whole: bool) -> None:
        import numpy as np

        self.count = 0
        self._room = np.empty(_FIRST_ROOM, np.int64 if whole else np.float64)

    def values(self) -> Array:
        return self._room[: self.count]

    def extend(self, values: Any) -> None:
        import numpy as np

        count = self.count + len(values)
        if count > len(self._room):
            room = np.empty(max(count + count // 8, 2 * len(self._room)), self._room.dtype)
            room[: self.count] = self._room[: self.count]
            self._room = room
        self._room[self.count : count] = values
        self.count = count


def curves_of(metrics: Iterable[StepMetric]) -> RunCurves:
    """The curves of a few steps."""
    curves = RunCurves()
    for metric in metrics:
        curves.add(metric)
    return curves


def _number(metric: StepMetric, name: str) -> float:
    value = getattr(metric, name)
    return math.nan if value is None else value
