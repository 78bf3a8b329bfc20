"""A column without a name, such as the index that pandas writes, fills no column of a row."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from core.base.errors import DataError
from core.base.row import FIELDS, Row
from core.data import source as source_module
from core.data.formats import json_lines
from core.data.source import open_data, open_early

ROWS = 40


def write(path: Path, names: tuple[str, ...]) -> str:
    """Rows with these columns: a number in those without a name, a text in the others."""
    records = [[str(number) if not name else f"{name} {number}" for name in names] for number in range(ROWS)]
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="") as file:
            csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",").writerows([names, *records])
    elif path.suffix in (".parquet", ".arrow"):
        table = pa.table([pa.array(values) for values in zip(*records, strict=True)], names=list(names))
        pq.write_table(table, path) if path.suffix == ".parquet" else feather.write_feather(table, path)
    else:
        lines = [json.dumps(dict(zip(names, record, strict=True))) for record in records]
        path.write_text("\n".join(lines) + "\n" if path.suffix == ".jsonl" else f"[{','.join(lines)}]")
    return str(path)


@pytest.mark.parametrize("small", [2_000_000, -1])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".parquet", ".arrow"])
def test_the_columns_that_are_not_there_are_empty(
    tmp_path: Path, suffix: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "_SMALL", small)
    monkeypatch.setattr(json_lines, "SAMPLE_CHARS", 500)  # most rows come by the quick paths
    path = write(tmp_path / f"a{suffix}", ("", "instruction", "output"))
    for data in (open_early(path), open_data(path)):
        row = data.row(min(39, len(data) - 1))
        others = {column: getattr(row, column) for column in FIELDS if column not in ("instruction", "output")}
        assert set(others.values()) == {""} and row.instruction.startswith("instruction ")
    assert data.row(39) == Row("instruction 39", output="output 39", index=39) and data.problems == []


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_nameless_column_is_no_required_column(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(DataError, match="the column output cannot be found"):
        open_data(write(tmp_path / f"a{suffix}", ("", "instruction")))
