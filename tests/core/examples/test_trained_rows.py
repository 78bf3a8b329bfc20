from __future__ import annotations

import pytest

from core.base.row import Row, is_blank
from core.examples.trained_rows import TrainedRows, is_held_out

ROWS = [Row(f"q {n}", sysflag=flag, index=n) for n, flag in enumerate(("train", "test", "", "train ", "Train"))]


def test_only_the_flag_itself_is_trained() -> None:
    trained, others = TrainedRows("train").part(ROWS)
    assert [row.index for row in trained] == [0] and [row.index for row in others] == [1, 2, 3, 4]
    assert [TrainedRows("train").includes(row) for row in ROWS] == [True, False, False, False, False]


def test_without_a_flag_or_its_column_all_rows_are_trained() -> None:
    for rules in (TrainedRows.of_source("", ("instruction", "sysflag")), TrainedRows.of_source("train", ("output",))):
        trained, others = rules.part(ROWS)
        assert list(trained) == ROWS and not others and all(map(rules.includes, ROWS))
    assert TrainedRows.of_source("train", ("instruction", "sysflag")).flag == "train"


@pytest.mark.parametrize("flag", ["test", " Eval ", "HELD-OUT", "dev"])
def test_flags_that_hold_a_row_out(flag: str) -> None:
    assert is_held_out(flag) and not is_held_out("train") and not is_held_out("")


@pytest.mark.parametrize("text", ["", " ", "\n\t", "　", "\u2028"])
def test_white_space_is_no_reasoning(text: str) -> None:
    assert is_blank(text) and not Row("q", reasoning=text).has_reasoning
    assert not is_blank(f"{text}x") and Row("q", reasoning=f"{text}x").has_reasoning


def test_held_out_rows_are_not_compared_with_themselves() -> None:
    flags = ("train", "test", "", "train ")
    assert [TrainedRows("train").compares_as_trained(flag) for flag in flags] == [True, False, False, False]
    assert [TrainedRows("").compares_as_trained(flag) for flag in flags] == [True, False, True, True]
