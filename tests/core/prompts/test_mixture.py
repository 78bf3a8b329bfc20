from __future__ import annotations

import random
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.prompts.mixture import MixtureCounts, choose, count, draw
from core.prompts.templates import TEMPLATES
from core.row import Row

VANILLA, REASONING = TEMPLATES["alpaca"], TEMPLATES["alpaca-reasoning"]
ROWS = [Row(f"question {number}", "", f"because {number}", str(number), index=number) for number in range(4000)]


def names(rows: list[Row], share: float, seed: int) -> list[str]:
    return [choose(row, share, seed, VANILLA, REASONING)[0].name for row in rows]


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([0.0, 0.05, 0.15, 0.5, 0.85, 1.0]), st.integers(0, 2**40))
def test_the_realised_share_is_the_one_asked_for(share: float, seed: int) -> None:
    got = names(ROWS, share, seed).count("alpaca") / len(ROWS)
    spread = (share * (1 - share) / len(ROWS)) ** 0.5
    assert abs(got - share) <= 6 * spread  # once in 10^9; and exact for 0 and 1


def test_order_and_place_do_not_matter_but_the_seed_does() -> None:
    shuffled = [msgspec.structs.replace(row, index=place) for place, row in enumerate(random.Random(1).sample(ROWS, len(ROWS)))]
    by_question = dict(zip((row.instruction for row in ROWS), names(ROWS, 0.15, 3442), strict=True))
    assert [by_question[row.instruction] for row in shuffled] == names(shuffled, 0.15, 3442)
    both = sum(a == b == "alpaca" for a, b in zip(names(ROWS, 0.15, 3442), names(ROWS, 0.15, 3443), strict=True))
    assert 45 <= both <= 135  # independent draws: 0.15 * 0.15 * 4000 = 90


def test_a_larger_share_keeps_the_rows_of_a_smaller_one() -> None:
    small, large = names(ROWS, 0.1, 7), names(ROWS, 0.3, 7)
    assert all(b == "alpaca" for a, b in zip(small, large, strict=True) if a == "alpaca")


def test_another_process_draws_the_same() -> None:
    code = "from core.row import Row; from core.prompts.mixture import draw; print(repr(draw(Row('問', 'i', 'r', 'o'), 3442)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(out) == draw(Row("問", "i", "r", "o"), 3442)
    assert 0 <= float(out) < 1


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "　"])
@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_a_row_without_reasoning_is_never_a_reasoning_row(blank: str, share: float) -> None:
    assert choose(Row("q", reasoning=blank, output="a"), share, 1, VANILLA, REASONING) == (VANILLA, "without_reasoning")


def test_counts() -> None:
    rows = [*ROWS[:100], *[Row(f"no {number}", output="x") for number in range(7)]]
    counts = count(choose(row, 0.5, 1, VANILLA, REASONING)[1] for row in rows)
    assert (counts.without_reasoning, counts.total, counts.vanilla + counts.reasoning) == (7, 107, 100)
    assert count([]) == MixtureCounts(0, 0, 0)


def test_settings_out_of_range_are_named() -> None:
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="share"):
            choose(ROWS[0], share, 1, VANILLA, REASONING)
    with pytest.raises(UsageError, match="vanilla template"):
        choose(ROWS[0], 0.5, 1, REASONING, REASONING)
