"""Which paths may serve which model, the words where one may not, the trial, and the choice among them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from core.engine.steps.captured_step import CapturedStep
from core.engine.steps.choose_step import StepChooser
from core.engine.steps.eligibility import captured_verdict, decode_shape, fused_problem, fused_verdict
from core.engine.steps.plain_step import PlainStep
from core.engine.steps.row_cache import attends_to_everything
from core.engine.steps.trial import try_step

WIDE: dict[str, Any] = {"head_dim": 32, "dtype": "bfloat16"}


def with_lora(model: Any, **settings: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    chosen = {"r": 6, "lora_alpha": 12, "target_modules": ["q_proj", "down_proj"], "task_type": "CAUSAL_LM"}
    return get_peft_model(model, LoraConfig(**(chosen | settings))).get_base_model()


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "phi3"])
def test_the_common_shape_is_served(make_model: Any, kind: str) -> None:
    model = make_model(kind, **WIDE)
    assert fused_problem(model) == ""
    shape = decode_shape(model)
    assert (shape.qk_norm, shape.nf4, shape.group) == (kind == "qwen3", False, 2)


def test_mistral_is_served_without_its_window(make_model: Any) -> None:
    assert fused_problem(make_model("mistral", sliding_window=None, **WIDE)) == ""
    assert "sliding window" in fused_problem(make_model("mistral", sliding_window=16, **WIDE))


@pytest.mark.parametrize(
    ("kind", "changes", "words"),
    [
        ("gemma", WIDE, "no kernel for the layers of gemma"),
        ("llama", WIDE | {"dtype": "float32"}, "computes in float32"),
        ("llama", WIDE | {"hidden_act": "gelu"}, "activation is gelu"),
        ("llama", WIDE | {"hidden_size": 96, "num_attention_heads": 3, "num_key_value_heads": 1}, "hidden size of 96"),
        ("llama", WIDE | {"head_dim": 16}, "16 wide"),
        (
            "llama",
            WIDE | {"rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}},
            "changes with the length",
        ),
        ("llama", WIDE | {"vocab_size": 321}, "vocabulary of 321"),
    ],
)
def test_what_is_not_served_is_named(make_model: Any, kind: str, changes: dict[str, Any], words: str) -> None:
    assert words in fused_problem(make_model(kind, **changes))


def test_adapters_of_the_kernels_kind_only(make_model: Any) -> None:
    assert fused_problem(with_lora(make_model("llama", **WIDE))) == ""
    assert "variant" in fused_problem(with_lora(make_model("llama", **WIDE), use_dora=True))
    assert "head" in fused_problem(with_lora(make_model("llama", **WIDE), target_modules=["lm_head"]))
    merged = with_lora(make_model("llama", **WIDE))
    for module in merged.modules():
        if hasattr(module, "lora_A"):
            module.merge()
    assert "merged" in fused_problem(merged)


def test_kinds_of_cache_are_told_apart(llama: Any, sliding: Any, hybrid: Any) -> None:
    assert [attends_to_everything(model) for model in (llama, sliding, hybrid)] == [True, False, False]


def test_without_a_gpu_both_fast_paths_say_so(llama: Any) -> None:
    for verdict in (captured_verdict(llama), fused_verdict(llama)):
        assert not verdict.possible
        assert verdict.why == "there is no CUDA device"


def test_the_trial_passes_what_agrees_and_names_what_does_not(llama: Any, make_model: Any) -> None:
    assert try_step(CapturedStep(llama), PlainStep(llama), range(20, 50)).possible
    other = try_step(CapturedStep(make_model("llama", seed=9)), PlainStep(llama), range(20, 50))
    assert not other.possible
    assert "standard deviations" in other.why


def test_the_trial_does_not_pass_a_swap_that_rounding_cannot_explain(llama: Any) -> None:
    class Swapped(CapturedStep):
        gap = 0.0

        def feed_tokens(self, live: list[int]) -> None:
            super().feed_tokens(live)
            best = self.logits[0].argmax()
            self.logits[0] += 0.02 * self.logits[0].std() * torch.sin(torch.arange(self.vocabulary))
            self.logits[0, (best + 1) % self.vocabulary] = self.logits[0, best] + self.gap

    swapped = Swapped(llama)
    swapped.gap = 0.001
    verdict = try_step(swapped, PlainStep(llama), range(20, 50))
    assert not verdict.possible
    assert "plain step chose" in verdict.why or "standard deviations" in verdict.why


def test_a_step_that_fails_its_trial_is_reported_and_not_raised(llama: Any) -> None:
    class Broken(CapturedStep):
        def feed_tokens(self, live: list[int]) -> None:
            raise RuntimeError("CUDA error: an illegal memory access\nmore")

    verdict = try_step(Broken(llama), PlainStep(llama), [1, 2, 3])
    assert (verdict.possible, verdict.why) == (False, "its trial failed (CUDA error: an illegal memory access)")


def test_the_chooser_falls_back_to_the_plain_step_with_reasons(sliding: Any) -> None:
    chooser = StepChooser(sliding, rows=2)
    step = chooser.make()
    assert (step.path, step.rows, chooser.is_compiling) == ("plain", 2, False)
    assert [verdict.path for verdict in chooser.verdicts] == ["fused", "captured", "plain"]
    assert [bool(verdict.why) for verdict in chooser.verdicts] == [True, True, False]


def test_a_path_that_passes_its_trial_is_chosen_and_tried_once(llama: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.engine.steps import choose_step
    from core.engine.steps.step import StepVerdict

    monkeypatch.setattr(choose_step, "captured_verdict", lambda model: StepVerdict("captured", True))
    trials = []

    def count(*arguments: Any) -> StepVerdict:
        trials.append(arguments)
        return try_step(*arguments)

    monkeypatch.setattr(choose_step, "try_step", count)
    chooser = StepChooser(llama)
    assert [chooser.make().path, chooser.make().path, len(trials)] == ["captured", "captured", 1]
