"""events.jsonl of a job: what happened to it, appended by its process. The chart draws events and the screen tells
them.

Kinds that a training run writes: `started`, `resumed`, `obeyed`, `refused`, `rate`, `setting`, `saved`, `save_failed`,
`evaluated`, `sampled`, `sample_failed`, `best`, `bad_loss`, `note`, `ended`; `queued` and `turn` where it waits
before. Readers keep kinds they do not know.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from core.base.files import append_json, read_json_lines

EVENTS_FILE = "events.jsonl"


class JobEvent(msgspec.Struct, frozen=True):
    """A line of events.jsonl."""

    kind: str
    """What kind of thing happened."""
    time: float = 0.0
    """When, seconds since the epoch."""
    step: int = 0
    """Steps done when it happened."""
    words: str = ""
    """It in words, a clause without a full stop. May quote foreign text."""
    facts: dict[str, Any] = {}
    """Its numbers and names, by name."""


def append_event(folder: Path, kind: str, step: int, words: str, facts: dict[str, Any] | None = None) -> None:
    """Append to the events.jsonl of the job in `folder`. Raises OSError."""
    append_json(folder / EVENTS_FILE, JobEvent(kind, time.time(), step, words, facts or {}))


def read_events(folder: Path, offset: int = 0) -> tuple[list[JobEvent], int]:
    """The events from byte `offset` on, and the offset to go on from. Lines of another shape are skipped."""
    lines, offset = read_json_lines(folder / EVENTS_FILE, offset)
    events = []
    for line in lines:
        try:
            events.append(msgspec.convert(line, JobEvent))
        except msgspec.ValidationError:
            continue  # two torn lines that happen to form JSON
    return events, offset
