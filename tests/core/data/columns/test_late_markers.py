"""Markers that come only in later rows, on every way in which rows are read."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data import source as source_module
from core.data.columns.mapping import ColumnMapping, ColumnPick
from core.data.columns.mapping_words import mapping_from_words, mapping_to_words
from core.data.columns.reasoning_beside import OTHER_ANSWER, OTHER_REASONING
from core.data.dataset import DataSet
from core.data.source import open_data, open_early

MARKED = "<think>\nhm\n</think>\n\nYes."
PLAIN, MANY = 300, 600
SUFFIXES = [".jsonl", ".json", ".csv", ".parquet", ".arrow"]


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    if path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=200)
    else:
        table = pa.Table.from_pylist(rows)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=200)
    return str(path)


def rows(later: str, reasoning: bool = False) -> list[dict[str, Any]]:
    answers = ["No."] * PLAIN + [later] * (MANY - PLAIN)
    found = [{"prompt": f"Is it {index}?", "response": answer} for index, answer in enumerate(answers)]
    return [{**row, "reasoning": f"Well {index}."} for index, row in enumerate(found)] if reasoning else found


def texts(data: DataSet, index: int) -> tuple[str, str]:
    return data.row(index).reasoning, data.row(index).output


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("small", [2_000_000, -1])
def test_an_output_that_thinks_only_later(
    tmp_path: Path, suffix: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "_SMALL", small)
    monkeypatch.setattr("core.data.formats.json_lines.SAMPLE_CHARS", 9000)
    path = write(tmp_path / f"a{suffix}", rows(MARKED))
    early = open_early(path)
    data = open_data(path)
    assert len(data) == MANY and data.problems == []
    assert [texts(data, index) for index in (0, 299, 300, 599)] == [("", "No.")] * 2 + [("hm", "Yes.")] * 2
    picks = data.mapping.picks
    assert (picks["output"].how, picks["reasoning"].how) == ("answer", "think") and data.extra == ()
    assert "later rows" in picks["output"].why and "later rows" in picks["reasoning"].why
    if len(early.base) > 500:
        assert (early.row(500).reasoning, early.row(500).output) == ("hm", "Yes.")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_text_in_which_markers_are_only_named_stays(tmp_path: Path, suffix: str) -> None:
    said = "It writes `<think>` and then `</think>`."
    data = open_data(write(tmp_path / f"a{suffix}", rows(said)))
    assert texts(data, 599) == ("", said) and data.mapping.picks["output"].how == "text"


def test_reasoning_that_never_ends_is_a_problem(tmp_path: Path) -> None:
    data = open_data(write(tmp_path / "a.jsonl", [*rows("Yes."), {"prompt": "q", "response": "<think>\nhm"}]))
    assert [problem.what for problem in data.problems] == ["its reasoning never ends, so there is no answer"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_reasoning_column_beside(tmp_path: Path, suffix: str) -> None:
    """The reasoning in the output is taken where the column is blank; where both are there, that is said."""
    listed = rows(MARKED, reasoning=True)
    listed[400]["reasoning"] = ""
    listed[401]["reasoning"] = "hm"
    data = open_data(write(tmp_path / f"a{suffix}", listed))
    assert [texts(data, index) for index in (0, 400, 401, 402)] == [
        ("Well 0.", "No."),
        ("hm", "Yes."),
        ("hm", "Yes."),
        ("Well 402.", "Yes."),
    ]
    assert data.mapping.picks["reasoning"].column == "reasoning" and data.mapping.picks["output"].how == "answer"
    assert data.not_used.parts[OTHER_REASONING].count == MANY - PLAIN - 2


def test_markers_in_a_reasoning_column(tmp_path: Path) -> None:
    """Only later, and with the answer behind them."""
    listed = rows("Yes.", reasoning=True)
    listed[400]["reasoning"] = "<think>\nhm\n</think>\n\nYes."
    listed[401]["reasoning"] = "hm</think>"
    listed[402]["reasoning"] = "<think>hm</think>Perhaps."
    data = open_data(write(tmp_path / "a.jsonl", listed))
    assert [texts(data, index) for index in (0, 400, 401, 402)] == [("Well 0.", "No."), *[("hm", "Yes.")] * 3]
    assert data.mapping.picks["reasoning"].how == "unmarked" and data.not_used.parts[OTHER_ANSWER].count == 1
    both = [{"question": "q", "reasoning": reasoning, "answer": "Yes."} for reasoning in (MARKED, "hm")]
    data = open_data(write(tmp_path / "b.jsonl", both))
    assert [texts(data, index) for index in (0, 1)] == [("hm", "Yes.")] * 2


def test_a_mapping_by_hand_and_own_files_are_left_alone(tmp_path: Path) -> None:
    mapping = ColumnMapping({"instruction": ColumnPick("prompt"), "output": ColumnPick("response")}, by_hand=True)
    data = open_data(write(tmp_path / "a.jsonl", rows(MARKED)), mapping=mapping)
    assert texts(data, 599) == ("", MARKED) and data.mapping == mapping
    own = dict.fromkeys(("instruction", "input", "reasoning", "output", "syslang", "sysflag"), "x")
    data = open_data(write(tmp_path / "b.jsonl", [*[own] * 300, {**own, "reasoning": "", "output": MARKED}]))
    assert texts(data, 300) == ("", MARKED)


def test_a_mapping_as_words_reads_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows(MARKED))
    data = open_data(path)
    again = open_data(path, mapping=mapping_from_words(mapping_to_words(data.mapping)))
    assert [texts(again, index) for index in range(MANY)] == [texts(data, index) for index in range(MANY)]
