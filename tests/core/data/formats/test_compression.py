"""Packed bytes come out as they went in, up to where they break off, and the break is named by its place in the
file."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.data import source as source_module
from core.data.formats.compression import open_stream
from core.data.source import open_data

CONTENT = b"".join(
    b'{"instruction": "q%d %s", "output": "a"}\n' % (i, os.urandom(8).hex().encode()) for i in range(20_000)
)


def pack(content: bytes, kind: str) -> bytes:
    return gzip.compress(content) if kind == "gz" else pa.Codec("zstd").compress(content, asbytes=True)


def unpacked(path: Path, size: int) -> tuple[bytes, str]:
    stream = open_stream(path)
    pieces = []
    while piece := stream.read(size):
        assert size < 0 or len(piece) <= size
        pieces.append(piece)
    assert stream.read(size) == b"" and 0 <= stream.done <= path.stat().st_size
    stream.close()
    return b"".join(pieces), stream.broken


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("size", [1000, 1 << 22, -1])
def test_whole_and_cut(tmp_path: Path, kind: str, size: int) -> None:
    path, packed = tmp_path / "x", pack(CONTENT, kind)
    path.write_bytes(packed)
    assert unpacked(path, size) == (CONTENT, "")
    path.write_bytes(packed[: len(packed) // 2])
    content, broken = unpacked(path, size)
    assert len(content) > len(CONTENT) // 4 and CONTENT.startswith(content)
    assert str(len(packed) // 2) in broken and ("gzip" if kind == "gz" else "zstd") in broken
    path.write_bytes(packed + b"garbage")
    content, broken = unpacked(path, size)
    assert content == CONTENT and "damaged" in broken


@pytest.mark.parametrize("kind", ["gz", "zst"])
@pytest.mark.parametrize("mapped", [False, True])
def test_rows_before_a_break_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, mapped: bool) -> None:
    if mapped:
        monkeypatch.setattr(source_module, "_SMALL", -1)
    packed = pack(CONTENT, kind)
    for ending, content in ((".jsonl", CONTENT), (".json", b"[" + b",".join(CONTENT.splitlines()) + b"]")):
        packed = pack(content, kind)
        path = tmp_path / f"rows{ending}.{kind}"
        path.write_bytes(packed[: len(packed) * 2 // 3])
        data = open_data(str(path))
        assert 5000 < len(data) < 20_000 and data.row(4999).instruction.startswith("q4999 ")
        said = data.problems[0]
        assert said.row == 0 and f"byte {len(packed) * 2 // 3}" in said.what and "the rest cannot be read" in said.what
    packed = pack(
        b"instruction,output\n" + b"".join(os.urandom(8).hex().encode() + b",a\n" for _ in range(50_000)), kind
    )
    path = tmp_path / f"rows.csv.{kind}"
    path.write_bytes(packed[:-20_000])
    data = open_data(str(path))
    assert len(data) > 1000 and data.problems[0].row == 0


def test_nothing_before_the_break(tmp_path: Path) -> None:
    for kind in ("gz", "zst"):
        path = tmp_path / f"rows.jsonl.{kind}"
        path.write_bytes(pack(CONTENT, kind)[:12])
        with pytest.raises(DataError) as caught:
            open_data(str(path))
        assert caught.value.where == str(path) and "data" in caught.value.what and "again" in caught.value.do


_place = st.integers(0, 400)


@given(
    content=st.binary(max_size=300),
    kind=st.sampled_from(["gz", "zst"]),
    at=_place,
    change=st.integers(0, 255),
    cut=_place,
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_never_raises(tmp_path: Path, content: bytes, kind: str, at: int, change: int, cut: int) -> None:
    packed = bytearray(pack(content * 20, kind))
    if at < len(packed):
        packed[at] ^= change
    path = tmp_path / "x"
    path.write_bytes(packed[:cut] if cut < 350 else packed)
    assert unpacked(path, 64)[0] == unpacked(path, -1)[0]


def test_a_bomb_is_unpacked_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(bytes(300 << 20), 1))
    with pytest.raises(DataError, match="longer than 256 MB"):
        open_data(str(path))


@pytest.mark.parametrize("tail", [b'{"instruction": "cut', b'{"instruction": "q", "output": "a"}'])
def test_a_last_line_without_its_end(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(CONTENT[:1000].rpartition(b"\n")[0] + b"\n" + tail)
    data = open_data(str(path))
    lines = path.read_bytes().count(b"\n") + 1
    assert [problem.row for problem in data.problems] == ([lines] if tail.endswith(b"cut") else [])
    assert (
        len(data) == lines - data.problem_count
        and json.loads(path.read_bytes().splitlines()[0])["instruction"] == data.row(0).instruction
    )
