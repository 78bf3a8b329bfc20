"""Follows a run for a screen: reads only what is new since the last look, and keeps all that was read, so that nothing
shown has a gap.

Knows the folder's files; knows nothing of screens. `look` blocks on the disk: call it from a thread, one call at a
time.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from core.runs.curve import Series
from core.runs.folder import Metric, RunFolder, Status, Trouble

TAIL = 32 * 1024  # bytes of console.log that are looked at
LINES = 200
_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
)  # colours and cursor moves of progress bars, which mean nothing in a log


class RunReader:
    """What is known of one run: its status, its loss, the newest metric of all, the last lines of its console (safe
    text), and `trouble` where the folder itself could not be read."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.status = Status(state="starting")
        self.loss = Series()
        self.last: Metric | None = None
        self.console: list[str] = []
        self.trouble: Trouble | None = None
        self._offset = 0
        self._seen: dict[Path, tuple[int, int, int]] = {}

    def look(self) -> bool:
        """Read what is new. True where anything changed. What cannot be read is told in `trouble`, never raised."""
        before, self.trouble = self.trouble, None
        changed = False
        for part in (
            self._look_at_status,
            self._look_at_metrics,
            self._look_at_console,
        ):  # status first: what it counts is then there
            try:
                changed |= part()
            except SuironError as error:
                self.trouble = Trouble(error.what, error.where, error.do)
            except OSError as error:
                self.trouble = Trouble(
                    f"the run's folder cannot be read ({error.strerror})",
                    str(self.folder.path),
                    "Look at the disk it is on",
                )
        return changed or self.trouble != before

    def _look_at_status(self) -> bool:
        # Read each time, because a process dies without a write; only an ended run never changes again unless its file
        # does.
        if self.status.ended and not self._changed(self.folder.path / "status.json"):
            return False
        status = self.folder.status()
        changed, self.status = status != self.status, status
        return changed

    def _look_at_metrics(self) -> bool:
        path = self.folder.path / "metrics.jsonl"
        if not self._changed(path):
            return False
        if self._seen[path][1] < self._offset:  # another file than the one read so far
            self.loss, self.last, self._offset = Series(), None, 0
        metrics, self._offset = self.folder.metrics(self._offset)
        for metric in metrics:
            self.loss.add(metric.step, metric.loss)
            self.last = metric
        return bool(metrics)

    def _look_at_console(self) -> bool:
        if not self._changed(self.folder.console):
            return False
        lines = console_tail(self.folder.console)
        changed, self.console = lines != self.console, lines
        return changed

    def _changed(self, path: Path) -> bool:
        """Whether `path` is another file, or has another size or time of change, than at the last look."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return False
        seen = (found.st_ino, found.st_size, found.st_mtime_ns)
        changed = self._seen.get(path) != seen
        self._seen[path] = seen
        return changed


def console_tail(path: Path, limit: int = LINES) -> list[str]:
    """The last lines of a log as safe text, at most `limit`. Of a line that was drawn again and again with carriage
    returns, the last drawing; cursor moves and colours are dropped; empty lines too."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL))
        block = file.read(TAIL)
    pieces = block.split(b"\n")
    if size > TAIL:
        pieces = pieces[1:] or pieces  # the first is torn
    lines = (_last_drawing(piece.decode("utf-8", "replace")) for piece in pieces)
    return [line for line in lines if line][-limit:]


def _last_drawing(line: str) -> str:
    drawings = [text for text in _CONTROL.sub("", line).split("\r") if text.strip()]
    return safe_line(drawings[-1]) if drawings else ""
