"""All runs in a list: the summaries of those that changed are made anew, the others come from one small file.

`<cache>/runs-index.json` holds nothing of its own: where it is missing or damaged, it is made again.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from core.base import folders
from core.base.files import replace_file
from core.runs.run_folder import list_runs
from core.runs.run_summary import RunSummary, summarise_run

_WATCHED = ("run.toml", "status.json", "notes.json", "events.jsonl", "metrics.jsonl")
_FORMAT = 1  # changes with the fields of `RunSummary` and with how they are made


class _Kept(msgspec.Struct, frozen=True):
    stamp: str
    summary: RunSummary


class _IndexFile(msgspec.Struct):
    format: int
    home: str
    runs: dict[str, _Kept]


class RunIndex:
    """The summaries of all runs, newest first. Keeps what it has read: the second listing only looks at times."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] | None = None

    def list(self) -> list[RunSummary]:
        """Reads the disk: call it from a thread. Raises OSError where the folder of the runs cannot be read."""
        before = self._load() if self._kept is None else self._kept
        kept: dict[str, _Kept] = {}
        changed = False
        for run in list_runs():
            stamp, old = _stamp(run.path), before.get(run.id)
            # The process of a run that has not ended can go without a word: it is asked for each time.
            if old is None or old.stamp != stamp or not old.summary.ended:
                old = _Kept(stamp, summarise_run(run))
                changed = True
            kept[run.id] = old
        changed |= len(kept) != len(before)
        self._kept = kept
        if changed:
            self._save()
        return [each.summary for each in kept.values()]

    def _load(self) -> dict[str, _Kept]:
        try:
            found = msgspec.json.decode(_index_path().read_bytes(), type=_IndexFile)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return found.runs if found.format == _FORMAT and found.home == str(folders.home()) else {}

    def _save(self) -> None:
        ended = {name: each for name, each in (self._kept or {}).items() if each.summary.ended}
        with contextlib.suppress(OSError, UnicodeEncodeError):  # a full or read-only disk: made again next time
            replace_file(_index_path(), msgspec.json.encode(_IndexFile(_FORMAT, str(folders.home()), ended)))


def _index_path() -> Path:
    return folders.cache() / "runs-index.json"


def _stamp(folder: Path) -> str:
    """Sizes and times of the files that a summary is made of."""
    parts = []
    for name in _WATCHED:
        try:
            found = os.stat(folder / name)
        except OSError:
            parts.append("-")
            continue
        parts.append(f"{found.st_size}.{found.st_mtime_ns}")
    return " ".join(parts)
