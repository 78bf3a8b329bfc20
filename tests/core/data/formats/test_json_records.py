"""What a line or an object of JSON may look like, and that its rows are the same ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.data.formats.json_line import read_line, without_commas
from core.data.source import open_data

ROWS = [{"instruction": f"q{i}", "output": f"a{i}"} for i in range(12)]
value = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
record = st.dictionaries(st.text(max_size=5), value, max_size=4)


def rows(path: Path) -> list[tuple[str, str, str]]:
    return [(row.instruction, row.output, row.sysflag) for batch in open_data(str(path)).batches() for row in batch]


@given(record, st.sampled_from(["", ",", " ,", ",\t"]))
def test_a_comma_after_an_object_changes_nothing(record: dict[str, object], ending: str) -> None:
    line = json.dumps(record) + ending
    assert read_line(line).records == [record] and not read_line(line).fault
    assert read_line(without_commas((line + "\n").encode()).decode().strip()).records == [record]


@given(st.lists(record, min_size=2, max_size=4), st.sampled_from(["", " ", ",", ", "]))
def test_objects_on_one_line_are_all_read(records: list[dict[str, object]], between: str) -> None:
    content = read_line(between.join(map(json.dumps, records)))
    assert content.records == records and content.note and not content.fault


@given(st.lists(record, min_size=1, max_size=5))
def test_lines_without_commas_stay_the_same_object(records: list[dict[str, object]]) -> None:
    block = "".join(json.dumps(record) + "\n" for record in records).encode()
    assert without_commas(block) is block


@pytest.mark.parametrize("line", ["[1] [2]", '{"a": 1} 2', '{"a": 1,}', '{"a": 1', "words", "1 2", "{'a': None}"])
def test_what_is_not_certain_is_a_fault(line: str) -> None:
    content = read_line(line)
    assert content.records == [] and content.fault.startswith("not JSON")


@pytest.mark.parametrize(
    "content",
    [
        {str(i): row for i, row in enumerate(ROWS)},
        {f"id-{i}": row for i, row in enumerate(ROWS)},
        {"columns": ["instruction", "output"], "index": list(range(12)), "data": [list(row.values()) for row in ROWS]},
        {"columns": ["instruction", "output"], "data": [list(row.values()) for row in ROWS]},
        {name: {str(i): row[name] for i, row in enumerate(ROWS)} for name in ROWS[0]},
        {name: [row[name] for row in ROWS] for name in ROWS[0]},
        {"schema": {"fields": [{"name": "index"}]}, "data": [{"index": i, **row} for i, row in enumerate(ROWS)]},
        {"data": ROWS, "note": float("nan")},
        {"train": ROWS},
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_objects_as_pandas_and_others_write_them(tmp_path: Path, content: object, indent: int | None) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content, indent=indent))
    found = rows(tmp_path / "a.json")
    assert [row[:2] for row in found] == [(row["instruction"], row["output"]) for row in ROWS]


@pytest.mark.parametrize("as_columns", [False, True])
def test_splits_in_one_object_become_rows_with_their_flag(tmp_path: Path, as_columns: bool) -> None:
    parts: dict[str, object] = {"train": ROWS[:9], "Test": ROWS[9:]}
    if as_columns:
        parts = {
            split: {name: [row[name] for row in part] for name in ROWS[0]}
            for split, part in (("train", ROWS[:9]), ("Test", ROWS[9:]))
        }
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, **parts}))
    data = open_data(str(tmp_path / "a.json"))
    assert data.facets()["sysflag"] == [("train", 9), ("test", 3)] and "train, Test" in data.notes[0]
    flagged = {"train": [{**ROWS[0], "sysflag": "dev"}], "test": ROWS[1:]}
    (tmp_path / "b.json").write_text(json.dumps(flagged))
    assert rows(tmp_path / "b.json")[0] == ("q0", "a0", "dev")


def test_a_column_that_is_named_like_a_split_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"prompt": "q", "test": ["assert f() == 1"], "output": "a"}))
    assert rows(tmp_path / "a.json") == [("q", "a", "")]


def test_rows_of_a_table_of_another_width_are_problems(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"columns": ["instruction", "output"], "data": [["q", "a"], ["q"], ["r", "b"]]}')
    data = open_data(str(tmp_path / "a.json"))
    assert len(data) == 2 and [problem.row for problem in data.problems] == [2]


def test_text_after_the_end_of_a_list_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROWS, indent=1) + "\nand so on")
    data = open_data(str(tmp_path / "a.json"))
    assert len(data) == 12 and "text follows the end of the list" in data.problems[0].what


def test_what_cannot_be_read_is_counted_by_kind(tmp_path: Path) -> None:
    lines = [json.dumps(ROWS[0]), "no", '{"a": 1,}', '{"ab": 1,}', "[1]", json.dumps(ROWS[1])] * 700
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    data = open_data(str(tmp_path / "a.jsonl"))
    kinds = {kind.what: (kind.count, [place.row for place in kind.places[:2]]) for kind in data.problem_kinds}
    assert data.problem_count == 2800 and kinds == {
        "not JSON: Expecting value at character 1": (700, [2, 8]),
        "not JSON: Expecting property name enclosed in double quotes at character 9": (1400, [3, 4]),
        "not an object but a list": (700, [5, 11]),
    }


@given(content=st.binary(max_size=300), name=st.sampled_from(["a.jsonl", "a.json", "a.csv", "a.txt", "a.parquet", "a"]))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_under_any_name_open_or_say_why(tmp_path: Path, content: bytes, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    try:
        open_data(str(path))
    except DataError as error:
        assert error.what and error.where and error.do
