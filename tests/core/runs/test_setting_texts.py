from __future__ import annotations

import pytest
from msgspec.structs import replace

from core.base.errors import RunError
from core.runs.presets import seeds_spec
from core.runs.setting_texts import RUN_SETTINGS, VANILLA_SHARE, setting_texts_of, with_setting_texts
from core.runs.spec import PROJECTIONS, DataSection, MixturePart, ModelSection, RunSpec, mixture_of_two

SPEC = RunSpec(data=DataSection(source="rows.jsonl"), model=ModelSection(name="demo"))


def test_texts_and_back_change_nothing() -> None:
    assert with_setting_texts(SPEC, setting_texts_of(SPEC)) == SPEC


def test_every_setting_is_read() -> None:
    texts = {
        "train.steps": "60",
        "train.epochs": "2.5",
        "train.batch_size": "3",
        "train.gradient_accumulation": "5",
        "train.learning_rate": "1e-3",
        "lora.r": "8",
        "lora.alpha": "32",
        "prompt.max_seq_length": "512",
        "prompt.vanilla_share": "0.5",
        "train.seed": "7",
        "train.save_steps": "20",
    }
    assert set(texts) == {setting.key for setting in RUN_SETTINGS}
    spec = with_setting_texts(SPEC, texts)
    assert (spec.train.steps, spec.train.epochs, spec.train.batch_size, spec.train.gradient_accumulation) == (
        60,
        2.5,
        3,
        5,
    )
    assert (spec.train.learning_rate, spec.lora.r, spec.lora.alpha, spec.prompt.max_seq_length) == (1e-3, 8, 32, 512)
    assert (spec.prompt.vanilla_share, spec.train.seed, spec.prompt.seed, spec.train.save_steps) == (0.5, 7, 7, 20)


@pytest.mark.parametrize(
    ("key", "text", "says"),
    [
        ("train.batch_size", "0", "batch size must be at least 1"),
        ("train.steps", "1.5", "steps must be a whole number"),
        ("train.epochs", "inf", "epochs must be a number"),
        ("train.learning_rate", "nan", "learning rate must be a number"),
        ("train.learning_rate", "", "learning rate must be a number"),
        ("prompt.vanilla_share", "15", "vanilla share must be between 0 and 1"),
        ("lora.r", "0", "LoRA r must be at least 1"),
    ],
)
def test_a_wrong_setting_is_named(key: str, text: str, says: str) -> None:
    with pytest.raises(RunError) as caught:
        with_setting_texts(SPEC, {**setting_texts_of(SPEC), key: text})
    assert caught.value.where == key
    assert caught.value.what == says


def test_the_preset_seeds() -> None:
    spec = seeds_spec(SPEC.data, SPEC.model)
    assert (spec.lora.r, spec.lora.alpha, spec.lora.dropout, spec.lora.bias, spec.lora.use_rslora) == (
        16,
        16,
        0.0,
        "none",
        False,
    )
    assert spec.lora.target_modules == PROJECTIONS
    assert (spec.train.seed, spec.prompt.seed, spec.train.gradient_checkpointing) == (3442, 3442, True)
    assert (spec.prompt.max_seq_length, spec.prompt.vanilla_share, spec.model.load_in_4bit) == (2048, 0.15, True)


def test_the_vanilla_share_is_that_of_a_mixture_of_two() -> None:
    own = replace(SPEC, prompt=replace(SPEC.prompt, mixture=mixture_of_two(0.4, "a", "b")))
    assert setting_texts_of(own)[VANILLA_SHARE] == "0.4"
    assert with_setting_texts(own, {VANILLA_SHARE: "0.25"}).prompt.mixture == mixture_of_two(0.25, "a", "b")
    three = replace(SPEC, prompt=replace(SPEC.prompt, mixture=(*own.prompt.mixture, MixturePart(template="c"))))
    assert (
        setting_texts_of(three)[VANILLA_SHARE] == "3 templates"
        and with_setting_texts(three, setting_texts_of(three)) == three
    )
    with pytest.raises(RunError, match="the mixture has 3 templates") as caught:
        with_setting_texts(three, {VANILLA_SHARE: "0.5"})
    assert caught.value.where == VANILLA_SHARE
