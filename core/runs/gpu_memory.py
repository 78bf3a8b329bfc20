"""The memory of NVIDIA's GPUs and who holds it, as `nvidia-smi` says. Light: no CUDA context is made.

In a container the driver may name processes by ids of the machine around it, or not at all. Then nothing is said about
whose memory it is while a run of this home uses the GPU.
"""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Sequence

import msgspec

_SECONDS = 20.0  # that nvidia-smi may take: without its daemon it wakes up every GPU first
_MIB_PER_GIB = 1024


class GpuMemory(msgspec.Struct, frozen=True):
    """One GPU and its memory."""

    index: str
    """Its number, as `nvidia-smi` counts."""
    uuid: str
    """Its name that no other GPU has."""
    total_gib: float
    """Its memory in GiB."""
    used_gib: float
    """Memory in use in GiB."""
    processes: tuple[tuple[int, float], ...] = ()
    """Process ids, and the GiB that each holds."""

    @property
    def free_gib(self) -> float:
        """Memory that is not in use, in GiB."""
        return max(0.0, self.total_gib - self.used_gib)


def read_gpu_memory() -> list[GpuMemory]:
    """All GPUs of this machine; none where `nvidia-smi` is missing or fails."""
    gpus = _ask_nvidia_smi("--query-gpu=index,uuid,memory.total,memory.used")
    processes = _ask_nvidia_smi("--query-compute-apps=gpu_uuid,pid,used_memory") if gpus else []
    return parse_gpu_memory(gpus, processes)


def parse_gpu_memory(gpus: Iterable[str], processes: Iterable[str]) -> list[GpuMemory]:
    """The GPUs in the lines of the two queries. A line that does not hold numbers, as `[N/A]`, is left out."""
    holders: dict[str, list[tuple[int, float]]] = {}
    for line in processes:
        cells = _cells(line)
        if len(cells) == 3 and cells[1].isdigit() and cells[2].isdigit():
            holders.setdefault(cells[0], []).append((int(cells[1]), int(cells[2]) / _MIB_PER_GIB))
    found = []
    for line in gpus:
        cells = _cells(line)
        if len(cells) == 4 and cells[2].isdigit() and cells[3].isdigit():
            total, used = int(cells[2]) / _MIB_PER_GIB, int(cells[3]) / _MIB_PER_GIB
            found.append(GpuMemory(cells[0], cells[1], total, used, tuple(holders.get(cells[1], ()))))
    return found


def find_gpu(name: str, gpus: Sequence[GpuMemory]) -> GpuMemory | None:
    """The GPU that CUDA_VISIBLE_DEVICES calls `name`: a number, or (the start of) its uuid."""
    return next((gpu for gpu in gpus if name == gpu.index or (len(name) > 4 and gpu.uuid.startswith(name))), None)


def held_by_others(gpu: GpuMemory, own: Collection[int]) -> float | None:
    """The GiB that processes other than `own` hold; None where that cannot be told. own: ids of processes that may use
    the GPU."""
    seen = {pid for pid, _ in gpu.processes}
    if own and not seen & set(own):
        return None
    if not seen:
        return gpu.used_gib
    return sum(gib for pid, gib in gpu.processes if pid not in own)


def others_words(gpu: GpuMemory, own: Collection[int]) -> str:
    """`GPU 0: 31 of 80 GiB held by other processes`; empty for less than half a GiB, or where it cannot be told."""
    held = held_by_others(gpu, own)
    if held is None or held < 0.5:
        return ""
    return f"GPU {gpu.index}: {held:.0f} of {gpu.total_gib:.0f} GiB held by other processes"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split(",")]


def _ask_nvidia_smi(query: str) -> list[str]:
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True, errors="replace")
    except (OSError, subprocess.SubprocessError):
        return []
    return result.stdout.splitlines()
