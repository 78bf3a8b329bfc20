from __future__ import annotations

import math
import random
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import UsageError
from core.base.row import Row
from core.examples.draw_template import Mixture, draw_number
from core.templates.by_name import TEXT_TEMPLATES
from core.templates.template import Template

VANILLA, REASONING = TEXT_TEMPLATES["alpaca"], TEXT_TEMPLATES["alpaca-reasoning"]
ROWS = [Row(f"question {number}", "", f"because {number}", str(number), index=number) for number in range(4000)]


def two(share: float, seed: int) -> Mixture[Template]:
    return Mixture([(VANILLA, share), (REASONING, 1 - share)], seed)


def names(rows: list[Row], share: float, seed: int) -> list[str]:
    mixture = two(share, seed)
    return [template.name for row in rows if (template := mixture.template_for(row)) is not None]


@settings(max_examples=10, deadline=None)
@given(st.sampled_from([0.0, 0.05, 0.15, 0.5, 0.85, 1.0]), st.integers(0, 2**40))
def test_the_realised_share_is_the_one_asked_for(share: float, seed: int) -> None:
    got = names(ROWS, share, seed).count("alpaca") / len(ROWS)
    spread = (share * (1 - share) / len(ROWS)) ** 0.5
    assert abs(got - share) <= 6 * spread  # once in 10^9; and exact for 0 and 1


def test_order_and_position_do_not_matter_but_the_seed_does() -> None:
    shuffled = [
        msgspec.structs.replace(row, index=index) for index, row in enumerate(random.Random(1).sample(ROWS, len(ROWS)))
    ]
    by_question = dict(zip((row.instruction for row in ROWS), names(ROWS, 0.15, 3442), strict=True))
    assert [by_question[row.instruction] for row in shuffled] == names(shuffled, 0.15, 3442)
    both = sum(a == b == "alpaca" for a, b in zip(names(ROWS, 0.15, 3442), names(ROWS, 0.15, 3443), strict=True))
    assert 45 <= both <= 135  # independent draws: 0.15 * 0.15 * 4000 = 90


def test_a_larger_share_keeps_the_rows_of_a_smaller_one() -> None:
    small, large = names(ROWS, 0.1, 7), names(ROWS, 0.3, 7)
    assert all(b == "alpaca" for a, b in zip(small, large, strict=True) if a == "alpaca")


def test_another_process_draws_the_same() -> None:
    code = (
        "from core.base.row import Row; from core.examples.draw_template import draw_number;"
        "print(repr(draw_number(Row('問', 'i', 'r', 'o'), 3442)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(out) == draw_number(Row("問", "i", "r", "o"), 3442)
    assert 0 <= float(out) < 1


@pytest.mark.parametrize("blank", ["", " ", "\n\t", "　"])
@pytest.mark.parametrize("share", [0.0, 0.15, 1.0])
def test_a_row_without_reasoning_is_never_a_reasoning_row(blank: str, share: float) -> None:
    assert two(share, 1).template_for(Row("q", reasoning=blank, output="a")) is VANILLA


LANGUAGES, REASONING_LANGUAGES = TEXT_TEMPLATES["alpaca-languages"], TEXT_TEMPLATES["alpaca-reasoning-languages"]
ALL = (VANILLA, LANGUAGES, REASONING, REASONING_LANGUAGES)
weights = st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any)


@settings(max_examples=15, deadline=None)
@given(weights, st.integers(0, 2**40))
def test_a_mixture_gives_every_template_its_share(given_weights: list[int], seed: int) -> None:
    mixture = Mixture(list(zip(ALL, map(float, given_weights), strict=True)), seed)
    drawn = [mixture.template_index(row) for row in ROWS]
    for index, share in enumerate(mixture.shares()):
        assert math.isclose(share, given_weights[index] / sum(given_weights), abs_tol=1e-12)
        assert abs(drawn.count(index) / len(ROWS) - share) <= 6 * (share * (1 - share) / len(ROWS)) ** 0.5


@settings(max_examples=15, deadline=None)
@given(weights, st.integers(0, 2**40), st.randoms(use_true_random=False))
def test_the_same_rows_get_the_same_templates_in_any_order_and_shard(
    given_weights: list[int], seed: int, shuffler: random.Random
) -> None:
    parts = list(zip(ALL, map(float, given_weights), strict=True))
    some = ROWS[:300] + [Row(f"none {n}", output="x") for n in range(50)]
    whole = {row.instruction: Mixture(parts, seed).template_index(row) for row in some}
    shuffled = shuffler.sample(some, len(some))
    halves = (Mixture(parts, seed), Mixture(parts, seed))
    assert all(
        whole[row.instruction] == halves[at % 2].template_index(msgspec.structs.replace(row, index=at))
        for at, row in enumerate(shuffled)
    )


@settings(max_examples=15, deadline=None)
@given(weights, st.integers(0, 2**40))
def test_rows_without_reasoning_take_the_others_by_their_weights(given_weights: list[int], seed: int) -> None:
    mixture = Mixture(list(zip(ALL, map(float, given_weights), strict=True)), seed)
    bare = [Row(f"q {n}", reasoning=" \n", output="x") for n in range(2000)]
    drawn = [mixture.template_index(row) for row in bare]
    assert set(drawn) <= {0, 1}
    total = given_weights[0] + given_weights[1]
    share = given_weights[0] / total if total else 0.5
    assert abs(drawn.count(0) / len(bare) - share) <= 6 * (share * (1 - share) / len(bare)) ** 0.5


def test_rows_without_reasoning_are_left_out_where_all_templates_ask_for_one() -> None:
    mixture = Mixture([(REASONING, 1.0), (REASONING_LANGUAGES, 2.0)], 1)
    assert mixture.template_for(Row("q", output="x")) is None
    assert mixture.template_for(ROWS[0]) in (REASONING, REASONING_LANGUAGES)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.15, 0.3, 0.85, 1.0])
def test_a_mixture_of_two_is_what_the_share_was(share: float) -> None:
    mixture = two(share, 3442)
    for row in ROWS[:500]:
        assert mixture.template_for(row) is (VANILLA if draw_number(row, 3442) < share else REASONING)


def test_wrong_mixtures_are_named() -> None:
    for parts, says in (
        ([], "empty"),
        ([(VANILLA, 1.0), (VANILLA, 2.0)], "twice"),
        ([(VANILLA, -1.0)], "weight"),
        ([(VANILLA, math.inf)], "weight"),
        ([(VANILLA, 0.0), (REASONING, 0.0)], "no template of the mixture has a weight"),
    ):
        with pytest.raises(UsageError, match=says):
            Mixture(parts, 1)
