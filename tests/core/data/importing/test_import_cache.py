"""An import happens once per version of a source, and is whole or absent."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.base import folders
from core.base.errors import DataError
from core.data import source as source_module
from core.data.importing import import_cache
from core.data.source import open_data

_LINE = '{"instruction": "q%d", "output": "a"}\n'


@pytest.fixture(autouse=True)
def always_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "_SMALL", -1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(_LINE % i for i in range(100)))
    return path


def kept() -> list[Path]:
    return sorted((folders.cache() / "data").iterdir())


def test_an_import_is_used_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_data(str(path))
    assert len(kept()) == 1

    def refuse(*_: object) -> None:
        raise AssertionError("imported twice")

    monkeypatch.setattr(import_cache, "_import", refuse)
    again = open_data(str(path))
    assert len(again) == len(first) == 100 and again.row(99) == first.row(99) and again.mapping == first.mapping
    link = path.with_name("link.jsonl")
    link.symlink_to(path)
    assert len(open_data(str(link))) == 100


def test_a_changed_source_is_imported_again_and_the_old_import_goes(path: Path) -> None:
    before = open_data(str(path))
    old = kept()
    with path.open("a") as file:
        file.write(_LINE % 100)
    assert len(open_data(str(path))) == 101
    assert len(kept()) == 1 and kept() != old
    assert before.row(99).instruction == "q99"  # what is open stays readable
    stamp = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(stamp, stamp))
    newer = kept()
    open_data(str(path))
    assert len(kept()) == 1 and kept() != newer


def test_problems_are_remembered(path: Path) -> None:
    with path.open("a") as file:
        file.write("no\n")
    assert open_data(str(path)).problems == open_data(str(path)).problems != []


def test_a_damaged_import_is_made_again(path: Path) -> None:
    open_data(str(path))
    content = kept()[0].read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"x" * len(content)):
        kept()[0].write_bytes(damaged)
        assert len(open_data(str(path))) == 100


def test_a_killed_import_leaves_nothing_taken_for_whole(path: Path) -> None:
    code = f"""
import os, signal
from core.data.importing import import_cache
from core.data import source
source._SMALL = -1
def die(*_):
    print("half", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
import_cache.os.fsync = die
source.open_data({str(path)!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL and done.stdout == "half\n", done.stderr
    left = kept()
    assert [part.suffix for part in left] == [".part"]
    old = time.time() - 3600
    os.utime(left[0], (old, old))
    assert len(open_data(str(path))) == 100
    assert [file.suffix for file in kept()] == [".arrow"]  # the dead importer's file went with this import


def test_the_file_of_a_living_importer_is_left_alone(path: Path) -> None:
    import fcntl

    open_data(str(path))
    part = kept()[0].with_suffix(".other.part")
    part.write_bytes(b"busy")
    old = time.time() - 3600
    os.utime(part, (old, old))
    path.write_text(_LINE % 0)
    with part.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        open_data(str(path))
        assert part.exists()


def test_importers_at_once_do_not_disturb_each_other(path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: open_data(str(path)), range(8)))
    assert all(len(data) == 100 and data.row(57).instruction == "q57" for data in opened)
    assert [file.suffix for file in kept()] == [".arrow"]


def test_a_full_disk_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="disk is full") as caught:
        open_data(str(path))
    assert "SUIRON_CACHE" in caught.value.do and kept() == []


def test_a_full_disk_while_writing_is_said(path: Path) -> None:
    """A real limit on file sizes, in a process of its own: the write itself fails, in the middle of the file."""
    path.write_text("".join(_LINE % i for i in range(50_000)))
    code = f"""
import resource, signal
from core.data import source
from core.base.errors import DataError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
source._SMALL = -1
try:
    source.open_data({str(path)!r})
except DataError as error:
    print(error.what)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("the disk is full"), done.stderr
    assert kept() == []


def test_a_source_that_changes_while_it_is_read_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = import_cache.CacheWriter.close
    changes = iter((True, False))

    def close(writer: import_cache.CacheWriter, facts: object) -> None:
        if next(changes):
            with path.open("a") as file:
                file.write(_LINE % 100)
        real(writer, facts)  # type: ignore[arg-type]

    monkeypatch.setattr(import_cache.CacheWriter, "close", close)
    assert len(open_data(str(path))) == 101


def test_progress_is_told_rarely_and_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(_LINE % i for i in range(20_000)))
    monkeypatch.setattr("core.data.formats.text_decoding.BLOCK", 4096)
    clock = iter(range(1_000_000))
    monkeypatch.setattr("core.data.formats.row_collector.time.monotonic", lambda: next(clock) / 50)
    told: list[tuple[int, int]] = []
    open_data(str(path), progress=lambda done, total: told.append((done, total)))
    size = path.stat().st_size
    assert 5 < len(told) < 50 and all(0 < done <= total == size for done, total in told) and told == sorted(told)
