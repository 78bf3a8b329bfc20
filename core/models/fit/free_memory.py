"""The memory that is free now, without torch: of a GPU from `nvidia-smi`, of the machine from the kernel's files.

In a container, main memory is what the limits of its control groups leave. Pages of files that the kernel keeps in case
they are read again count as free: they are given up when memory is needed.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import msgspec

_CGROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_NO_LIMIT = 1 << 60  # version 1 writes a huge number where there is no limit


class DeviceMemory(msgspec.Struct, frozen=True):
    """The memory of a device, in bytes."""

    free: int
    """What is free now."""
    total: int
    """What it has in all."""
    name: str
    """The device's name, for the user."""


def gpu_memory() -> DeviceMemory | None:
    """The first visible GPU's; None where there is none, or `nvidia-smi` cannot say."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if visible in ("", "-1"):
        return None
    query = "--query-gpu=name,memory.free,memory.total"
    command = ["nvidia-smi", f"--id={visible}", query, "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_nvidia_smi(done.stdout) if done.returncode == 0 else None


def parse_nvidia_smi(text: str) -> DeviceMemory | None:
    """The first line of `nvidia-smi`'s answer: name, free and total MiB, separated by commas; None where it is
    another."""
    lines = text.strip().splitlines()
    parts = [part.strip() for part in lines[0].rsplit(",", 2)] if lines else []
    if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
        return None
    return DeviceMemory(int(parts[1]) << 20, int(parts[2]) << 20, parts[0])


def main_memory() -> DeviceMemory:
    """The machine's, or what the limits of this process's control groups leave of it."""
    import psutil

    memory = psutil.virtual_memory()
    free, total, name = int(memory.available), int(memory.total), "main memory"
    for limit, used in control_group_limits(_CGROUPS, _OWN):
        if limit < total:
            total, name = limit, "main memory of this container"
        free = min(free, max(0, limit - used))
    return DeviceMemory(free, total, name)


def control_group_limits(groups: Path, own: Path) -> list[tuple[int, int]]:
    """Limit and use in bytes of each control group with a limit, from that of this process up to the root.

    groups: where they are mounted; own: the file that names those of this process. Pages of files do not count as used.
    """
    found = []
    for folder, names in _folders(groups, own):
        limit, used = _number(folder / names[0]), _number(folder / names[1])
        if limit is not None and used is not None and limit < _NO_LIMIT:
            found.append((limit, max(0, used - _pages_of_files(folder))))
    return found


def _folders(groups: Path, own: Path) -> list[tuple[Path, tuple[str, str]]]:
    """The folders of this process's groups, and the names of limit and use in them (version 2, then version 1)."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found: list[tuple[Path, tuple[str, str]]] = []
    for line in [*lines, "0::/"]:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            root, names = groups, ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            root, names = groups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        folder = root / path.lstrip("/")
        for parent in (folder, *folder.parents):
            if parent == root or root in parent.parents:
                found.append((parent, names))
    return list(dict.fromkeys(found))


def _number(file: Path) -> int | None:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isdigit() else None


def _pages_of_files(folder: Path) -> int:
    """Bytes of the pages of files that can be given up; shared memory, which also counts as files, cannot."""
    try:
        lines = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    values = {name: int(value) for name, _, value in (line.partition(" ") for line in lines) if value.isdigit()}
    prefix = "total_" if "total_inactive_file" in values else ""
    return values.get(f"{prefix}inactive_file", 0) + values.get(f"{prefix}active_file", 0)
