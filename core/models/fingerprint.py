"""What tells one model's files from another's, and one state of an adapter from the next. Does not read all weights."""

from __future__ import annotations

import hashlib
import os
import re
import struct
from pathlib import Path

_BLOCKS = 256  # of each model, evenly spaced over its files
_BLOCK = 4096  # bytes
_ADAPTER_BLOCKS = 32
_LONGEST_HEADER = 100_000_000  # the format's own limit
_FIRST_SAMPLE = 64 * 1024  # bytes, in fingerprints of the first kind
_FIRST_KIND = re.compile(r"[0-9a-f]{32}")


def model_fingerprint(folder: Path, like: str = "") -> str:
    """A word for config.json and the weights of the model in `folder`: names, sizes and headers of the files, and
    blocks all over them. Copies of a model have the same; a model with other weights under the same name has another.
    like: an earlier fingerprint to compare with; the new one is made in its way. Raises OSError."""
    if _FIRST_KIND.fullmatch(like):
        return _fingerprint_of_first_kind(folder)
    digest = hashlib.blake2b(digest_size=16)
    digest.update((folder / "config.json").read_bytes())
    files = sorted(folder.glob("*.safetensors"))
    total = sum(path.stat().st_size for path in files) or 1
    for path in files:
        _update(digest, path, max(4, _BLOCKS * path.stat().st_size // total))
    return f"2-{digest.hexdigest()}"


def adapter_version(folder: Path) -> str:
    """A word that changes whenever the adapter in `folder` does: for keys of caches on this machine. A copy may have
    another one. Takes well under a millisecond; a folder without an adapter has a version too."""
    digest = hashlib.blake2b(digest_size=12)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        path = folder / name
        try:
            status = path.stat()
            digest.update(f"{name} {status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns} ".encode())
            _update(digest, path, _ADAPTER_BLOCKS)
        except OSError as error:
            digest.update(f"{name} {error.errno} ".encode())
    return digest.hexdigest()


def _update(digest: hashlib.blake2b, path: Path, blocks: int) -> None:
    """Add name, size, header and `blocks` evenly spaced blocks of a file."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(f"{path.name} {size} ".encode())
        start = file.read(8)
        header = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if header <= _LONGEST_HEADER:
            digest.update(file.read(header))
        for block in range(blocks):
            digest.update(os.pread(file.fileno(), _BLOCK, block * max(0, size - _BLOCK) // max(1, blocks - 1)))


def _fingerprint_of_first_kind(folder: Path) -> str:
    """As earlier versions made it: three samples of each file."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update((folder / "config.json").read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        digest.update(f"{path.name} {size} ".encode())
        with open(path, "rb") as file:
            for start in (0, size // 2, max(0, size - _FIRST_SAMPLE)):
                file.seek(start)
                digest.update(file.read(_FIRST_SAMPLE))
    return digest.hexdigest()
