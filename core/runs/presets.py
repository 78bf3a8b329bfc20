"""Presets: whole specifications to begin with, by name."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from core.base.errors import UsageError
from core.runs.known_names import did_you_mean
from core.runs.spec_sections import (
    DataSection,
    LoraSection,
    ModelSection,
    PromptSection,
    RunSpec,
    TrainSection,
    ValidationSection,
)


class Preset(msgspec.Struct, frozen=True):
    """A specification to begin with."""

    words: str
    """What it is for, in one sentence."""
    make: Callable[[DataSection, ModelSection], RunSpec]
    """Makes it for some data and a model."""


def seeds_spec(data: DataSection, model: ModelSection) -> RunSpec:
    """The preset `seeds`: LoRA r 16 and alpha 16 on all seven projections, no dropout, no bias, 4 bit, 2048 tokens,
    15 % without reasoning, seed 3442. These are the defaults of the specification itself."""
    return RunSpec(data=data, model=model, name="seeds")


def _quick_look(data: DataSection, model: ModelSection) -> RunSpec:
    return RunSpec(
        name="quick look",
        data=data,
        model=model,
        prompt=PromptSection(max_seq_length=1024),
        lora=LoraSection(r=8, alpha=16),
        train=TrainSection(steps=30, warmup_steps=3),
    )


def _careful(data: DataSection, model: ModelSection) -> RunSpec:
    return RunSpec(
        name="careful",
        data=data,
        model=model,
        lora=LoraSection(dropout=0.05),
        train=TrainSection(epochs=2.0, learning_rate=1e-4, scheduler="cosine", save_steps=50, on_bad_loss="back_off"),
        validation=ValidationSection(share=0.05, steps=25, patience=4, use_best=True),
    )


def _long_reasoning(data: DataSection, model: ModelSection) -> RunSpec:
    return RunSpec(
        name="long reasoning",
        data=data,
        model=model,
        prompt=PromptSection(max_seq_length=8192, too_long="cut_reasoning"),
        lora=LoraSection(r=32, alpha=32),
        train=TrainSection(
            batch_size=1, gradient_accumulation=8, learning_rate=1e-4, scheduler="cosine", save_steps=50
        ),
        validation=ValidationSection(share=0.02, steps=50),
    )


PRESETS: dict[str, Preset] = {
    "seeds": Preset("LoRA of rank 16 on all projections in 4 bit: the defaults.", seeds_spec),
    "quick look": Preset("30 steps on rows up to 1,024 tokens, to see whether anything is learnt.", _quick_look),
    "careful": Preset(
        "Two epochs at half the rate, some rows kept out, the best weights kept, early stopping.", _careful
    ),
    "long reasoning": Preset(
        "Rows up to 8,192 tokens, one at a time; the middle of longer reasonings is cut.", _long_reasoning
    ),
}
"""All presets by name, in the order in which a form offers them."""


def preset_spec(name: str, data: DataSection, model: ModelSection) -> RunSpec:
    """The specification of the preset `name`. Raises UsageError for an unknown name."""
    if name not in PRESETS:
        raise UsageError(f"{name!r} is not a preset", "", did_you_mean(name, PRESETS))
    return PRESETS[name].make(data, model)
