"""A saved file has everything that the source has: the columns that no field takes come back as they were."""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.base.row import Row
from core.data import source as source_module
from core.data.editing.editor import open_editor
from core.data.export import save_rows
from core.data.filters import RowFilters
from core.data.source import open_data

_number = count()
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=4,
)
_records = st.lists(
    st.fixed_dictionaries(
        {"instruction": _text.map("q".__add__), "output": _text.map("a".__add__)},
        optional={"topic": _value, "id": _value, "出典": _value},
    ),
    min_size=1,
    max_size=6,
)


def saved_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode().split("\n") if line]


@pytest.fixture(params=["in memory", "imported"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "imported":
        monkeypatch.setattr(source_module, "_SMALL", -1)
    return str(request.param)


@given(records=_records)
@hypothesis_settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_untouched_file_comes_back_equal(tmp_path: Path, storage: str, records: list[dict[str, Any]]) -> None:
    path, out = tmp_path / f"a{next(_number)}.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    data = open_data(str(path))
    save_rows(data, out)
    assert saved_lines(out) == records
    filled = {name for record in records for name, value in record.items() if value not in (None, "", [], {})}
    shown = {name for name in filled - {"instruction", "output"} if any(str(r.get(name)).strip() for r in records)}
    assert set(data.not_used.columns) <= shown and data.problem_count == 0


def test_columns_with_other_names_become_the_six_and_the_rest_stays(tmp_path: Path, storage: str) -> None:
    record = {"id": 1.50, "question": "2 + 2?", "answer": "4", "output": {"a": [1, None]}, "choices": ["3", "4"]}
    path, out = tmp_path / "a.jsonl", tmp_path / "out.json"
    path.write_text(json.dumps(record) + "\n")
    data = open_data(str(path))
    picked = {name: pick.column for name, pick in data.mapping.picks.items() if pick.column}
    save_rows(data, out)
    [back] = json.loads(out.read_text())
    assert back["instruction"] == "2 + 2?" and back["choices"] == ["3", "4"] and back["id"] == 1.5
    assert set(picked.values()) | {"id", "choices"} <= set(record)
    assert data.not_used.columns["choices"] == 1 and "not used: " in data.not_used_words
    assert open_data(str(out)).row(0).instruction == "2 + 2?"


def test_digits_are_kept(tmp_path: Path, storage: str) -> None:
    line = '{"instruction":"q","output":"a","price":1.10,"id":123456789012345678901234567890}\n'
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    path.write_text(line)
    save_rows(open_data(str(path)), out)
    assert out.read_text() == line


def test_a_table_of_text_keeps_its_columns_and_their_order(tmp_path: Path, storage: str) -> None:
    path, out = tmp_path / "a.csv", tmp_path / "out.csv"
    rows = [["id", "instruction", "note", "output"], ["7", "q", "", "a"], ["8", "r", 'x,"y"', "b"]]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    data = open_data(str(path))
    save_rows(data, out)
    with out.open(newline="") as file:
        assert list(csv.reader(file)) == rows
    assert data.not_used.columns == {"id": 2, "note": 1}


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_types_are_kept(tmp_path: Path, ending: str) -> None:
    table = pa.table(
        {
            "instruction": ["q", "r"],
            "output": ["a", "b"],
            "score": pa.array([0.5, None], pa.float32()),
            "tags": pa.array([["x"], None], pa.list_(pa.string())),
            "when": pa.array([datetime.datetime(2026, 1, 2, 3, 4, 5), None], pa.timestamp("us")),
            "meta": pa.array([{"n": 1, "ok": True}, {"n": 2, "ok": None}]),
            "kind": pa.array(["p", "q"]).dictionary_encode(),
        }
    )
    path, out = tmp_path / "a.parquet", tmp_path / f"out.{ending}"
    pq.write_table(table, path)
    save_rows(open_data(str(path)), out)
    back = pq.read_table(out) if ending == "parquet" else pa.ipc.open_file(str(out)).read_all()
    assert back.to_pylist() == table.to_pylist()
    assert back.schema.field("score").type == pa.float32() and back.schema.field("meta").type == table["meta"].type


def test_pictures_are_counted_and_named_when_they_cannot_be_kept(tmp_path: Path) -> None:
    images = pa.array([{"bytes": b"\x89PNG", "path": "a.png"}, None, {"bytes": b"\x89PNG", "path": "b.png"}])
    table = pa.table({"instruction": list("qrs"), "output": list("abc"), "image": images})
    path, out = tmp_path / "a.parquet", tmp_path / "out.parquet"
    pq.write_table(table, path)
    data = open_data(str(path))
    saved = save_rows(data, out)
    assert (
        data.not_used.columns == saved.not_written == {"image": 2} and data.not_used_words == "not used: image (2 rows)"
    )
    assert pq.read_table(out).column_names == ["instruction", "output"]


def test_edits_keep_the_other_columns_and_added_rows_have_none(tmp_path: Path, storage: str) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps({"instruction": f"q{i}", "output": "a", "id": i}) + "\n" for i in range(4)))
    with open_editor(open_data(str(path))) as editor:
        editor.change(1, {"output": "new", "reasoning": "why"})
        editor.delete([2])
        editor.add({"instruction": "mine", "output": "x"}, after=0)
        data = editor.dataset
    save_rows(data, out, data.select(RowFilters(sort="instruction", descending=True)))
    assert [record.get("id") for record in saved_lines(out)] == [3, 1, 0, None]
    assert saved_lines(out)[1] == {"instruction": "q1", "output": "new", "reasoning": "why", "id": 1}


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        (['{"instruction":"q","output":"a","id":1}'], False),
        (['{"instruction":"q","output":"a","id":1}', "not json"], True),
    ],
)
def test_a_source_is_kept_when_the_new_file_lacks_some_of_it(tmp_path: Path, lines: list[str], kept: bool) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines) + "\n")
    saved = save_rows(open_data(str(path)), path)
    assert path.read_text() == lines[0] + "\n"
    assert (saved.old_file is not None) == kept
    if saved.old_file is not None:
        assert saved.old_file.read_text() == "\n".join(lines) + "\n"


@pytest.mark.parametrize("make", [str, str.upper])
def test_a_row_of_another_file_reads_back_as_shown(tmp_path: Path, make: Callable[[str], str]) -> None:
    """A column that would be taken for the reasoning, once the user has decided that it is not."""
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    path.write_text(json.dumps({"instruction": "q", "output": "a", "rationale": make("because")}) + "\n")
    data = open_data(str(path))
    chosen = open_data(str(path), mapping=data.mapping.with_pick("reasoning", type(data.mapping.picks["output"])("")))
    save_rows(chosen, out)
    assert open_data(str(out)).row(0) == chosen.row(0) == Row("q", output="a", index=0)
    assert saved_lines(out)[0]["rationale"] == make("because")
