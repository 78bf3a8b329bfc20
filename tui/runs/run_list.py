"""Which runs are listed, in which order, and the line of each. Pure; knows no widget."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from rich.cells import cell_len

from core.runs.run_summary import RunSummary
from tui.common.choices import BAD, GOOD, MARK, MUTED, STRONG, WARN, ChoiceLine
from tui.common.fit_text import fit_to_width

SORTS = ("newest", "loss", "name", "state", "verdict")
"""The orders that a key goes through."""
_STATE_ROLES = {"finished": GOOD, "failed": BAD, "lost": BAD, "paused": WARN, "training": STRONG}
VERDICT_SIGNS = {"good": "+ good", "mixed": "= mixed", "bad": "- bad"}
_WITH_MODEL = 100  # cells of a line from which on model, data and age have a column
_DAY = 86_400


def listed_runs(runs: Sequence[RunSummary], text: str, sort: str) -> list[RunSummary]:
    """The runs that contain every word of `text` in any of their words, in any case, in the order `sort`."""
    words = text.casefold().split()
    found = [run for run in runs if all(word in _searched(run) for word in words)]
    if sort == "loss":
        return sorted(found, key=lambda run: (run.loss is None, run.loss or 0.0))
    if sort in ("name", "state"):
        return sorted(found, key=lambda run: getattr(run, sort).casefold())
    if sort == "verdict":
        order = ["good", "mixed", "bad", ""]
        return sorted(found, key=lambda run: order.index(run.verdict) if run.verdict in order else len(order))
    return found


def _searched(run: RunSummary) -> str:
    words = (run.id, run.name, run.kind, run.state, run.model, run.data, run.verdict, run.note, *run.settings.values())
    return " ".join(words).casefold()


def heading(width: int) -> str:
    """The names of the columns, as `run_line` has them."""
    head = f"{'':2}{'name':<20} {'state':<10} {'steps':>11} {'loss':>9} {'verdict':<8}"
    if width >= _WITH_MODEL:
        head += f"{'model':<16} {'data':<14} {'age':>5}  "
    return fit_to_width(head + " differs from the one before", width)


def run_line(
    run: RunSummary, mark: str, changes: Mapping[str, str], width: int, now: float | None = None
) -> ChoiceLine:
    """A run in `width` cells. mark: the letter with which it is marked, or empty. changes: see `with_changes`."""
    steps = f"{run.step:,}/{run.total:,}" if run.total else f"{run.step:,}"
    loss = "–" if run.loss is None else f"{run.loss:.4f}{'E' if run.evaluated else ' '}"
    line = [
        (f"{mark:<2}", MARK),
        (fit_to_width(run.name or run.id, 20), STRONG if not run.ended else ""),
        (f" {fit_to_width(run.state, 10)} ", _STATE_ROLES.get(run.state, MUTED)),
        (f"{steps:>11} {loss:>9} ", ""),
        (f"{VERDICT_SIGNS.get(run.verdict, ''):<8}", {"good": GOOD, "bad": BAD}.get(run.verdict, "")),
    ]
    if width >= _WITH_MODEL:
        age = age_words(run.started, time.time() if now is None else now)
        names = f"{fit_to_width(_tail(run.model), 16)} {fit_to_width(_tail(run.data), 14)} {age:>5}  "
        line.append((names, MUTED))
    used = sum(cell_len(text) for text, _ in line)
    about = run.trouble or (
        changes.get(run.id, "") if run.kind == "train" else f"a job of kind {run.kind or 'unknown'}"
    )
    line.append((" " + fit_to_width(about, max(0, width - used - 1)), BAD if run.trouble else MUTED))
    return line


def age_words(started: float, now: float) -> str:
    """`5 min`, `3 h`, `12 d`; empty where it is not known."""
    seconds = now - started
    if not started or seconds < 0:
        return ""
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    return f"{int(seconds // 3600)} h" if seconds < _DAY else f"{int(seconds // _DAY)} d"


def _tail(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]
