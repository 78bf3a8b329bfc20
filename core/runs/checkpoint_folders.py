"""The checkpoints of a job on disk: written beside, marked, renamed, found again and removed. Knows files, no model.

A checkpoint is whole when its mark (`suiron.json`) names every file in it with its size, and they are there with that
size. The folder is written under another name, every file is forced to the disk, and it is renamed last: after a power
loss it is there as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from core.base import files
from core.runs.events_file import EVENTS_FILE
from core.runs.metrics_file import METRICS_FILE

CHECKPOINTS_FOLDER = "checkpoints"
MARK_FILE = "suiron.json"
ADAPTER_NEEDED = ("adapter_config.json", "adapter_model.safetensors")
"""Without these files a folder is no adapter."""
CHECKPOINT_NEEDED = (*ADAPTER_NEEDED, "optimizer.pt", "scheduler.pt", "trainer_state.json")
"""Without these files a run cannot go on from a checkpoint."""
_PART, _OLD = ".part", ".old"


class AdapterOrigin(msgspec.Struct, frozen=True):
    """The mark beside an adapter: its base model and its run."""

    base_model: str
    """The base model's name, as in the specification."""
    base_folder: str
    """The folder of the base model."""
    run: str
    """The run's id."""
    step: int
    """Optimizer steps of its training."""
    base_fingerprint: str = ""
    """Hash that tells the base model's files from others; empty in marks of earlier versions."""
    encoded_hash: str = ""
    """Hash of the rows it is trained on; empty in marks of earlier versions."""


def reached(phase: str) -> None:
    """Called at each phase of a save, with its name. Does nothing: tests end the process here, or fill its disk."""


def write_folder_whole(
    target: Path, fill: Callable[[Path], None], about: AdapterOrigin, what: str, aside: str = ""
) -> None:
    """Write the folder `target` by calling `fill` with an empty folder beside it. A reader sees the old one, none, or
    the complete new one, and the new one has a mark. what: names it in the phases; aside: is added to the names of the
    folders beside it, which are overwritten. Raises what `fill` raises, and OSError; nothing is left of it then."""
    part = target.with_name(target.name + aside + _PART)
    shutil.rmtree(part, ignore_errors=True)
    try:
        files.private_dir(part)
        reached(f"{what}: begun")
        fill(part)
        reached(f"{what}: filled")
        sizes = {path.name: _force_to_disk(path) for path in sorted(part.iterdir()) if path.is_file()}
        reached(f"{what}: on disk")
        files.replace_file(part / MARK_FILE, msgspec.json.encode({**msgspec.to_builtins(about), "files": sizes}))
        _force_folder_to_disk(part)
        reached(f"{what}: marked")
        old = target.with_name(target.name + aside + _OLD)
        if target.exists():  # a folder with files cannot be replaced in one step
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
            reached(f"{what}: old one aside")
        part.rename(target)
        reached(f"{what}: renamed")
        _force_folder_to_disk(target.parent)
        shutil.rmtree(old, ignore_errors=True)
        reached(f"{what}: done")
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        restore_old_folder(target, aside)
        raise


def restore_old_folder(target: Path, aside: str = "") -> None:
    """Undo a save of `target` that ended between its two renames, and remove what is left of others. aside: as for
    `write_folder_whole`."""
    old = target.with_name(target.name + aside + _OLD)
    with contextlib.suppress(OSError):
        if old.exists() and not target.exists():
            old.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(target.with_name(target.name + aside + _PART), ignore_errors=True)


def folder_is_whole(folder: Path, needed: tuple[str, ...] = CHECKPOINT_NEEDED) -> bool:
    """Whether `folder` is marked and has all files of its mark with their sizes, among them those `needed`."""
    try:
        sizes = msgspec.json.decode((folder / MARK_FILE).read_bytes())["files"]
        return all(name in sizes for name in needed) and all(
            (folder / name).stat().st_size == size for name, size in sizes.items()
        )
    except (OSError, msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return False


def read_mark(folder: Path) -> AdapterOrigin | None:
    """The mark of `folder`; None where there is none that can be read."""
    try:
        return msgspec.json.decode((folder / MARK_FILE).read_bytes(), type=AdapterOrigin)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def checkpoint_folder(job: Path, step: int) -> Path:
    """Where the checkpoint of `step` of the job in the folder `job` is."""
    return job / CHECKPOINTS_FOLDER / f"step-{step}"


def whole_checkpoints(job: Path) -> list[Path]:
    """The whole checkpoints of the job in the folder `job`, by their step, the newest last. Earlier versions named them
    `checkpoint-N`."""
    return [path for _, path in sorted(_numbered(job)) if folder_is_whole(path)]


def newest_whole_checkpoint(job: Path) -> Path | None:
    """The whole checkpoint with the most steps, or None: from here the job can go on."""
    for _, path in sorted(_numbered(job), reverse=True):
        if folder_is_whole(path):
            return path
    return None


def checkpoint_step(checkpoint: Path) -> int:
    """The step in the name of a checkpoint."""
    return int(checkpoint.name.rpartition("-")[2])


def newest_adapter(job: Path) -> Path | None:
    """The folder of the adapter of the job in the folder `job`: the final one, else that of its newest whole
    checkpoint, else None."""
    adapter = job / "adapter"
    if all((adapter / name).is_file() for name in ADAPTER_NEEDED):
        return adapter
    return newest_whole_checkpoint(job)


def rotate_checkpoints(job: Path, keep: int) -> list[int]:
    """Remove all but the newest `keep` whole checkpoints (0 keeps all of them), and older ones that are not whole. The
    newest whole one always stays. Returns the steps of those removed."""
    whole = whole_checkpoints(job)
    if not whole:
        return []
    kept = set(whole[-keep:] if keep else whole)
    newest = checkpoint_step(whole[-1])
    removed = [path for step, path in sorted(_numbered(job)) if path not in kept and step < newest]
    for path in removed:
        (path / MARK_FILE).unlink(missing_ok=True)  # it is no checkpoint any more, whatever happens next
        shutil.rmtree(path, ignore_errors=True)
    return [checkpoint_step(path) for path in removed]


def clean_checkpoints(job: Path) -> None:
    """Remove what saves that were interrupted have left."""
    folder = job / CHECKPOINTS_FOLDER
    for path in (*folder.glob(f"*{_PART}"), *folder.glob(f"*{_OLD}")):
        restore_old_folder(path.with_name(path.name.removesuffix(_PART).removesuffix(_OLD)))
    restore_old_folder(job / "adapter")


def _numbered(job: Path) -> Iterator[tuple[int, Path]]:
    folder = job / CHECKPOINTS_FOLDER
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = os.listdir(folder)
    for name in names:
        word, _, number = name.rpartition("-")
        if word in ("step", "checkpoint") and number.isdecimal():
            yield int(number), folder / name


def _force_to_disk(path: Path) -> int:
    """Force a file to the disk; its size in bytes."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        return file.seek(0, os.SEEK_END)


def force_story_to_disk(job: Path) -> None:
    """Force what the job has written so far to the disk, so that no checkpoint outlives the lines of its steps. Raises
    OSError."""
    for name in (METRICS_FILE, EVENTS_FILE):
        with contextlib.suppress(FileNotFoundError):
            _force_to_disk(job / name)


def _force_folder_to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
