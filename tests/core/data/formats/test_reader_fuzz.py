"""Whatever lies in a file, a reader gives rows or a DataError: nothing else is raised, and what was good before the
damage stays."""

from __future__ import annotations

import gzip
import io
import json
from itertools import count, takewhile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.base.row import Row
from core.data import source as source_module
from core.data.dataset import DataSet
from core.data.filters import RowFilters
from core.data.source import open_data, open_early

ROWS = [
    {"instruction": f"question {i} 富士山", "reasoning": "because\n" * (i % 5), "output": f"{i}", "sysflag": "train"}
    for i in range(120)
]
_NUMBER = count()


def _csv(comma: str) -> bytes:
    quoted = [",".join('"' + value + '"' for value in row.values()).replace('","', f'"{comma}"') for row in ROWS]
    return "\n".join([comma.join(ROWS[0]), *quoted]).encode()


def _arrow(stream: bool) -> bytes:
    table, sink = pa.Table.from_pylist(ROWS), io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=50)
    return sink.getvalue()


def _parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), sink, row_group_size=50)
    return sink.getvalue()


_LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
VALID = {
    "a.jsonl": _LINES,
    "a.json": json.dumps(ROWS).encode(),
    "b.json": json.dumps({"data": ROWS}, indent=1).encode(),
    "c.json": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}).encode(),
    "a.csv": _csv(","),
    "a.tsv": _csv("\t"),
    "a.parquet": _parquet(),
    "a.arrow": _arrow(False),
    "b.arrow": _arrow(True),
    "a.jsonl.gz": gzip.compress(_LINES),
    "a.csv.gz": gzip.compress(_csv(",")),
    "a.jsonl.zst": pa.Codec("zstd").compress(_LINES, asbytes=True),
}

_edit = st.tuples(
    st.floats(0, 1), st.sampled_from(["set", "cut", "drop", "double", "insert"]), st.binary(min_size=1, max_size=8)
)


def damaged(content: bytes, edits: list[tuple[float, str, bytes]]) -> bytes:
    for share, how, piece in edits:
        at = int(share * len(content))
        if how == "set":
            content = content[:at] + piece + content[at + len(piece) :]
        elif how == "cut":
            content = content[:at]
        elif how == "drop":
            content = content[:at] + content[at + 7 :]
        elif how == "double":
            content = content[:at] + content[at : at + 200] * 2 + content[at + 200 :]
        else:
            content = content[:at] + piece + content[at:]
    return content


def opened(path: Path, mapped: bool, early: bool) -> tuple[DataSet | None, list[Row]]:
    """Every page of it, or nothing where it says why not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "_SMALL", -1 if mapped else 2_000_000)
        try:
            data = open_early(str(path)) if early else open_data(str(path))
            everything = data.select(RowFilters())
            return data, [row for first in range(0, len(everything), 64) for row in everything.page(first, 64)]
        except DataError as error:
            assert error.what and error.where and error.do
            return None, []


@pytest.mark.parametrize("name", list(VALID))
def test_undamaged(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(VALID[name])
    for mapped, early in ((False, False), (True, False), (True, True)):
        data, rows = opened(tmp_path / name, mapped, early)
        assert data is not None
        for row, expected in zip(rows, ROWS, strict=False):
            assert {column: getattr(row, column) for column in expected} == expected
        assert len(rows) == 120 or not data.counted


@given(
    name=st.sampled_from(list(VALID)),
    edits=st.lists(_edit, min_size=1, max_size=4),
    mapped=st.booleans(),
    early=st.booleans(),
)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files(
    tmp_path: Path, name: str, edits: list[tuple[float, str, bytes]], mapped: bool, early: bool
) -> None:
    content = damaged(VALID[name], edits)
    assume(content)
    path = tmp_path / f"{next(_NUMBER)}{''.join(Path(name).suffixes)}"
    path.write_bytes(content)
    data, rows = opened(path, mapped, early)
    path.unlink()
    if data is None or not name.startswith("a.jsonl"):
        return
    for row in rows:
        row.instruction.encode()
        row.output.encode()
    if name == "a.jsonl":  # lines before the first change are as they were
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(content, _LINES, strict=False)))
        whole = _LINES[:same].count(b"\n")
        assert [(row.instruction, row.output) for row in rows[:whole]] == [
            (row["instruction"], row["output"]) for row in ROWS[:whole]
        ]


_ending = st.sampled_from([".jsonl", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".jsonl.gz", ".csv.zst"])
_start = st.sampled_from(
    [
        b"",
        b"{",
        b"[",
        b'{"instruction":',
        b"\x1f\x8b\x08\0",
        b"\x28\xb5\x2f\xfd",
        b"ARROW1\0\0",
        b"\xff\xff\xff\xff",
        b"PAR1",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
    ]
)


@given(content=st.binary(max_size=400), ending=_ending, start=_start, mapped=st.booleans(), early=st.booleans())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(tmp_path: Path, content: bytes, ending: str, start: bytes, mapped: bool, early: bool) -> None:
    path = tmp_path / f"{next(_NUMBER)}{ending}"
    path.write_bytes(start + content + b" ")
    opened(path, mapped, early)
    path.unlink()
