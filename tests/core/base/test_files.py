from __future__ import annotations

import errno
import os
import resource
import signal
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.files import append_json, private_dir, read_json_lines, replace_file


def test_private_folders_are_private(tmp_path: Path) -> None:
    folder = private_dir(tmp_path / "a" / "b")
    assert [stat.S_IMODE(p.stat().st_mode) for p in (folder, folder.parent)] == [0o700, 0o700]
    assert private_dir(folder) == folder


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    replace_file(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.integers(-9, 9) | st.text(max_size=5), max_size=2), max_size=5),
    st.data(),
)
def test_reading_in_pieces_gives_every_object_once(
    tmp_path_factory: pytest.TempPathFactory, objects: list[dict[str, object]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    for value in objects:
        append_json(folder / "whole.jsonl", value)
    block = (folder / "whole.jsonl").read_bytes() if objects else b""
    growing, seen, offset = folder / "growing.jsonl", [], 0
    cuts = sorted(data.draw(st.lists(st.integers(0, len(block)), max_size=4)))
    for end in [*cuts, len(block)]:
        growing.write_bytes(block[:end])
        new, offset = read_json_lines(growing, offset)
        seen += new
    assert seen == objects


def test_a_torn_line_of_a_killed_writer_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2, "lo')
    assert read_json_lines(path)[0] == [{"step": 1}]
    with path.open("ab") as file:  # a later writer goes on behind it
        file.write(b'\n{"step": 3}\n[4]\n')
    assert read_json_lines(path)[0] == [{"step": 1}, {"step": 3}]
    assert read_json_lines(tmp_path / "missing.jsonl") == ([], 0)


def test_a_line_appended_behind_a_torn_one_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "control.jsonl"
    path.write_bytes(b'{"request": "chec')
    append_json(path, {"request": "stop"})
    append_json(path, {"request": "checkpoint"})
    path.write_bytes(path.read_bytes() + b'{"request": "\xff"}\n')  # bytes that are no UTF-8 are no line either
    assert read_json_lines(path)[0] == [{"request": "stop"}, {"request": "checkpoint"}]


def test_a_disk_that_takes_part_of_a_line_is_full(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_json(path, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, before[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            append_json(path, {"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    append_json(path, {"step": 3})
    assert read_json_lines(path)[0] == [{"step": 1}, {"step": 3}]
