"""Starts exports and reads how far they are: all that a screen or a command needs, and nothing heavy."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from core.base import folders
from core.base.errors import RunError
from core.base.safe_text import safe_line
from core.export.export_result import ExportResult, read_result
from core.export.export_spec import (
    QUESTIONS,
    ExportSpec,
    ExportTarget,
    ExportType,
    check_export_spec,
    dump_export_spec,
    load_export_spec,
)
from core.runs.checkpoint_folders import MARK_FILE, read_mark, restore_old_folder
from core.runs.launch import start_job
from core.runs.run_folder import RunFolder, find_run, list_runs, list_training_runs
from core.runs.status_file import RunStatus
from core.runs.watch_run import PAUSE_SECONDS, raise_if_failed

ASIDE = ".suiron"
"""Is in the names of the folders that an export uses beside its own, `NAME.suiron.part` and `NAME.suiron.old`."""
TEMPLATE_FOLDERS = ("additional_chat_templates",)
"""Folders that an export may have."""


class ExportProgress(msgspec.Struct, frozen=True):
    """How far an export is."""

    job: str
    """The job's id."""
    spec: ExportSpec
    """What is exported."""
    status: RunStatus
    """State, steps (tensors, then answers) and words."""
    result: ExportResult | None
    """What it has written; None before."""

    @property
    def line(self) -> str:
        """One line for a screen."""
        if self.result is not None and self.status.ended:
            return self.result.words
        of = f" ({self.status.step} of {self.status.total})" if self.status.total else ""
        return f"{self.status.state}: {self.status.message}{of}"


def find_training_run(name: str) -> RunFolder:
    """The training run that `name` stands for, as `find_run`; `last` is the newest one with an adapter. Raises
    RunError."""
    if name == "last":
        for run in list_training_runs():
            if run.newest_adapter() is not None:
                return run
        raise RunError("no run has saved an adapter yet", "last", "`python -m core runs` lists them")
    run = find_run(name)
    check_has_adapter(run)
    return run


def check_has_adapter(run: RunFolder) -> Path:
    """The folder of the run's adapter. Raises RunError where it is no training run, or has saved none."""
    if run.kind() != "train":
        raise RunError(f"this is no training run but a job of kind {run.kind()!r}", run.id, "Name a training run")
    adapter = run.newest_adapter()
    if adapter is None:
        what = f"the run has no adapter: it {'is' if not run.status().ended else 'was'} {run.status().state}"
        raise RunError(what, run.id, "Name a run that has saved one; a run saves it when it ends or is stopped")
    return adapter


def usual_folder(run: str, to: ExportTarget, type: ExportType) -> Path:
    """Where an export goes unless a folder is named."""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", run)
    return folders.home() / "exports" / "-".join(filter(None, (word, to, type)))


def check_target(out: Path, overwrite: bool) -> None:
    """Raise RunError where the folder `out` exists and may not be replaced, or must not be."""
    if out.resolve().is_relative_to(folders.runs().resolve()):
        what = "the target is inside the folder of the runs, which are removed and counted as a whole"
        raise RunError(what, str(out), "Name another folder with --out")
    if not out.exists() and not out.is_symlink():
        return
    if out.is_symlink() or not out.is_dir():
        raise RunError("the target is not a folder", str(out), "Name another folder with --out")
    if not overwrite:
        raise RunError("the target exists already", str(out), "Name another folder with --out, or add --overwrite")
    foreign = _foreign_file(out)
    if foreign is not None:
        what = f"the target has a file that no export has written: {safe_line(foreign, 60)}"
        raise RunError(what, str(out), "Name another folder with --out, or move that file away")


def _foreign_file(folder: Path) -> str | None:
    """The name of something in `folder` that an export has not written; None where there is nothing."""
    mark = read_mark(folder)
    known = {MARK_FILE, *TEMPLATE_FOLDERS}
    if mark is not None and not mark.base_folder:  # an adapter of a run names its base model's folder
        known |= msgspec.json.decode((folder / MARK_FILE).read_bytes()).get("files", {}).keys()
    elif mark is not None:
        return MARK_FILE
    return next((name for name in sorted(os.listdir(folder)) if name not in known), None)


def _look_at_others(out: Path) -> None:
    """Remove what exports that were killed have left beside their folders. Raises RunError where another export writes
    the folder `out`."""
    ended: set[Path] = set()
    writing: set[Path] = set()
    for job in list_runs():
        if job.kind() != "export":
            continue
        try:
            other = Path(load_export_spec(job.path / "run.toml").out)
        except RunError:
            continue  # of another version
        status = job.status()
        if status.ended:
            ended |= {other} if status.state != "finished" else set()
        elif other == out:
            raise RunError("another export writes this folder", str(out), f"Wait for {job.id}, or stop it")
        else:
            writing.add(other)
    for other in ended - writing:
        restore_old_folder(other, ASIDE)


def start_export(
    run: str,
    to: ExportTarget,
    *,
    type: ExportType = "",
    out: Path | None = None,
    overwrite: bool = False,
    check: int = QUESTIONS,
    base: str = "auto",
) -> RunFolder:
    """Start the job that exports the run with this id, or start of one. Returns the job's folder at once. Raises
    RunError for what is wrong before anything is read."""
    found = find_training_run(run)
    target = out if out is not None else usual_folder(found.id, to, type)
    spec = check_export_spec(
        msgspec.convert(
            {
                "run": found.id,
                "to": to,
                "out": str(target.absolute()),
                "type": type,
                "base": base,
                "overwrite": overwrite,
                "check": check,
                "name": f"export-{to}",
            },
            ExportSpec,
        )
    )
    _look_at_others(Path(spec.out))
    check_target(Path(spec.out), spec.overwrite)
    return start_job(spec.name, dump_export_spec(spec))


def read_export(job: RunFolder) -> ExportProgress:
    """How far the export in the folder `job` is. Reads the disk. Raises RunError."""
    status = job.status()  # first: an export that has ended has written its result
    return ExportProgress(job.id, load_export_spec(job.path / "run.toml"), status, read_result(job.path))


def follow_export(job: RunFolder) -> Iterator[ExportProgress]:
    """How far the export is, several times a second, up to and with its end. Only reads, so it can be left at any
    time. Raises RunError where the export failed, after its last progress."""
    while True:
        progress = read_export(job)
        yield progress
        if progress.status.ended:
            if progress.status.state == "lost":
                do = "Its console.log may say why. Start it again: nothing half-made is at its place"
                raise RunError("the export's process is gone", job.id, do)
            raise_if_failed(job, progress.status)
            return
        time.sleep(PAUSE_SECONDS / 2)


def exports_of(run: str) -> list[RunFolder]:
    """The exports of the training run with this id, newest first. Reads the disk."""
    found = []
    for job in list_runs():
        if job.kind() != "export":
            continue
        try:
            spec = load_export_spec(job.path / "run.toml")
        except RunError:
            continue  # of another version
        if spec.run == run:
            found.append(job)
    return found
