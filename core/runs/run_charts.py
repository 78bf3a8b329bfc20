"""The charts of a run as data: which numbers are drawn as which lines, the events beside them, other runs over them.

Pure: knows nothing of screens. Lines are told apart by letters, so that a chart is readable without colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from core.runs.events_file import JobEvent
from core.runs.run_curves import RunCurves

LineStyle = Literal["raw", "smooth", "points"]
"""How a line is drawn: each value as a dot, the moving average as a line, or single marks."""


class ChartLine(msgspec.Struct, frozen=True):
    """One line of a chart."""

    name: str
    """What it is, for the legend."""
    letter: str
    """The mark on the line; empty for the line that needs none."""
    style: LineStyle
    """How it is drawn."""
    steps: Any
    """Steps, ascending, shape (n,)."""
    values: Any
    """Their values, shape (n,); NaN where there is none."""


class ChartEvent(msgspec.Struct, frozen=True):
    """Something that happened to the run, as a mark above its step."""

    step: int
    """Steps done when it happened."""
    letter: str
    """The mark."""
    words: str
    """What it was."""


class RunChart(msgspec.Struct, frozen=True):
    """A chart of one run, with others over it."""

    kind: str
    """Its key in `CHARTS`."""
    lines: tuple[ChartLine, ...]
    """The lines, the first of them the one that a cursor reads."""
    gaps: bool = False
    """Whether values of the first line that are not finite are marked."""
    events: tuple[ChartEvent, ...] = ()
    """What happened, by step."""


CHARTS: dict[str, str] = {
    "loss": "loss",
    "sections": "loss by section",
    "rate": "learning rate",
    "norm": "gradient norm",
    "speed": "tokens a second",
    "memory": "memory, GiB",
}
"""The charts of a run and their titles, in the order in which a key goes through them."""
_SECTIONS = (("loss_reasoning", "reasoning", "R"), ("loss_response", "response", "A"), ("loss_prompt", "prompt", "P"))
_SINGLE = {"rate": "learning_rate", "norm": "grad_norm", "speed": "tokens_per_second", "memory": "memory"}
_COLUMN_OF_OTHERS = {"loss": "loss", "sections": "loss_response", **_SINGLE}
_EVENT_LETTERS = {"saved": "s", "best": "b", "resumed": "r", "bad_loss": "!", "save_failed": "f", "sample_failed": "f"}
_OBEYED_LETTERS = {"rate": "↕", "set": "*", "sample": "a", "pause": "p", "stop": "x", "discard": "x"}
OTHER_LETTERS = "BCDFGH"
"""The letters of other runs that are laid over."""


def run_chart(
    kind: str, curves: RunCurves, events: Sequence[JobEvent] = (), others: Mapping[str, RunCurves] | None = None
) -> RunChart:
    """The chart `kind` of `CHARTS`. others: other runs by their names, drawn as their moving averages."""
    lines: list[ChartLine] = []
    if kind == "loss":
        lines += _raw_and_smooth(curves, "loss")
        lines += _evaluations(events)
    elif kind == "sections":
        lines += [
            ChartLine(name, letter, "smooth", curves.steps, curves.values(column))
            for column, name, letter in _SECTIONS
            if len(curves) and _any_finite(curves.values(column))
        ]
    elif len(curves):
        lines += _raw_and_smooth(curves, _SINGLE[kind]) if kind in ("norm", "speed") else []
        if not lines:
            lines.append(ChartLine("each step", "", "raw", curves.steps, curves.values(_SINGLE[kind])))
    for letter, (name, other) in zip(OTHER_LETTERS, (others or {}).items(), strict=False):
        if len(other):
            lines.append(ChartLine(name, letter, "smooth", other.steps, other.values(_COLUMN_OF_OTHERS[kind])))
    return RunChart(kind, tuple(lines), kind == "loss", chart_events(events))


def chart_events(events: Sequence[JobEvent]) -> tuple[ChartEvent, ...]:
    """The events that a chart marks: rate and settings changed, saved, evaluated, paused, resumed, a bad loss. Those
    that a resumption undid are still there: they happened."""
    marks = []
    for event in events:
        if event.kind == "obeyed":
            letter = _OBEYED_LETTERS.get(str(event.facts.get("asked")), "")
        else:
            letter = _EVENT_LETTERS.get(event.kind, "")
        if letter:
            marks.append(ChartEvent(event.step, letter, event.words))
    return tuple(marks)


def _raw_and_smooth(curves: RunCurves, column: str) -> list[ChartLine]:
    if not len(curves):
        return []
    steps, values = curves.steps, curves.values(column)
    return [
        ChartLine("each step", "", "raw", steps, values),
        ChartLine("moving average", "", "smooth", steps, values),
    ]


def _evaluations(events: Sequence[JobEvent]) -> list[ChartLine]:
    """The evaluation losses, without those of steps that a later resumption undid."""
    found: dict[int, float] = {}
    for event in events:
        loss = event.facts.get("loss")
        if event.kind == "resumed":
            found = {step: value for step, value in found.items() if step <= event.step}
        elif event.kind == "evaluated" and isinstance(loss, int | float):
            found[event.step] = float(loss)
    if not found:
        return []
    steps = sorted(found)
    return [ChartLine("evaluation", "E", "points", steps, [found[step] for step in steps])]


def _any_finite(values: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(values).any())
