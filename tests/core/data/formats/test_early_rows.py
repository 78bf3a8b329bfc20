"""What is shown before the import ends: exact counts, any page, and no row that the file does not hold any more."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.base.row import Row
from core.data import source as source_module
from core.data.dataset import DataSet
from core.data.filters import RowFilters
from core.data.formats import arrow_pages, line_index
from core.data.formats.line_index import LineIndex
from core.data.source import count_rows, finish_import, open_early

ROWS = [{"question": f"q{i} 立山", "thinking": "hm " * (i % 40), "answer": f"a{i}", "lang": "ja"} for i in range(1000)]


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "_SMALL", -1)


def write(path: Path, rows: list[dict[str, str]] = ROWS) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=300)
    elif path.suffix == ".arrow":
        table = pa.Table.from_pylist(rows)
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=300)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def pages(data: DataSet) -> list[Row]:
    everything = data.select(RowFilters())
    return [row for first in range(0, len(everything), 97) for row in everything.page(first, 97)]


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".arrow"])
def test_every_page_is_the_one_that_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setattr(line_index, "CHUNK", 4096)
    path = write(tmp_path / f"rows{ending}")
    early = open_early(str(path))
    assert not early.ready and early.counted and len(early) == 1000
    assert early.row(0) == Row("q0 立山", output="a0", syslang="ja", index=0) and early.row(999).output == "a999"
    whole = finish_import(early)
    assert whole.ready and finish_import(whole) is whole and whole.fingerprint == early.fingerprint
    assert pages(early) == pages(whole) and early.mapping == whole.mapping
    assert open_early(str(path)).ready  # from the cache


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_shards(tmp_path: Path, ending: str) -> None:
    for i in range(3):
        write(tmp_path / f"part-{i:02}{ending}", ROWS[i * 333 : (i + 1) * 333])
    early = open_early(str(tmp_path))
    assert len(early) == 999 and [row.output for row in early.select(RowFilters()).page(330, 6)] == [
        f"a{i}" for i in range(330, 336)
    ]
    assert pages(early) == pages(finish_import(early))


def test_bad_lines_keep_their_place_and_say_why(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    good = b'{"instruction": "q", "output": "a"}\n'
    path.write_bytes(
        good * 3
        + b"no\n"
        + b"\n"
        + b'{"instruction": "\xff"}\n'
        + b'{"instruction": "q"}\n'
        + b"[1]\n"
        + good
        + b"\n \n"
    )
    early = open_early(str(path))
    shown = [row.instruction for row in pages(early)]
    assert len(early) == 9 and shown[:3] == ["q"] * 3 and shown[8] == "q"
    for line, says in ((4, "not JSON"), (5, "blank"), (6, "not UTF-8"), (7, "output is missing"), (8, "not an object")):
        assert shown[line - 1].startswith(f"(line {line}: ") and says in shown[line - 1]
    assert len(finish_import(early)) == 4


def test_without_an_exact_count_there_are_the_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps({**row, "more": "x" * 2000}) + "\n" for row in ROWS).encode()))
    early = open_early(str(path))
    assert not early.ready and not early.counted and 1 <= len(early) < 1000 and early.row(0).output == "a0"
    assert count_rows(early) is early
    assert len(finish_import(early)) == 1000


def test_counting_that_takes_too_long_is_left_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_index, "CHUNK", 4096)
    monkeypatch.setattr("core.data.formats.json_lines._COUNTING", -1.0)
    early = open_early(str(write(tmp_path / "rows.jsonl")))
    assert not early.counted and len(early) >= 1 and early.row(0).output == "a0"
    counted = count_rows(early)
    assert counted.counted and len(counted) == 1000 and counted.row(999).output == "a999"


def test_the_rest_waits_for_the_import(tmp_path: Path) -> None:
    early = open_early(str(write(tmp_path / "rows.jsonl")))
    for ask in (
        lambda: early.select(RowFilters(text="q")),
        early.facets,
        lambda: list(early.batches("x")),
        early.empty_reasoning,
    ):
        with pytest.raises(DataError, match="still being imported"):
            ask()


@pytest.mark.parametrize("ending", [".jsonl", ".parquet", ".arrow"])
def test_a_file_that_changes_or_vanishes_is_noticed(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"rows{ending}")
    early = open_early(str(path))
    assert early.row(0).output == "a0"
    write(path, ROWS[::-1])
    stamp = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(stamp, stamp))
    with pytest.raises(DataError, match="has changed") as caught:
        early.row(999)
    assert caught.value.where == str(path) and caught.value.do
    path.unlink()
    with pytest.raises(DataError, match="was removed"):
        early.row(500)
    with pytest.raises(DataError, match="cannot be read"):
        finish_import(early)


def test_a_file_cut_short_under_the_reader_raises_no_signal(tmp_path: Path) -> None:
    for ending in (".jsonl", ".parquet", ".arrow"):
        path = write(tmp_path / f"rows{ending}")
        early = open_early(str(path))
        os.truncate(path, 5000)
        with pytest.raises(DataError):
            early.row(999)


def test_arrow_that_cannot_be_paged_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.arrow"
    table = pa.table(
        {
            "instruction": [row["question"] for row in ROWS],
            "output": pa.array([row["answer"] for row in ROWS]).dictionary_encode(),
        }
    )
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)
    early = open_early(str(path))
    assert not early.counted and len(early) == 0 and finish_import(early).row(999).output == "a999"
    monkeypatch.setattr(arrow_pages, "LARGEST_MESSAGE", 100)
    assert not open_early(str(write(tmp_path / "other.arrow"))).counted


def test_lists_and_structs_of_parquet_are_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "chat.parquet"
    chats = [
        [{"role": "user", "content": f"q{i}"}, {"role": "assistant", "content": f"<think>t{i}</think>a{i}"}]
        for i in range(200)
    ]
    pq.write_table(pa.table({"messages": chats, "n": list(range(200))}), path)
    early = open_early(str(path))
    assert early.row(7).instruction == "q7" and early.row(7).reasoning == "t7" and early.row(7).output == "a7"
    assert pages(early) == pages(finish_import(early))


def test_what_cannot_be_paged_waits_for_the_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a[1]*"  # a pattern to DuckDB
    folder.mkdir()
    early = open_early(str(write(folder / "rows.parquet")))
    assert (len(early), early.ready, early.counted) == (0, False, False) and finish_import(early).row(
        999
    ).output == "a999"
    monkeypatch.setattr("core.data.formats.json_lines.MAX_OPEN_FILES", 1)
    for i in range(2):
        write(tmp_path / f"part-{i:02}.jsonl", ROWS[i * 500 :])
    early = open_early(str(tmp_path / "part-*.jsonl"))
    assert not early.counted and early.row(0).output == "a0"


def test_json_by_its_shape(tmp_path: Path) -> None:
    columns = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    for name, content, shown in (
        ("array", json.dumps(ROWS), True),
        ("object", json.dumps(columns, indent=1), False),
        ("lines", lines, True),
    ):
        path = tmp_path / f"{name}.json"
        path.write_text(content)
        early = open_early(str(path))
        assert early.counted is (name == "lines") and (len(early) > 0) is shown and len(finish_import(early)) == 1000


def test_nothing_in_it(tmp_path: Path) -> None:
    table = pa.table({"instruction": pa.array([], pa.string()), "output": pa.array([], pa.string())})
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), table.schema):
        pass
    (tmp_path / "a.jsonl").write_text("\n\n")
    for name in ("a.parquet", "a.arrow", "a.jsonl"):
        with pytest.raises(DataError, match="no rows"):
            open_early(str(tmp_path / name))


_piece = st.sampled_from([b"a", b"\n", b"\n\n", b"\r\n", b" ", b"bb" * 50, "あ".encode()])


@given(pieces=st.lists(_piece, max_size=200), chunk=st.sampled_from([1, 3, 16, 64, 4096]), threads=st.just(2))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_are_found_wherever_chunks_end(tmp_path: Path, pieces: list[bytes], chunk: int, threads: int) -> None:
    content = b"".join(pieces)
    path = tmp_path / "lines"
    path.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch, path.open("rb") as file:
        patch.setattr(line_index, "CHUNK", chunk)
        index = LineIndex(file.fileno(), len(content), 10)
        lines = content.split(b"\n")
        assert index.counted and index.lines <= len(lines)
        if content.strip() and chunk == 4096:
            assert index.lines == content.rstrip(b"\r\n \t").count(b"\n") + 1
        for line in range(index.lines):
            assert index.read(line, 3)[: index.lines - line] == lines[line : line + 3][: index.lines - line]
