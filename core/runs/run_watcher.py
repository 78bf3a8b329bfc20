"""Which run folders have changed since the last look: one place that watches, for every screen.

Reads times and sizes, and the status of runs that have not ended, because a process can go without writing a word.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from core.base.errors import RunError
from core.runs.run_folder import RunFolder, list_runs

_OF_ALL = ("status.json", "notes.json")
_OF_WORKING = ("metrics.jsonl", "events.jsonl", "console.log", "facts.json")


class RunChanges(msgspec.Struct, frozen=True):
    """What has changed since the last look."""

    ids: frozenset[str] = frozenset()
    """The runs that changed in any way, came or went."""
    states: frozenset[str] = frozenset()
    """Those among them whose state changed, or which came or went."""
    ended: frozenset[str] = frozenset()
    """Those that worked at the last look and have ended."""
    some_work: bool = False
    """Whether a run works now."""


class _Seen(msgspec.Struct, frozen=True):
    stamp: tuple[tuple[int, int], ...]
    state: str
    ended: bool


class RunWatcher:
    """`look` again and again, from one thread at a time. At the first look, all runs have come."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] | None = None

    def look(self) -> RunChanges:
        """Raises OSError where the folder of the runs cannot be read."""
        before = self._seen or {}
        now = {run.id: _see(run, before.get(run.id)) for run in list_runs()}
        self._seen = now
        some_work = any(not seen.ended for seen in now.values())
        came_or_went = before.keys() ^ now.keys()
        both = before.keys() & now.keys()
        states = frozenset(came_or_went | {name for name in both if before[name].state != now[name].state})
        ids = states | {name for name in both if before[name].stamp != now[name].stamp}
        ended = frozenset(name for name in both if now[name].ended and not before[name].ended)
        return RunChanges(ids, states, ended, some_work)


def _see(run: RunFolder, before: _Seen | None) -> _Seen:
    short = _stamp(run.path, _OF_ALL)
    if before is not None and before.ended and before.stamp[: len(short)] == short:
        return before
    try:
        status = run.status()
        state, ended = status.state, status.ended
    except RunError:
        state, ended = "unknown", True
    return _Seen(short + _stamp(run.path, _OF_WORKING), state, ended)


def _stamp(folder: Path, names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    stamps = []
    for name in names:
        try:
            found = os.stat(folder / name)
        except OSError:
            stamps.append((-1, 0))
            continue
        stamps.append((found.st_size, found.st_mtime_ns))
    return tuple(stamps)
