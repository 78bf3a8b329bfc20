"""Makes the demo data set, `rows.jsonl` beside this file, always with the same bytes.

Run it with `python -m core.demo.make_rows`. Knows how many rows each family of questions makes, that no instruction
occurs twice, and which rows are held out.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import msgspec

from core.base.row import COLUMNS, Row
from core.demo.families import ENGLISH, Family
from core.demo.families_cjk import CHINESE, JAPANESE

ROWS = Path(__file__).with_name("rows.jsonl")
SEED = 3442
# (families, rows of each for training, rows of each held out)
SHARES: tuple[tuple[tuple[Family, ...], int, int], ...] = ((ENGLISH, 24, 2), (JAPANESE, 6, 1), (CHINESE, 6, 1))


def make_rows() -> list[Row]:
    """All rows, training rows before held-out ones, each part shuffled so that families and languages are mixed."""
    instructions: set[str] = set()
    train: list[Row] = []
    test: list[Row] = []
    for families, many, few in SHARES:
        for family in families:
            # Each family has its own generator, so that a new family does not change the rows of the others.
            rng = Random(f"{SEED} {family.__name__}")  # noqa: S311
            drawn = _distinct_rows(family, rng, many + few, instructions)
            train += [msgspec.structs.replace(row, sysflag="train") for row in drawn[:many]]
            test += [msgspec.structs.replace(row, sysflag="test") for row in drawn[many:]]
    for part in (train, test):
        Random(SEED).shuffle(part)  # noqa: S311
    return train + test


def _distinct_rows(family: Family, rng: Random, count: int, instructions: set[str]) -> list[Row]:
    drawn: list[Row] = []
    for _ in range(100 * count):
        row = family(rng)
        if row.instruction not in instructions:
            instructions.add(row.instruction)
            drawn.append(row)
        if len(drawn) == count:
            return drawn
    raise ValueError(f"the family {family.__name__} has fewer than {count} different questions")


def rows_as_json_lines(rows: list[Row]) -> bytes:
    lines = (json.dumps({column: getattr(row, column) for column in COLUMNS}, ensure_ascii=False) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def demo_rows(sysflag: str = "") -> list[Row]:
    """The rows of `rows.jsonl`: those with this `sysflag`, or all where it is empty."""
    lines = ROWS.read_text(encoding="utf-8").splitlines()
    rows = [msgspec.convert({**json.loads(line), "index": index}, Row) for index, line in enumerate(lines)]
    return [row for row in rows if not sysflag or row.sysflag == sysflag]


if __name__ == "__main__":
    ROWS.write_bytes(rows_as_json_lines(make_rows()))
