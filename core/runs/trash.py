"""The trash of runs: `<home>/trash`. A run is moved there whole, and back; nothing here deletes anything."""

from __future__ import annotations

import os
from pathlib import Path

from core.base import folders
from core.base.errors import RunError
from core.base.files import private_dir
from core.runs.run_folder import RunFolder


def trash_folder() -> Path:
    """`<home>/trash`. Raises OSError where it cannot be made."""
    return private_dir(folders.home() / "trash")


def trash_run(run: RunFolder) -> Path:
    """Move the run to the trash; returns where it is now. Raises RunError where a process works in it."""
    status = run.status()
    if run.works() or not status.ended:
        raise RunError(f"the run is {status.state}", run.id, "Stop it first, then delete it")
    try:
        target = trash_folder() / run.id
        os.rename(run.path, target)
    except OSError as error:
        what = f"the run cannot be moved to the trash ({error.strerror})"
        raise RunError(what, str(run.path), "Check the permissions of the folder of the runs") from error
    return target


def restore_run(run_id: str) -> RunFolder:
    """Move the run `run_id` from the trash back among the runs. Raises RunError."""
    if run_id not in (path.name for path in trash_folder().iterdir()):
        raise RunError("no such run is in the trash", run_id, "`python -m core runs trash` lists those that are")
    target = folders.runs() / run_id
    if target.exists():
        raise RunError("a run with this id exists", run_id, "Rename one of the two folders")
    try:
        os.rename(trash_folder() / run_id, target)
    except OSError as error:
        what = f"the run cannot be moved out of the trash ({error.strerror})"
        raise RunError(what, str(target), "Check the permissions of the folder of the runs") from error
    return RunFolder(target)


def list_trash() -> list[RunFolder]:
    """The runs in the trash, newest first. Raises OSError."""
    paths = sorted(trash_folder().iterdir(), reverse=True)
    return [RunFolder(path) for path in paths if (path / "run.toml").is_file()]
