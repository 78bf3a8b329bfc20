"""Numbers of classes are read as the names that `datasets` keeps with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data import source as source_module
from core.data.columns.mapping import ColumnMapping, ColumnPick
from core.data.source import open_data, open_early

FEATURES: dict[str, Any] = {
    "question": {"dtype": "string", "_type": "Value"},
    "answer": {"names": ["no", "yes", "perhaps"], "_type": "ClassLabel"},
}
NUMBERS = [1, 0, 2, -1, 7, None]
NAMES = ["yes", "no", "perhaps", "7"]


def table(features: dict[str, Any] | None) -> pa.Table:
    made = pa.table({"question": [f"Is {i} odd?" for i in range(6)], "answer": pa.array(NUMBERS, pa.int64())})
    if features is None:
        return made
    return made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def write(path: Path, made: pa.Table) -> str:
    if path.suffix == ".parquet":
        pq.write_table(made, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, made.schema) as writer:
            writer.write_table(made)
    return str(path)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize("small", [2_000_000, -1])
def test_names_of_classes(
    tmp_path: Path, suffix: str, beside: bool, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "_SMALL", small)
    path = write(tmp_path / f"a{suffix}", table(None if beside else FEATURES))
    if beside:
        (tmp_path / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    data = open_data(path)
    assert [data.row(index).output for index in range(len(data))] == NAMES
    assert [problem.row for problem in data.problems] == [4, 6]
    early = open_early(path)
    assert [early.row(index).output for index in range(3)] == NAMES[:3]


def test_lists_of_classes(tmp_path: Path) -> None:
    features = {"labels": {"feature": FEATURES["answer"], "_type": "Sequence"}}
    made = pa.table({"question": ["a", "b"], "labels": pa.array([[0, 2], [1]], pa.list_(pa.int64()))})
    made = made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    mapping = ColumnMapping({"instruction": ColumnPick("question"), "output": ColumnPick("labels", "joined")})
    data = open_data(write(tmp_path / "a.parquet", made), mapping=mapping)
    assert [data.row(index).output for index in range(2)] == ["no\nperhaps", "yes"]


@pytest.mark.parametrize("features", ["[]", "{", '{"info": {"features": {"answer": {"_type": "ClassLabel"}}}}'])
def test_features_that_name_no_class(tmp_path: Path, features: str) -> None:
    made = table(None).replace_schema_metadata({"huggingface": features})
    data = open_data(write(tmp_path / "a.parquet", made))
    assert [data.row(index).output for index in range(3)] == ["1", "0", "2"]


def test_a_number_without_names_is_said(tmp_path: Path) -> None:
    made = pa.table({"question": [f"Is {i} odd?" for i in range(12)], "answer": [0, 1] * 6})
    data = open_data(write(tmp_path / "a.parquet", made))
    assert data.mapping.picks["output"].why == "named answer; a number without names"
