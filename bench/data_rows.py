"""Synthetic rows for the benchmarks of the Data room: about 500 bytes each, in three languages.

One row in a thousand holds a needle to search for.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

WORDS = (
    "the",
    "a",
    "train",
    "leaves",
    "station",
    "with",
    "apples",
    "box",
    "holds",
    "than",
    "twice",
    "sold",
    "left",
    "山",
    "りんご",
    "个苹果",
)
NEEDLE, JAPANESE = "a needle", "立山"  # in the reasoning of the rows 7 and 8 of every thousand
_COLUMNS = ("instruction", "input", "reasoning", "output", "syslang", "sysflag")


def rows(count: int, seed: int = 3442) -> Iterator[dict[str, str]]:
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=30)) for _ in range(2000)]
    languages = ("English", "Japanese", "Chinese")
    for i in range(count):
        mark = {7: NEEDLE, 8: JAPANESE}.get(i % 1000, "")
        first, second, third = (int(draw.random() * 2000) for _ in range(3))
        yield {
            "instruction": f"{i} {texts[first]}",
            "input": "",
            "reasoning": f"{texts[second]} {mark} {texts[third]}",
            "output": str(first * second % 1000),
            "syslang": languages[third % 3],
            "sysflag": "test" if i % 10 == 0 else "train",
        }


def write_jsonl(path: Path, count: int) -> None:
    encode = json.JSONEncoder(ensure_ascii=False).encode
    with path.open("w", encoding="utf-8") as file:
        for row in rows(count):
            file.write(encode(row) + "\n")


def write_parquet(path: Path, count: int) -> None:
    """All rows in one row group, as `pyarrow.parquet.write_table` does with a million: the hard case for paging."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[str]] = {column: [] for column in _COLUMNS}
    for row in rows(count):
        for column, text in row.items():
            columns[column].append(text)
    pq.write_table(pa.table(columns), path, row_group_size=count)


def write_short(path: Path, count: int) -> None:
    """Rows of some forty characters, in row groups of a million."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(column, pa.string()) for column in _COLUMNS])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, count, 1_000_000):
            numbers = range(first, min(count, first + 1_000_000))
            table = {
                "instruction": [f"What is {i} plus {i * 7 % 1000}?" for i in numbers],
                "input": [""] * len(numbers),
                "reasoning": [f"add {i % 1000}" for i in numbers],
                "output": [str(i + i * 7 % 1000) for i in numbers],
                "syslang": ["English"] * len(numbers),
                "sysflag": ["test" if i % 10 == 0 else "train" for i in numbers],
            }
            writer.write_table(pa.table(table, schema=schema))
