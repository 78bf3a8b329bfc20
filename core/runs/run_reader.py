"""Follows one run: reads the changes in its folder since the last read, and keeps all data read so far.

Knows the folder's files; knows nothing of screens. `read_changes` blocks on the disk: call it from a thread, one call
at a time.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from core.runs.chart_series import smooth_at
from core.runs.checkpoint_folders import checkpoint_step
from core.runs.events_file import EVENTS_FILE, JobEvent
from core.runs.facts_file import FACTS_FILE
from core.runs.launch import why_not_resumable
from core.runs.metrics_file import ResumedAt, StepMetric
from core.runs.run_curves import RunCurves
from core.runs.run_folder import RunFolder
from core.runs.status_file import FailureCause, RunStatus

TAIL_BYTES = 32 * 1024  # of console.log, from its end
TAIL_LINES = 200
LONG_BYTES = 1 << 20  # of metrics.jsonl, from which on its steps are taken from curve.bin
_LAST_BYTES = 8 * 1024  # of metrics.jsonl that are read all the same: more than two lines
# Colours and cursor moves of progress bars, which mean nothing in a log.
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class RunReader:
    """The data of one run, as read so far."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.status = RunStatus(state="starting")
        self.curves = RunCurves()
        """Its numbers over optimizer steps."""
        self.events: list[JobEvent] = []
        """What happened to it, in order."""
        self.console: list[str] = []
        """The last lines of the console, as safe text."""
        self.facts: dict[str, Any] = {}
        """What the run found out about its rows, model and machine."""
        self.resumable_from: int | None = None
        """The step of the checkpoint from which an ended run can go on, 0 for its first step; None where it cannot, or
        has not ended."""
        self.trouble: FailureCause | None = None
        """Why the folder could not be read the last time."""
        self._offset = self._events_offset = 0
        self._seen: dict[Path, tuple[int, int, int]] = {}

    @property
    def last(self) -> StepMetric | None:
        """The newest metric."""
        return self.curves.last

    def mean_loss(self) -> float | None:
        """The moving average of the loss at the newest step; None where there is none."""
        count = len(self.curves)
        if not count:
            return None
        mean = smooth_at(self.curves.values("loss"), [count - 1])[0]
        return mean if math.isfinite(mean) else None

    def read_changes(self) -> bool:
        """Read the changes; True where there are any. An error is kept in `trouble`, never raised."""
        before, self.trouble = self.trouble, None
        changed = False
        # The status first, so that the metrics that it counts exist already.
        for read in (self._read_status, self._read_facts, self._read_metrics, self._read_events, self._read_console):
            try:
                changed |= read()
            except SuironError as error:
                self.trouble = FailureCause(error.what, error.where, error.do)
            except OSError as error:
                self.trouble = FailureCause(
                    f"the run's folder cannot be read ({error.strerror})",
                    str(self.folder.path),
                    "Check the disk it is on",
                )
        return changed or self.trouble != before

    def _read_status(self) -> bool:
        # Read every time, because a process can die without writing. Only an ended run changes with its file alone.
        if self.status.ended and not self._changed(self.folder.path / "status.json"):
            return False
        status = self.folder.status()
        changed, self.status = status != self.status, status
        if changed:
            self.resumable_from = self._find_resumable()
        return changed

    def _find_resumable(self) -> int | None:
        if not self.status.ended or why_not_resumable(self.folder, self.status) is not None:
            return None
        checkpoint = self.folder.checkpoint()
        return 0 if checkpoint is None else checkpoint_step(checkpoint)

    def _read_facts(self) -> bool:
        path = self.folder.path / FACTS_FILE
        # Folders of earlier versions have their facts in the status.
        if not self._changed(path) and (path.exists() or self.facts == self.status.facts):
            return False
        self.facts = self.folder.facts()
        return True

    def _read_metrics(self) -> bool:
        path = self.folder.path / "metrics.jsonl"
        if not self._changed(path):
            return False
        if self._seen[path][1] < self._offset:  # it was replaced by a shorter file
            self.curves = RunCurves()
            self._offset = 0
        if self._offset == 0 and self._seen[path][1] > LONG_BYTES:
            self._read_history(path)
        lines, self._offset = self.folder.metric_lines(self._offset)
        for line in lines:
            if isinstance(line, ResumedAt):
                self.curves.drop_after(line.resumed)
            else:
                self.curves.add(line)
        return bool(lines)

    def _read_history(self, path: Path) -> None:
        """Take all steps but the last ones from curve.bin. The last lines of the metrics are read as any new ones are;
        a step that comes twice replaces itself."""
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _LAST_BYTES)
            file.seek(start)
            block = file.read()
        self.curves = RunCurves()
        self.curves.load(self.folder.curve())
        self._offset = start + block.find(b"\n") + 1

    def _read_events(self) -> bool:
        path = self.folder.path / EVENTS_FILE
        if not self._changed(path):
            return False
        if self._seen[path][1] < self._events_offset:  # it was replaced by a shorter file
            self.events, self._events_offset = [], 0
        events, self._events_offset = self.folder.events(self._events_offset)
        self.events = [*self.events, *events]
        return bool(events)

    def _read_console(self) -> bool:
        if not self._changed(self.folder.console):
            return False
        lines = console_tail(self.folder.console)
        changed, self.console = lines != self.console, lines
        return changed

    def _changed(self, path: Path) -> bool:
        """Whether `path` is another file, or has another size or modification time, than at the last read."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return False
        seen = (status.st_ino, status.st_size, status.st_mtime_ns)
        changed = self._seen.get(path) != seen
        self._seen[path] = seen
        return changed


def console_tail(path: Path, limit: int = TAIL_LINES, most_bytes: int = TAIL_BYTES) -> list[str]:
    """The last `limit` lines in the last `most_bytes` of a log as safe text. For a line that is redrawn with carriage
    returns, only the last version is kept; escape sequences and empty lines are dropped."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - most_bytes))
        block = file.read(most_bytes)
    pieces = block.split(b"\n")
    if size > most_bytes:
        pieces = pieces[1:] or pieces  # the first line is incomplete
    lines = (_last_drawing(piece.decode("utf-8", "replace")) for piece in pieces)
    return [line for line in lines if line][-limit:]


def _last_drawing(line: str) -> str:
    drawings = [text for text in _ESCAPE_SEQUENCE.sub("", line).split("\r") if text.strip()]
    return safe_line(drawings[-1]) if drawings else ""
