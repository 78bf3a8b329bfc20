"""Every format gives the same rows back, and cells keep what the source says."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data import source as source_module
from core.data.columns.mapping import ColumnMapping, ColumnPick
from core.data.dataset import DataSet
from core.data.filters import RowFilters
from core.data.source import open_data

ROWS = [
    {
        "instruction": "What is 2+2?",
        "input": "",
        "reasoning": "2 and 2\nmake 4",
        "output": "4",
        "syslang": "English",
        "sysflag": "train",
    },
    {
        "instruction": "立山の高さは？",
        "input": "富山県",
        "reasoning": "",
        "output": "3015 m",
        "syslang": "Japanese",
        "sysflag": "train",
    },
    {
        "instruction": 'say "hi", 100%',
        "input": "a,b\tc",
        "reasoning": "x",
        "output": "hi",
        "syslang": "English",
        "sysflag": "test",
    },
]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    """The rows in the format that the path's ending names."""
    names = list(rows[0]) if rows else list(COLUMNS)
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(
                file, names, delimiter="\t" if path.suffix == ".tsv" else ",", quoting=csv.QUOTE_ALL
            )
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in names}), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def rows_of(data: DataSet) -> list[Row]:
    return data.select(RowFilters()).page(0, len(data))


def expected(rows: list[dict[str, str]]) -> list[Row]:
    return [Row(**row, index=place) for place, row in enumerate(rows)]


