"""What makes a training fit: the cheapest first, each with its estimate."""

from __future__ import annotations

import pytest

from core.models.fit.changes import Change, changes_that_fit
from core.models.fit.config_shape import shape_of_config
from core.models.fit.constants import GIB
from core.models.fit.estimate import Estimate, estimate_memory
from core.models.fit.training_shape import Placement, TrainingShape
from tests.core.models.fit.model_folders import QWEN_7B, QWEN_32B

HELD = Placement(backend="transformers", on_gpu=True, four_bit=False)
STEP = TrainingShape(batch_size=8, tokens=2048, r=64, gradient_checkpointing=False, accumulation=2, optim="adamw_torch")


def find(config: dict[str, object], held: Placement, training: TrainingShape, free: int) -> list[Change]:
    shape = shape_of_config(config)

    def estimate_of(held: Placement, training: TrainingShape) -> Estimate:
        return estimate_memory(shape, held, training)

    return changes_that_fit(held, training, free, estimate_of, [100, 600, 1700, 2048])


def test_each_single_change_that_fits_is_named_with_its_estimate() -> None:
    whole = estimate_memory(shape_of_config(QWEN_7B), HELD, STEP)
    changes = find(QWEN_7B, HELD, STEP, whole.high + whole.context - GIB // 10)
    keys = [next(iter(change.settings)) for change in changes]
    assert keys == [
        "train.gradient_checkpointing",
        "train.optim",
        "train.batch_size",
        "prompt.max_seq_length",
        "lora.target_modules",
        "lora.r",
    ]
    assert all(change.estimate.total < whole.total and change.verdict == "fits" for change in changes)


def test_a_smaller_batch_keeps_the_rows_of_an_update() -> None:
    changes = find(QWEN_7B, HELD, STEP, 40 * GIB)
    batch = [change for change in changes if "train.batch_size" in change.settings]
    for change in batch:
        assert change.settings["train.batch_size"] * change.settings["train.gradient_accumulation"] == 16  # type: ignore[operator]


def test_a_shorter_maximum_says_how_many_rows_it_loses() -> None:
    whole = estimate_memory(shape_of_config(QWEN_7B), HELD, STEP)
    changes = find(QWEN_7B, HELD, STEP, int(whole.total * 0.9))
    shorter = next(change for change in changes if "prompt.max_seq_length" in change.settings)
    tokens = shorter.settings["prompt.max_seq_length"]
    assert isinstance(tokens, int) and tokens < 2048
    lost = sum(length > tokens for length in [100, 600, 1700, 2048])
    assert f"{lost} of 4 rows" in shorter.words


def test_where_no_single_change_suffices_the_cheapest_together_do() -> None:
    free = int(12 * GIB)
    changes = find(QWEN_7B, HELD, STEP, free)
    assert len(changes) == 1
    assert {"model.load_in_4bit", "train.gradient_checkpointing"} <= changes[0].settings.keys()
    assert changes[0].estimate.verdict(free) == "fits"


def test_nothing_makes_a_32b_model_fit_into_8_gib() -> None:
    assert find(QWEN_32B, HELD, STEP, 8 * GIB) == []


@pytest.mark.parametrize("training", [STEP, TrainingShape(batch_size=1, tokens=64, r=4, gradient_checkpointing=True)])
def test_what_is_so_already_is_not_proposed(training: TrainingShape) -> None:
    held = Placement(backend="unsloth", on_gpu=True, four_bit=True)
    for change in find(QWEN_7B, held, training, 7 * GIB):
        assert "model.load_in_4bit" not in change.settings
