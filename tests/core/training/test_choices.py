"""What is decided by numbers alone: which rows are kept out, which losses are bad, how long a run is, where it goes
on."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.base.errors import RunError
from core.base.row import Row
from core.runs.events_file import JobEvent
from core.runs.plan import planned_steps
from core.runs.spec import ValidationSection
from core.runs.steering import LiveSettings
from core.training.bad_loss import FIRST, bad_loss_error, bad_loss_words
from core.training.resume_point import _replays
from core.training.run_progress import RunProgress
from core.training.validation import is_kept_out, split_rows
from tests.support.training_process import make_spec

SPEC = make_spec("rows", "model", batch_size=4, gradient_accumulation=2)


def rows(count: int, flag: str = "train") -> list[Row]:
    return [Row(f"What is {n} + 1?", "", "One more.", str(n + 1), sysflag=flag, index=n) for n in range(count)]


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_about_the_share_is_kept_out_by_the_texts_alone(share: float) -> None:
    section = ValidationSection(share=share)
    kept = [row for row in rows(4000) if is_kept_out(row, section)]
    assert abs(len(kept) - share * 4000) < 4 * math.sqrt(4000 * share * (1 - share))
    moved = [replace(row, index=row.index + 7, syslang="xx") for row in rows(4000)]
    assert [row.index for row in kept] == [row.index - 7 for row in moved if is_kept_out(row, section)]
    more = replace(section, share=share + 0.1)
    assert all(is_kept_out(row, more) for row in kept)  # a larger share adds rows and exchanges none
    other = [row for row in rows(4000) if is_kept_out(row, replace(section, seed=7))]
    assert other != kept


@pytest.mark.parametrize("flag", ["test", "Test ", "validation", "eval", "dev"])
def test_rows_marked_as_test_rows_choose_nothing(flag: str) -> None:
    """Also where a run trains on all rows."""
    assert not any(is_kept_out(row, ValidationSection(share=0.5)) for row in rows(200, flag))


def test_equal_rows_are_on_the_same_side_and_none_is_on_both() -> None:
    section = ValidationSection(share=0.3)
    source = rows(50)
    twice = [*source, *(replace(row, index=row.index + 50) for row in source)]
    prepared = SimpleNamespace(row_indices=np.arange(0, 100), __len__=lambda: 100)
    split = split_rows(prepared, twice, section, "rows")  # type: ignore[arg-type]
    assert sorted([*split.trained.tolist(), *split.kept_out.tolist()]) == list(range(100))
    first = {row for row in split.kept_out.tolist() if row < 50}
    assert {row + 50 for row in first} == {row for row in split.kept_out.tolist() if row >= 50}


def test_too_few_rows_for_two_sides_are_an_error() -> None:
    class Prepared:
        row_indices = np.arange(3)

        def __len__(self) -> int:
            return 3

    with pytest.raises(RunError, match="none of the 3 training rows"):
        split_rows(Prepared(), rows(3), ValidationSection(share=1e-9), "rows")  # type: ignore[arg-type]


def progress() -> RunProgress:
    return RunProgress(settings=LiveSettings.of_spec(SPEC))


@given(st.lists(st.floats(0.0, 4.0), min_size=30, max_size=60))
def test_losses_that_wander_are_not_bad(losses: list[float]) -> None:
    made = progress()
    made.first_losses = [2.0] * FIRST
    assert not any(bad_loss_words(loss, made) for loss in losses)


def test_losses_that_are_no_numbers_or_far_above_the_first_ones_are_bad() -> None:
    made = progress()
    assert "not a finite number (nan)" in bad_loss_words(math.nan, made)
    assert "not a finite number (inf)" in bad_loss_words(math.inf, made)
    assert not any(bad_loss_words(2.0, made) for _ in range(20))
    said = [bad_loss_words(9.0, made) for _ in range(5)]
    assert said[0] == "" and "exploded: 9 on average over the last 5 steps, 2 at first" in said[-1]
    tuned = progress()  # it starts from a tuned adapter: the first losses are almost zero
    assert not any(bad_loss_words(loss, tuned) for loss in [0.01] * 20 + [0.5] * 20)


def test_a_bad_loss_names_what_is_known() -> None:
    error = bad_loss_error("it is bad", 7, list(range(40)), [1.0, None, 31.25], "bfloat16", SPEC, "run")
    assert "at step 7 (bfloat16; 40 rows: 0, 1, 2" in error.what and "and 28 more" in error.what
    assert "1, not finite, 31.2" in error.what and "train.learning_rate to 0.003" in error.do
    assert "runs control run rate 0.25" in error.do
    half = bad_loss_error("it is bad", 7, [3], [1.0], "float16", SPEC, "run")
    assert "1 row: 3" in half.what and "bfloat16" in half.do


@pytest.mark.parametrize(
    ("count", "epochs", "steps", "wanted"),
    [(8, 1.0, 0, 1), (9, 1.0, 0, 2), (17, 2.0, 0, 6), (17, 0.5, 0, 2), (1, 0.01, 0, 1), (9, 1.0, 44, 44)],
)
def test_the_steps_of_a_run_are_those_of_the_trainer(count: int, epochs: float, steps: int, wanted: int) -> None:
    spec = replace(SPEC, train=replace(SPEC.train, epochs=epochs, steps=steps))
    assert planned_steps(count, spec) == wanted


def test_changes_after_a_checkpoint_are_made_again_once_and_at_their_first_step() -> None:
    def obeyed(name: str, step: int, asked: str = "rate") -> JobEvent:
        return JobEvent("obeyed", step=step, facts={"request": name, "asked": asked, "value": 0.5, "key": ""})

    made = progress()
    made.handled = ["before"]
    events = [obeyed("before", 2), obeyed("after", 5), obeyed("stopped", 6, "stop"), obeyed("after", 7)]
    replays = _replays([*events, JobEvent("refused", facts={"request": "x", "asked": "rate"})], made)
    assert [(step, [request.name for request in requests]) for step, requests in replays.items()] == [(5, ["after"])]
