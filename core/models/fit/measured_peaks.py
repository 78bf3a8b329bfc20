"""The peaks of earlier runs, kept in `<home>/peaks.jsonl`, which correct the estimates of the same settings.

One line is appended for each run and each probe, after its steps. A line that cannot be read is passed over.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from core.base import folders
from core.base.files import append_json, read_json_lines
from core.models.fit.model_shape import ModelShape
from core.models.fit.training_shape import Placement, TrainingShape

PEAKS_FILE = "peaks.jsonl"


class MeasuredPeak(msgspec.Struct, frozen=True, kw_only=True):
    """What one run took."""

    key: str
    """The model and the settings besides the size of a pass: see `peak_key`."""
    batch_size: int
    """Rows of its largest pass."""
    tokens: int
    """Tokens of each row of that pass, padding included."""
    peak: int
    """Bytes at the peak: reserved by the allocator on a GPU, else of the process."""
    device: str = ""
    """The device in words."""
    run: str = ""
    """The run's id; empty for a probe."""
    time: float = 0.0
    """When it was measured, in seconds since 1970."""


def peak_key(shape: ModelShape, placement: Placement, training: TrainingShape) -> str:
    """What the memory of a run depends on besides the size of its passes, as a text."""
    targets = ",".join(sorted(training.target_modules))
    model = f"{shape.family} {shape.hidden}x{shape.layers} {shape.parameters}"
    bits = 4 if placement.four_bit else 8 * placement.width
    held = f"{placement.backend} {'gpu' if placement.on_gpu else 'cpu'} {bits}bit"
    checkpointing = "checkpointing" if training.gradient_checkpointing else "kept"
    loss = " weighted" if training.weighted else ""
    return f"{model} | {held} | r{training.r} {targets} {checkpointing} {training.optim}{loss}"


def keep_peak(peak: MeasuredPeak, home: Path | None = None) -> None:
    """Append it to the file. Raises OSError."""
    append_json((home or folders.home()) / PEAKS_FILE, msgspec.structs.replace(peak, time=time.time()))


def peaks_of(key: str, home: Path | None = None) -> tuple[MeasuredPeak, ...]:
    """The peaks of earlier runs with this key, the newest last; none where the file cannot be read."""
    try:
        lines, _ = read_json_lines((home or folders.home()) / PEAKS_FILE)
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            peak = msgspec.convert(line, MeasuredPeak)
        except msgspec.ValidationError:
            continue
        if peak.key == key and peak.peak > 0:
            found.append(peak)
    return tuple(found)
