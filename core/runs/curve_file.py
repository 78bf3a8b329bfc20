"""curve.bin of a run: metrics.jsonl as records of a fixed size, memory-mapped, so that a million steps open at once.

It holds nothing of its own: where it is missing or shorter than metrics.jsonl, it is made again from that. A record
whose `step` is negative marks a resumption from the checkpoint of step -1 - `step`.
"""

from __future__ import annotations

import contextlib
import os
import struct
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.files import replace_file
from core.runs.job_lock import lock_is_held
from core.runs.metrics_file import METRICS_FILE, ResumedAt, StepMetric, all_metric_lines, metric_line

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

CURVE_FILE = "curve.bin"
CURVE_VALUES = (
    "loss",
    "learning_rate",
    "grad_norm",
    "tokens_per_second",
    "tokens",
    "epoch",
    "memory",
    "loss_reasoning",
    "loss_response",
    "loss_prompt",
)
"""The numbers of a record after its step and time, in order. NaN stands for None."""
_HEADER = b"SUIRON curve 1\n\0"  # 16 bytes; the number is the version of the records
_RECORD = struct.Struct(f"<q{1 + len(CURVE_VALUES)}d")
_TAIL = 4096  # bytes; no line of metrics.jsonl is longer


class Curve(msgspec.Struct, frozen=True):
    """The numbers of a run, without steps that were undone. All arrays have one value per step."""

    steps: Any
    """Steps, int64, ascending."""
    times: Any
    """When each was logged, seconds since the epoch, float64."""
    values: dict[str, Any]
    """The numbers by the names in `CURVE_VALUES`, float64, NaN where there is none. They may be mapped from disk:
    read-only."""

    def __len__(self) -> int:
        return len(self.steps)


class CurveWriter:
    """Appends records. A first write that fails ends it: readers then find the file short, and make it again."""

    def __init__(self, folder: Path) -> None:
        """Where the file does not match metrics.jsonl, it is made again first. Raises OSError."""
        self._path = folder / CURVE_FILE
        if not _is_whole(folder):
            _rebuild(folder)
        self._file = open(self._path, "ab", buffering=0)  # noqa: SIM115 - open for the life of the process
        self._broken = False

    def append(self, line: StepMetric | ResumedAt) -> None:
        if self._broken:
            return
        record = _record(line)
        try:
            self._broken = self._file.write(record) != len(record)
        except OSError:
            self._broken = True


def open_curve(folder: Path) -> Curve:
    """The numbers of the run in `folder`; of none where it has logged nothing. Where curve.bin is missing or short they
    come from metrics.jsonl, and where no process works in the folder curve.bin is made again. Raises OSError."""
    import numpy as np

    dtype = np.dtype([("step", "<i8"), ("time", "<f8"), *((name, "<f8") for name in CURVE_VALUES)])
    works = bool(lock_is_held(folder))
    if not works and not _is_whole(folder):
        with contextlib.suppress(OSError):  # a full or read-only disk: then it is made in memory each time
            _rebuild(folder)
    if _is_whole(folder, behind=int(works)):  # the process may be between its two writes
        path = folder / CURVE_FILE
        if path.stat().st_size < len(_HEADER) + _RECORD.size:
            return _curve(np.empty(0, dtype))
        count = (path.stat().st_size - len(_HEADER)) // _RECORD.size
        return _curve(np.memmap(path, dtype, "r", len(_HEADER), (count,)))
    return _curve(np.frombuffer(_records_of_metrics(folder), dtype))


def _curve(records: Array) -> Curve:
    """Cuts out what was undone: between a mark for step k and the last record before it with a step of at most k."""
    import numpy as np

    steps = records["step"]
    marks = np.nonzero(steps < 0)[0]
    if len(marks):
        kept = np.ones(len(records), bool)
        kept[marks] = False
        for mark in marks.tolist():
            undone = np.nonzero(kept[:mark] & (steps[:mark] > -1 - steps[mark]))[0]
            kept[undone] = False
        records = records[kept]
    return Curve(records["step"], records["time"], {name: records[name] for name in CURVE_VALUES})


def _is_whole(folder: Path, behind: int = 0) -> bool:
    """Whether curve.bin ends with the last line of metrics.jsonl, or up to `behind` lines before it. Reads the ends of
    both files only."""
    try:
        with open(folder / CURVE_FILE, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size < len(_HEADER) or (size - len(_HEADER)) % _RECORD.size:
                return False
            file.seek(0)
            if file.read(len(_HEADER)) != _HEADER:
                return False
            file.seek(max(len(_HEADER), size - _RECORD.size))
            last = file.read(_RECORD.size)
    except OSError:
        return False
    try:
        with open(folder / METRICS_FILE, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            block = file.read()
    except FileNotFoundError:
        return not last
    for line in reversed(block[: block.rfind(b"\n") + 1].split(b"\n")):
        try:
            metric = metric_line(msgspec.json.decode(line, type=dict[str, Any]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if last == _record(metric) or not behind:
            return last == _record(metric)
        behind -= 1
    return not last


def _rebuild(folder: Path) -> None:
    replace_file(folder / CURVE_FILE, _HEADER + _records_of_metrics(folder))


def _records_of_metrics(folder: Path) -> bytes:
    return b"".join(map(_record, all_metric_lines(folder)))


_numbers_of = attrgetter(*CURVE_VALUES)
_NAN = float("nan")


def _record(line: StepMetric | ResumedAt) -> bytes:
    if isinstance(line, ResumedAt):
        return _RECORD.pack(-1 - line.resumed, line.time, *(_NAN,) * len(CURVE_VALUES))
    numbers = [_NAN if number is None else number for number in _numbers_of(line)]
    return _RECORD.pack(line.step, line.time, *numbers)
