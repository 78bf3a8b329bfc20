"""What a specification says to the estimate."""

from __future__ import annotations

from msgspec.structs import replace

from core.runs.spec_memory import placement_of, training_shape_of
from core.tokens.loss_mask import SectionWeights
from tests.support.training_process import make_spec


def test_the_settings_reach_the_estimate_and_rows_are_full_where_nothing_is_known() -> None:
    spec = make_spec("rows", "m", batch_size=3, gradient_accumulation=5, optim="adamw_torch")
    training = training_shape_of(spec)
    assert (training.batch_size, training.tokens, training.accumulation) == (3, 2048, 5)
    assert (training.r, training.optim, training.gradient_checkpointing) == (4, "adamw_torch", True)
    assert training_shape_of(spec, 77).tokens == 77
    assert not training.weighted
    weighted = replace(spec, prompt=replace(spec.prompt, loss_on=SectionWeights(response=2.0)))
    assert training_shape_of(weighted).weighted


def test_four_bits_are_only_on_a_gpu_and_a_number_format_has_its_width() -> None:
    spec = make_spec("rows", "m")
    on_gpu = placement_of(spec, True, "unsloth")
    assert (on_gpu.backend, on_gpu.four_bit, on_gpu.width) == ("unsloth", True, 2)
    in_memory = placement_of(spec, False)
    assert (in_memory.backend, in_memory.four_bit) == ("transformers", False)
    wide = replace(spec, train=replace(spec.train, dtype="float32"))
    assert placement_of(wide, True, "transformers").width == placement_of(wide, False).width == 4
    assert placement_of(replace(spec, train=replace(spec.train, dtype="bfloat16")), False).width == 2
