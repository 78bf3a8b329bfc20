"""Free memory is what the container leaves; pages of files are not in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.models.fit import free_memory
from core.models.fit.free_memory import control_group_limits, main_memory, parse_nvidia_smi


def write_group(folder: Path, limit: str, used: int, stat: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(stat)


def test_limits_of_all_groups_from_this_process_up_without_the_pages_of_files(tmp_path: Path) -> None:
    groups, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("0::/pod/box\n")
    write_group(groups, "max", 10**12)
    write_group(groups / "pod", "8000", 5000, "anon 1000\ninactive_file 3000\nactive_file 500\nshmem 7\n")
    write_group(groups / "pod" / "box", "6000", 2000)
    assert control_group_limits(groups, own) == [(6000, 2000), (8000, 1500)]


def test_limits_of_version_1(tmp_path: Path) -> None:
    groups, own = tmp_path / "cgroup", tmp_path / "own"
    own.write_text("5:cpu,cpuacct:/a\n4:memory:/a\n")
    folder = groups / "memory" / "a"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text("4096\n")
    (folder / "memory.usage_in_bytes").write_text("3000\n")
    (folder / "memory.stat").write_text("cache 900\ntotal_inactive_file 400\ntotal_active_file 100\n")
    (groups / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (groups / "memory" / "memory.usage_in_bytes").write_text("5000\n")
    assert control_group_limits(groups, own) == [(4096, 2500)]


def test_no_groups_no_limits(tmp_path: Path) -> None:
    assert control_group_limits(tmp_path / "none", tmp_path / "nothing") == []


def test_main_memory_is_what_the_tightest_group_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = main_memory()
    own = tmp_path / "own"
    own.write_text("0::/\n")
    write_group(tmp_path / "cgroup", "1000000", 999_000, "inactive_file 500\nactive_file 0\n")
    monkeypatch.setattr(free_memory, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(free_memory, "_OWN", own)
    held = main_memory()
    assert (held.free, held.total) == (1500, 1_000_000)
    assert "container" in held.name
    assert 0 < whole.free <= whole.total


def test_nvidia_smi_is_read_and_nonsense_is_not() -> None:
    found = parse_nvidia_smi("NVIDIA H100 80GB HBM3, 80995, 81559\n")
    assert found is not None
    assert (found.name, found.free, found.total) == ("NVIDIA H100 80GB HBM3", 80995 << 20, 81559 << 20)
    for text in ("", "No devices were found\n", "name, [N/A], [N/A]\n"):
        assert parse_nvidia_smi(text) is None
