"""Who holds a GPU's memory, from the lines that nvidia-smi prints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.runs.gpu_memory import find_gpu, held_by_others, others_words, parse_gpu_memory, read_gpu_memory

GPUS = ["0, GPU-aaaa, 81920, 31744", "1, GPU-bbbb, 81920, 3", "2, GPU-cccc, [N/A], [N/A]", ""]
PROCESSES = ["GPU-aaaa, 10, 20480", "GPU-aaaa, 11, 10240", "GPU-bbbb, 12, [N/A]", "No running processes found"]


def test_lines_become_gpus_with_their_processes() -> None:
    first, second = parse_gpu_memory(GPUS, PROCESSES)
    assert (first.index, first.total_gib, first.used_gib, first.free_gib) == ("0", 80.0, 31.0, 49.0)
    assert first.processes == ((10, 20.0), (11, 10.0)) and second.processes == ()
    assert find_gpu("1", [first, second]) is second and find_gpu("GPU-aa", [first, second]) is first
    assert find_gpu("7", [first, second]) is None and find_gpu("GPU-", [first, second]) is None


def test_what_others_hold_is_said_where_it_can_be_told() -> None:
    first, second = parse_gpu_memory(GPUS, PROCESSES)
    assert held_by_others(first, {10}) == 10.0
    assert others_words(first, {10}) == "GPU 0: 10 of 80 GiB held by other processes"
    assert others_words(first, set()) == "GPU 0: 30 of 80 GiB held by other processes"
    assert others_words(first, {10, 11}) == "" and others_words(second, set()) == ""
    # in a container the driver may know the run's process by another id: whose memory it is cannot be told
    assert held_by_others(first, {99}) is None and others_words(first, {99}) == ""
    (nameless,) = parse_gpu_memory(GPUS[:1], [])
    assert held_by_others(nameless, set()) == 31.0 and held_by_others(nameless, {10}) is None


@pytest.mark.parametrize("script", [None, "exit 9", "echo nonsense"])
def test_without_a_tool_that_answers_nothing_is_known(
    script: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script is not None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}")
    assert read_gpu_memory() == []


def test_the_tool_is_asked_for_gpus_and_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(
        '#!/bin/sh\ncase "$1" in *gpu_uuid*) echo "GPU-aaaa, 10, 20480";; *) echo "0, GPU-aaaa, 81920, 31744";; esac\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (gpu,) = read_gpu_memory()
    assert gpu.processes == ((10, 20.0),) and gpu.used_gib == 31.0
