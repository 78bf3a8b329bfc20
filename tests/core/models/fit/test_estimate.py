"""Estimates in parts: golden numbers of known models, and what must hold for all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.models.fit.config_shape import shape_of_config
from core.models.fit.constants import GIB
from core.models.fit.estimate import estimate_memory
from core.models.fit.measured_peaks import MeasuredPeak
from core.models.fit.parts import adapter_weights, memory_parts
from core.models.fit.training_shape import Placement, TrainingShape
from tests.core.models.fit.model_folders import GEMMA2_2B, LLAMA_8B, MIXTRAL, QWEN_7B, QWEN_32B


def placement(**changes: Any) -> Placement:
    values: dict[str, Any] = {"backend": "unsloth", "on_gpu": True, "four_bit": True}
    return Placement(**{**values, **changes})


def step(**changes: Any) -> TrainingShape:
    values: dict[str, Any] = {"batch_size": 2, "tokens": 2048, "r": 16, "gradient_checkpointing": True}
    return TrainingShape(**{**values, **changes})


def test_weights_of_a_32b_model_in_four_bits_are_those_of_the_arithmetic() -> None:
    """NF4 15.0 GiB, embeddings and head 2.9 in 16 bits, or twice that in 32 as Transformers trains them."""
    shape = shape_of_config(QWEN_32B)
    assert memory_parts(shape, placement(), step()).weights / GIB == pytest.approx(17.9, abs=0.05)
    assert memory_parts(shape, placement(backend="transformers"), step()).weights / GIB == pytest.approx(20.8, abs=0.05)


def test_adapter_gradients_and_optimizer_of_a_7b_model() -> None:
    shape = shape_of_config(QWEN_7B)
    assert adapter_weights(shape, placement(), step()) == 40_370_176  # as PEFT counts them
    parts = memory_parts(shape, placement(), step())
    assert parts.adapters == parts.gradients == 4 * 40_370_176
    assert parts.optimizer == pytest.approx(2 * 40_370_176, rel=0.06)
    kept = memory_parts(shape, placement(), step(optim="adamw_torch"))
    assert kept.optimizer == 8 * 40_370_176


def test_experts_are_one_tensor_and_stay_as_they_are_in_4_bit() -> None:
    shape = shape_of_config(MIXTRAL)
    experts = 3 * 4096 * 14336 * 8 * 32
    assert memory_parts(shape, placement(), None).weights > 2 * experts
    assert memory_parts(shape, placement(backend="transformers"), step()).weights > 4 * experts
    attention = adapter_weights(shape, placement(backend="transformers"), step())
    assert attention == 16 * 32 * (2 * (4096 + 4096) + 2 * (4096 + 1024))


def test_in_16_bits_the_weights_are_two_bytes_each() -> None:
    parts = memory_parts(shape_of_config(LLAMA_8B), placement(four_bit=False), None)
    assert parts.weights == 2 * 8_030_261_248


@pytest.mark.parametrize("backend", ["unsloth", "transformers"])
@pytest.mark.parametrize("config", [QWEN_7B, LLAMA_8B, GEMMA2_2B, MIXTRAL])
def test_less_of_anything_never_takes_more(config: dict[str, object], backend: str) -> None:
    shape = shape_of_config(config)

    def total(held: Placement, training: TrainingShape) -> int:
        parts = memory_parts(shape, held, training)
        # Unsloth computes the scores in more and smaller parts where there are more tokens.
        return parts.total - (parts.logits if backend == "unsloth" else 0)

    held, training = placement(backend=backend), step()
    for smaller in (step(batch_size=1), step(tokens=1024), step(r=8), step(target_modules=("q_proj",))):
        assert total(held, smaller) <= total(held, training)
    assert total(held, training) < total(held, step(gradient_checkpointing=False))
    if not any(matrix.is_expert for matrix in shape.matrices):
        assert total(held, training) < total(placement(backend=backend, four_bit=False), training)


def test_scores_take_what_was_measured_of_each_number_of_tokens() -> None:
    """Unsloth, a vocabulary of 152,064: all of 1,024 tokens at once, a quarter of 2,048 and 4,096, an eighth of 8,192;
    and five hidden vectors."""
    shape = shape_of_config(QWEN_7B)
    for tokens, parts in ((1024, 1), (2048, 4), (4096, 4), (8192, 8)):
        expected = tokens // parts * 152064 * 4 + 5 * tokens * 3584 * 2
        assert memory_parts(shape, placement(), step(batch_size=1, tokens=tokens)).logits == expected


@given(
    st.sampled_from([QWEN_7B, LLAMA_8B, GEMMA2_2B, MIXTRAL, {"model_type": "strange"}]),
    st.sampled_from(["unsloth", "transformers"]),
    st.booleans(),
    st.booleans(),
    st.integers(1, 64),
    st.integers(16, 16384),
    st.booleans(),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_parts_add_up_and_the_limits_enclose_the_estimate(
    config: dict[str, object], backend: Any, on_gpu: bool, four_bit: bool, batch: int, tokens: int, checkpointing: bool
) -> None:
    held = placement(backend=backend if on_gpu else "transformers", on_gpu=on_gpu, four_bit=four_bit and on_gpu)
    training = step(batch_size=batch, tokens=tokens, gradient_checkpointing=checkpointing)
    estimate = estimate_memory(shape_of_config(config), held, training)
    assert estimate.total == sum(msgspec.structs.astuple(estimate.parts))
    assert all(part >= 0 for part in msgspec.structs.astuple(estimate.parts))
    assert estimate.parts.weights <= estimate.least <= estimate.low <= estimate.total <= estimate.high


def test_a_weighted_loss_needs_all_scores_at_once_and_is_less_certain() -> None:
    shape = shape_of_config(QWEN_7B)
    plain, weighted = (estimate_memory(shape, placement(), step(weighted=value)) for value in (False, True))
    assert weighted.parts.logits == 2 * 2048 * 152064 * 16
    assert weighted.high - weighted.low > plain.high - plain.low


def test_the_verdict_is_tight_between_low_and_high() -> None:
    estimate = estimate_memory(shape_of_config(QWEN_7B), placement(), step())
    assert estimate.verdict(estimate.high + estimate.context) == "fits"
    assert estimate.verdict(estimate.high + estimate.context - 1) == "tight"
    assert estimate.verdict(estimate.least + estimate.context) == "tight"
    assert estimate.verdict(estimate.least + estimate.context - 1) == "does not fit"


def test_an_unknown_family_and_experts_are_less_certain() -> None:
    def spread(config: dict[str, object]) -> float:
        estimate = estimate_memory(shape_of_config(config), placement(), step())
        return (estimate.high - estimate.low) / estimate.total

    assert spread({**QWEN_7B, "model_type": "strange"}) > spread(QWEN_7B)
    assert spread(MIXTRAL) > spread(LLAMA_8B)


def peak(batch: int, tokens: int, gib: float) -> MeasuredPeak:
    return MeasuredPeak(key="", batch_size=batch, tokens=tokens, peak=int(gib * GIB))


def test_a_measured_peak_of_the_same_pass_stands_above_the_formula() -> None:
    shape = shape_of_config(QWEN_7B)
    estimate = estimate_memory(shape, placement(), step(), [peak(2, 2048, 7.0), peak(2, 2048, 7.2)])
    assert estimate.gib == pytest.approx(7.2) and estimate.measured == 2
    assert estimate.low < 7.0 * GIB and estimate.high > 7.2 * GIB


def test_one_of_a_similar_pass_corrects_it_and_one_of_another_size_does_not() -> None:
    shape = shape_of_config(QWEN_7B)
    formula = estimate_memory(shape, placement(), step())
    theirs = estimate_memory(shape, placement(), step(tokens=1900))
    near = estimate_memory(shape, placement(), step(), [peak(2, 1900, theirs.gib * 1.1)])
    assert near.total == pytest.approx(formula.total * 1.1, rel=1e-6)
    assert near.high - near.low < formula.high - formula.low
    assert estimate_memory(shape, placement(), step(), [peak(1, 256, 50.0)]) == formula