@pytest.fixture(params=["held", "mapped"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The same small file as rows in memory and as an imported, mapped file."""
    if request.param == "mapped":
        monkeypatch.setattr(source_module, "_SMALL", -1)
    return str(request.param)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet"])
def test_format(tmp_path: Path, storage: str, ending: str) -> None:
    data = open_data(str(write(tmp_path / f"rows{ending}", ROWS)))
    assert rows_of(data) == expected(ROWS)
    assert data.columns == COLUMNS and data.problems == [] and data.extra == ()
    assert data.name == f"rows{ending}" and data.row(1) == expected(ROWS)[1]
    assert data.facets() == {"syslang": [("English", 2), ("Japanese", 1)], "sysflag": [("train", 2), ("test", 1)]}


text = st.text(st.characters(codec="utf-8"), max_size=30)
row = st.fixed_dictionaries({column: text for column in COLUMNS}).filter(
    lambda row: bool(row["instruction"].strip() or row["output"].strip())
)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".json", ".parquet"])
@given(rows=st.lists(row, min_size=1, max_size=8), needle=text, mapped=st.booleans())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_come_back(tmp_path: Path, ending: str, rows: list[dict[str, str]], needle: str, mapped: bool) -> None:
    path = write(tmp_path / f"any{ending}", rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "_SMALL", -1 if mapped else 2_000_000)
        # a rewrite within one tick of the clock may keep size and time: a path of its own for every example
        path = path.rename(tmp_path / f"{abs(hash((str(rows), mapped)))}{ending}")
        data = open_data(str(path))
    assert rows_of(data) == expected(rows)
    assert data.problem_count == 0
    assert {r.index for r in rows_of(data) if any(needle in getattr(r, column) for column in COLUMNS)} <= {
        r.index for r in data.select(RowFilters(text=needle)).page(0, 100)
    }


def test_cells_keep_the_digits_of_the_source(tmp_path: Path, storage: str) -> None:
    path = tmp_path / "cells.jsonl"
    lines = [
        '{"instruction": 72, "output": 72.0}',
        '{"instruction": 1.10, "output": 12345678901234567890123}',
        '{"instruction": true, "output": {"あ": [1, 2.50, null, "\\u3042"]}, "input": null}',
        '{"instruction": "\\ud800 alone", "output": "\\ud83d\\ude00", "reasoning": NaN}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    columns = ("instruction", "input", "reasoning", "output")
    data = open_data(str(path), mapping=ColumnMapping({column: ColumnPick(column, "json") for column in columns}))
    cells = [(r.instruction, r.output, r.input, r.reasoning) for r in rows_of(data)]
    assert cells == [
        ("72", "72.0", "", ""),
        ("1.10", "12345678901234567890123", "", ""),
        ("true", '{"あ":[1,2.50,null,"あ"]}', "", ""),
        ("\ufffd alone", "😀", "", ""),
    ]
    for each in rows_of(data):
        msgspec.json.encode(each)
    assert len(data.select(RowFilters(text="\ud800 alone"))) == 1


def test_a_column_of_numbers_in_parquet(tmp_path: Path) -> None:
    flags = pa.array(["x"] * 3).dictionary_encode()
    table = {
        "instruction": [1, 2, 3],
        "output": [72.0, float("nan"), 0.5],
        "reasoning": [["a"], None, ["b", "c"]],
        "sysflag": flags,
    }
    pq.write_table(pa.table(table), tmp_path / "n.parquet")
    data = open_data(str(tmp_path / "n.parquet"))
    assert [(r.instruction, r.output, r.reasoning, r.sysflag) for r in rows_of(data)] == [
        ("1", "72", "a", "x"),
        ("3", "0.5", "b\nc", "x"),
    ]
    assert [problem.row for problem in data.problems] == [2]


def test_one_cell_of_twenty_megabytes(tmp_path: Path) -> None:
    huge = "あ" * 7_000_000
    for ending in (".jsonl", ".csv", ".json"):
        data = open_data(str(write(tmp_path / f"huge{ending}", [ROWS[0], {**ROWS[1], "reasoning": huge}, ROWS[2]])))
        assert [len(r.reasoning) for r in rows_of(data)] == [14, 7_000_000, 1]
        assert data.select(RowFilters(text="hi")).position(2) == 0


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"version": 1, "data": ROWS}),
        json.dumps({"data": ROWS}, indent=2),
        "".join(json.dumps(row) + "\n" for row in ROWS),
    ],
)
def test_shapes_of_json(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    assert rows_of(open_data(str(tmp_path / "a.json"))) == expected(ROWS)


@pytest.mark.parametrize(
    "content",
    [
        {column: [row[column] for row in ROWS] for column in COLUMNS},
        {column: {str(i): row[column] for i, row in enumerate(ROWS)} for column in COLUMNS},
    ],
)
def test_json_that_holds_columns(tmp_path: Path, content: dict[str, object]) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    assert rows_of(open_data(str(tmp_path / "a.json"))) == expected(ROWS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"a": ROWS, "b": ROWS}, "not clear which one has the rows"),
        ({"instruction": ["a", "b"], "output": ["b"]}, "differ in length \\(instruction 2, output 1\\)"),
    ],
)
def test_json_that_holds_no_rows(tmp_path: Path, content: object, says: str) -> None:
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=says):
        open_data(str(tmp_path / "a.json"))


def test_a_long_array_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.formats.json_document_array.BLOCK", 7)
    rows = [{**ROWS[1], "output": str(i) * (i % 50 + 1)} for i in range(60)]
    assert rows_of(open_data(str(write(tmp_path / "a.json", rows)))) == expected(rows)


def test_lines_cut_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.formats.text_decoding.BLOCK", 100)
    monkeypatch.setattr("core.data.formats.json_lines.SAMPLE_CHARS", 100)
    rows: list[dict[str, str]] = [{**ROWS[i % 3], "output": str(i)} for i in range(200)]
    rows[150]["extra"] = "met late"
    path = write(tmp_path / "a.jsonl", rows)
    data = open_data(str(path))
    assert [r.output for r in rows_of(data)] == [str(i) for i in range(200)]
    assert data.extra == ("extra",)


def test_a_column_that_comes_late_is_filled_from_there_on(tmp_path: Path, storage: str) -> None:
    rows = [{"question": f"q{i}", "answer": "a" * 100} for i in range(1000)] + [
        {"question": "last", "answer": "a", "rationale": "why"}
    ]
    data = open_data(str(write(tmp_path / "a.jsonl", rows)))
    assert data.row(0) == Row("q0", output="a" * 100, index=0)
    assert data.row(1000) == Row("last", output="a", reasoning="why", index=1000)
    taken = {column: pick.column for column, pick in data.mapping.picks.items()}
    assert taken == {"instruction": "question", "reasoning": "rationale", "output": "answer"}


@pytest.mark.parametrize("saved", [True, False])
def test_folders_saved_by_datasets(tmp_path: Path, saved: bool) -> None:
    """The layout of save_to_disk: Arrow streams named by state.json, and a dictionary of such folders."""

    def save(folder: Path, rows: list[dict[str, str]]) -> None:
        folder.mkdir(parents=True)
        table = pa.Table.from_pylist(rows)
        names = []
        for i in range(len(rows)):
            names.append({"filename": f"data-{i:05}-of-{len(rows):05}.arrow"})
            with pa.ipc.new_stream(str(folder / names[-1]["filename"]), table.schema) as stream:
                stream.write_table(table.slice(i, 1))
        (folder / "state.json").write_text(json.dumps({"_data_files": names}))
        (folder / "dataset_info.json").write_text("{}")

    if saved:
        save(tmp_path / "one", ROWS)
        assert rows_of(open_data(str(tmp_path / "one"))) == expected(ROWS)
        return
    save(tmp_path / "both" / "train", ROWS[:2])
    save(tmp_path / "both" / "test", ROWS[2:])
    (tmp_path / "both" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    data = open_data(str(tmp_path / "both"))
    assert data.split == "train" and rows_of(data) == expected(ROWS[:2])
    assert rows_of(open_data(str(tmp_path / "both"), "test")) == expected(ROWS[2:])
    with pytest.raises(DataError, match="train, test"):
        open_data(str(tmp_path / "both"), "dev")


def test_folders_of_files(tmp_path: Path) -> None:
    write(tmp_path / "only.csv", ROWS)
    (tmp_path / "README.md").write_text("words")
    assert rows_of(open_data(str(tmp_path))) == expected(ROWS)
    write(tmp_path / "other.csv", ROWS)
    with pytest.raises(DataError, match=r"only, other"):
        open_data(str(tmp_path))
    assert len(open_data(str(tmp_path), "other")) == 3
    shards = tmp_path / "shards"
    shards.mkdir()
    for i, one in enumerate(ROWS):
        write(shards / f"train-{i:05}-of-00003.parquet", [one])
    assert rows_of(open_data(str(shards))) == expected(ROWS)
    write(shards / "test-00000-of-00001.parquet", ROWS[:1])
    assert len(open_data(str(shards))) == 3 and len(open_data(str(shards), "test")) == 1


@pytest.mark.parametrize(
    ("names", "mapping"),
    [
        (["Question", "answer"], {"instruction": "Question", "output": "answer"}),
        (["instruction", "prompt", "output"], {"instruction": "instruction", "output": "output"}),
        (
            ["question", "answer", "cot", "thought"],
            {"instruction": "question", "reasoning": "thought", "output": "answer"},
        ),
    ],
)
def test_other_names(tmp_path: Path, storage: str, names: list[str], mapping: dict[str, str]) -> None:
    data = open_data(str(write(tmp_path / "a.csv", [dict.fromkeys(names, "x")])))
    assert {column: pick.column for column, pick in data.mapping.picks.items()} == mapping
    assert data.columns == tuple(mapping) and set(data.extra) == set(names) - set(mapping.values())


def _imports(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_a_small_source_needs_no_heavy_import(tmp_path: Path, storage: str) -> None:
    path = write(tmp_path / "a.jsonl", ROWS)
    heavy = {"pyarrow", "duckdb", "numpy", "pandas", "datasets", "torch", "subprocess"}
    code = (
        f"import core.data.filters, core.data.source\ndata = core.data.source.open_data({str(path)!r}); data.facets()\n"
    )
    assert not heavy & _imports(f"{code}data.select(core.data.filters.RowFilters(text='4'))")


def test_reading_a_parquet_imports_neither_duckdb_nor_datasets_before_a_filter(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", ROWS)
    code = f"import core.data.source\ndata = core.data.source.open_data({str(path)!r}); data.facets(); data.row(1)"
    assert not {"duckdb", "datasets", "torch"} & _imports(code)
