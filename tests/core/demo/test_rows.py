"""The demo data set: made the same way every time, every answer right, nothing of the test part in the training
part."""

from __future__ import annotations

import json
import re
from collections import Counter
from random import Random

import pytest

from core.base.row import COLUMNS
from core.demo.families import ENGLISH, Family
from core.demo.families_cjk import CHINESE, JAPANESE
from core.demo.make_rows import ROWS, demo_rows, make_rows, rows_as_json_lines
from tests.core.demo.solver import solve


def test_the_file_is_what_the_script_makes() -> None:
    assert ROWS.read_bytes() == rows_as_json_lines(make_rows())


def test_its_columns_and_shares() -> None:
    lines = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    assert all(tuple(line) == COLUMNS and all(isinstance(value, str) for value in line.values()) for line in lines)
    assert len(lines) >= 400
    languages = Counter(line["syslang"] for line in lines)
    assert set(languages) == {"English", "Japanese", "Chinese"} and languages["English"] > len(lines) / 2
    held_out = [line for line in lines if line["sysflag"] == "test"]
    assert {line["sysflag"] for line in lines} == {"train", "test"} and len(held_out) >= 40
    assert {line["syslang"] for line in held_out[:40]} == set(languages)  # the forty that the report asks
    assert sum(bool(line["input"]) for line in lines) >= 40


def test_no_question_comes_twice() -> None:
    rows = demo_rows()
    assert len({row.instruction for row in rows}) == len({row.identity() for row in rows}) == len(rows)
    assert [row.index for row in rows] == list(range(len(rows)))
    assert demo_rows("train") + demo_rows("test") == rows


def test_every_answer_is_right() -> None:
    for row in demo_rows():
        assert solve(row.instruction, row.input) == row.output, row


@pytest.mark.parametrize("family", ENGLISH + JAPANESE + CHINESE, ids=lambda family: family.__name__)
def test_families_are_right_on_any_draw(family: Family) -> None:
    rng = Random(7)
    for _ in range(200):
        row = family(rng)
        assert solve(row.instruction, row.input) == row.output, row


EQUATION = re.compile(r"((?:\d+ [-+*/] )+\d+) = (\d+(?: [-+*/] \d+)*)")


def test_every_step_of_the_reasoning_is_right() -> None:
    """Each equation holds, steps are few and short, and the reasoning leads to the answer: its last line or the one
    before names it."""
    equations = 0
    for row in demo_rows():
        steps = row.reasoning.split("\n")
        assert 1 <= len(steps) <= 4 and all(step.strip() and len(step) < 100 for step in steps), row
        for left, right in EQUATION.findall(row.reasoning):
            equations += 1
            assert eval(left) == eval(right), row  # noqa: S307 - digits and + - * / alone, by the pattern
        if row.output not in ("yes", "no"):
            assert any(row.output in step for step in steps[-2:]), row
    assert equations > len(demo_rows())
