"""Anything that can be named is found: packed files, patterns, shards, Arrow files, and the folders that datasets
saves."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from core.base.errors import DataError
from core.data import source as source_module
from core.data.locate.source_files import locate_source
from core.data.source import finish_import, open_data, open_early

ROWS = [{"instruction": f"q{i} 富士山", "output": f"a{i}"} for i in range(12)]


def packed(path: Path, content: bytes) -> Path:
    if path.suffix == ".gz":
        content = gzip.compress(content)
    elif path.suffix == ".zst":
        content = pa.Codec("zstd").compress(content, asbytes=True)
    path.write_bytes(content)
    return path


def lines(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def content(ending: str, rows: list[dict[str, str]]) -> bytes:
    if ending in (".csv", ".tsv"):
        comma = "," if ending == ".csv" else "\t"
        return "".join(
            comma.join(values) + "\n"
            for values in [["instruction", "output"], *([r["instruction"], r["output"]] for r in rows)]
        ).encode()
    return json.dumps(rows).encode() if ending == ".json" else lines(rows)


def read(source: object, split: str = "") -> list[dict[str, str]]:
    data = open_data(str(source), split)
    return [{"instruction": row.instruction, "output": row.output} for batch in data.batches() for row in batch]


@pytest.fixture(params=["held", "mapped"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "mapped":
        monkeypatch.setattr(source_module, "_SMALL", -1)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".jsonl"])
@pytest.mark.parametrize("pack", [".gz", ".zst"])
def test_packed_text(tmp_path: Path, storage: None, ending: str, pack: str) -> None:
    path = packed(tmp_path / f"rows{ending}{pack}", content(ending, ROWS))
    assert read(path) == ROWS
    assert finish_import(open_early(str(path))).row(11).output == "a11"


def test_a_packed_file_under_a_plain_name_and_a_plain_one_under_a_packed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(lines(ROWS)))
    (tmp_path / "b.jsonl.gz").write_bytes(lines(ROWS))
    assert read(tmp_path / "a.jsonl") == read(tmp_path / "b.jsonl.gz") == ROWS


def test_gzip_members_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(ROWS[:5])) + gzip.compress(lines(ROWS[5:])) + bytes(100))
    assert read(tmp_path / "a.jsonl.gz") == ROWS


@pytest.mark.parametrize("kind", ["file", "stream", "feather", "lz4"])
def test_arrow(tmp_path: Path, kind: str) -> None:
    table = pa.Table.from_pylist(ROWS)
    path = tmp_path / ("rows.feather" if kind in ("feather", "lz4") else "rows.arrow")
    if kind == "file":
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=5)
    elif kind == "stream":
        with pa.ipc.new_stream(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=5)
    else:
        feather.write_feather(table, str(path), compression="lz4" if kind == "lz4" else "uncompressed", chunksize=5)
    early = open_early(str(path))
    assert (
        not early.ready and early.counted and [early.row(i).output for i in (0, 4, 5, 11)] == ["a0", "a4", "a5", "a11"]
    )
    assert read(path) == ROWS and finish_import(early).row(7) == early.row(7)


@pytest.mark.parametrize(
    ("pattern", "expected"), [("*.jsonl", 4), ("part-*", 4), ("**/*.jsonl", 12), ("sub/part-[12].jsonl.gz", 8)]
)
def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, expected: int) -> None:
    sub = tmp_path / "sub"
    sub.mkdir()
    (tmp_path / "part-10.jsonl").write_bytes(lines(ROWS[2:4]))
    (tmp_path / "part-2.jsonl").write_bytes(lines(ROWS[:2]))
    (sub / "part-1.jsonl").write_bytes(lines(ROWS[4:]))
    packed(sub / "part-1.jsonl.gz", lines(ROWS[:4]))
    packed(sub / "part-2.jsonl.gz", lines(ROWS[4:8]))
    hidden = tmp_path / "part-2.jsonl.suiron"
    hidden.mkdir()
    (hidden / "edits.jsonl").write_text("{}\n")
    assert read(tmp_path / pattern) == ROWS[:expected]
    monkeypatch.chdir(tmp_path)
    assert read(pattern) == ROWS[:expected]
    assert locate_source(pattern, "").root is None


def test_patterns_that_fit_nothing_or_too_much(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines(ROWS))
    (tmp_path / "a.csv").write_bytes(content(".csv", ROWS))
    (tmp_path / "a.txt").write_text("words")
    for pattern, says in (("*.parquet", "no file matches"), ("*.txt", "none of the 1 files"), ("*", "several formats")):
        with pytest.raises(DataError, match=says):
            locate_source(str(tmp_path / pattern), "")
    with pytest.raises(DataError, match="no split"):
        locate_source(str(tmp_path / "*.jsonl"), "train")


def test_a_name_with_brackets_is_a_name_first(tmp_path: Path) -> None:
    (tmp_path / "a[1].jsonl").write_bytes(lines(ROWS))
    assert read(tmp_path / "a[1].jsonl") == ROWS


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"],
        ["part-0001.jsonl.gz", "part-0002.jsonl.gz"],
        ["000.jsonl", "001.jsonl"],
        ["data_01.jsonl", "data_02.jsonl.zst"],
        [
            "part-00000-1b4e28ba-2fa1-11d2-883f-0016d3cca427-c000.jsonl",
            "part-00001-1b4e28ba-2fa1-11d2-883f-0016d3cca427-c000.jsonl",
        ],
    ],
)
def test_shards_of_text(tmp_path: Path, storage: None, names: list[str]) -> None:
    for name, rows in zip(names, (ROWS[:7], ROWS[7:]), strict=True):
        packed(tmp_path / name, lines(rows))
    (tmp_path / "README.md").write_text("words")
    assert read(tmp_path) == ROWS
    found = locate_source(str(tmp_path), "")
    assert found.split == "" and len(found.paths) == 2 and found.root == tmp_path


def test_shards_by_split(tmp_path: Path) -> None:
    (tmp_path / "train-01.jsonl").write_bytes(lines(ROWS[:4]))
    (tmp_path / "train-02.jsonl").write_bytes(lines(ROWS[4:8]))
    (tmp_path / "test.jsonl").write_bytes(lines(ROWS[8:]))
    assert read(tmp_path) == ROWS[:8] and read(tmp_path, "test") == ROWS[8:]
    with pytest.raises(DataError, match="test, train"):
        read(tmp_path, "dev")


def test_parquet_under_names_of_splits_is_not_thrown_together(tmp_path: Path) -> None:
    for name, rows in (("train", ROWS[:8]), ("test", ROWS[8:])):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    assert read(tmp_path) == ROWS[:8] and read(tmp_path, "test") == ROWS[8:]


def test_problems_of_shards_name_their_file(tmp_path: Path, storage: None) -> None:
    (tmp_path / "part-01.jsonl").write_bytes(lines(ROWS[:4]))
    (tmp_path / "part-02.jsonl").write_bytes(b"oops\n" + lines(ROWS[4:]))
    data = open_data(str(tmp_path))
    assert len(data) == 12 and [(problem.file, problem.row) for problem in data.problems] == [("part-02.jsonl", 1)]


def test_shards_of_csv_may_order_their_columns_differently(tmp_path: Path, storage: None) -> None:
    (tmp_path / "part-01.csv").write_text("instruction,output\nq1,a1\n")
    (tmp_path / "part-02.csv").write_text("output,instruction,more\na2,q2,x\n")
    data = open_data(str(tmp_path))
    assert [(row.instruction, row.output) for batch in data.batches() for row in batch] == [("q1", "a1"), ("q2", "a2")]


def test_names_that_are_not_known(tmp_path: Path) -> None:
    for name, says in (
        ("a.gz", "compressed in this"),
        ("a.parquet.gz", "compressed in this"),
        ("a.txt", ".txt are not known"),
    ):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataError, match=says):
            locate_source(str(tmp_path / name), "")
    (tmp_path / "config").mkdir()
    with pytest.raises(DataError, match="no data in the folder") as caught:
        locate_source(str(tmp_path / "config" / ".."), "")
    assert "a.parquet" not in caught.value.do and "config" in caught.value.do
