"""The settings of a run that a user edits, as texts: from a specification and back. Pure; knows nothing of screens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from core.base.errors import RunError
from core.base.plural import counted
from core.runs.spec import MixturePart, RunSpec, check_run_spec, mixture_of_two
from core.runs.spec_fields import value_text, with_setting_values


@dataclass(frozen=True)
class RunSetting:
    """One setting that the Train room shows."""

    key: str
    """Its key in `run.toml`, as `section.name`."""
    words: str
    """Its short name."""
    whole: bool
    """Whether it is a whole number."""
    help: str
    """One sentence, with the unit."""


RUN_SETTINGS: tuple[RunSetting, ...] = (
    RunSetting("train.steps", "steps", True, "Optimizer steps; 0 takes as many as the epochs need."),
    RunSetting("train.epochs", "epochs", False, "Passes over the data, where steps is 0."),
    RunSetting("train.batch_size", "batch size", True, "Rows in one forward pass."),
    RunSetting(
        "train.gradient_accumulation",
        "accumulate",
        True,
        "Forward passes to one optimizer step (gradient accumulation).",
    ),
    RunSetting("train.learning_rate", "learning rate", False, "The peak, after the warm-up."),
    RunSetting("lora.r", "LoRA r", True, "Rank of the LoRA matrices."),
    RunSetting("lora.alpha", "LoRA alpha", True, "The adapter is scaled by alpha / r."),
    RunSetting(
        "prompt.max_seq_length",
        "max length",
        True,
        "The most tokens of a row; longer rows are left out or cut, and counted.",
    ),
    RunSetting("prompt.vanilla_share", "vanilla share", False, "Share of the rows trained without reasoning, 0 to 1."),
    RunSetting("train.seed", "seed", True, "Seed of the mixture, the row order and the first weights."),
    RunSetting("train.save_steps", "save every", True, "Steps between checkpoints; 0 saves only at the end."),
)
VANILLA_SHARE = "prompt.vanilla_share"  # not a key of the file: the first weight of a mixture of two
_BY_KEY = {setting.key: setting for setting in RUN_SETTINGS}


def setting_texts_of(spec: RunSpec) -> dict[str, str]:
    """The editable settings as a user types them, by key."""
    return {
        setting.key: _share(spec) if setting.key == VANILLA_SHARE else value_text(_get(spec, setting.key))
        for setting in RUN_SETTINGS
    }


def with_setting_texts(spec: RunSpec, texts: Mapping[str, str]) -> RunSpec:
    """`spec` with the settings in `texts`, by key: those of the form, and any other of run.toml. Unknown keys are
    ignored. The seed is used for both the mixture and training, unless `prompt.seed` is given too.

    Raises RunError for the first setting that is not a number or out of range, with the key as its `where`.
    """
    sections: dict[str, dict[str, Any]] = {"train": {}, "lora": {}, "prompt": {}}
    for setting in RUN_SETTINGS:
        if setting.key == VANILLA_SHARE:
            if texts.get(VANILLA_SHARE, current := _share(spec)) != current:
                sections["prompt"]["mixture"] = _with_share(spec, _number(setting, texts[VANILLA_SHARE]))
        elif setting.key in texts:
            section, name = setting.key.split(".")
            sections[section][name] = _number(setting, texts[setting.key])
    spec = with_setting_values(spec, {key: text for key, text in texts.items() if key not in _BY_KEY})
    if "seed" in sections["train"] and "prompt.seed" not in texts:
        sections["prompt"]["seed"] = sections["train"]["seed"]
    changed = msgspec.structs.replace(
        spec,
        train=msgspec.structs.replace(spec.train, **sections["train"]),
        lora=msgspec.structs.replace(spec.lora, **sections["lora"]),
        prompt=msgspec.structs.replace(spec.prompt, **sections["prompt"]),
    )
    try:
        check_run_spec(changed)
    except RunError as error:
        key, _, rule = error.what.partition(" ")  # "train.steps must be 0 or more"
        raise RunError(f"{setting_words(key)} {rule}", key, error.do) from error
    return changed


def setting_words(key: str) -> str:
    """The short name of a setting, or the key itself for other settings."""
    return _BY_KEY[key].words if key in _BY_KEY else key


def _share(spec: RunSpec) -> str:
    share = spec.prompt.vanilla_share
    count = len(spec.prompt.mixture)
    return counted(count, "template") if share is None else f"{share:g}"


def _with_share(spec: RunSpec, share: float) -> tuple[MixturePart, ...]:
    mixture = spec.prompt.mixture
    if len(mixture) != 2:
        raise RunError(
            f"the mixture has {len(mixture)} templates, not two",
            VANILLA_SHARE,
            "Change prompt.mixture in the run's file",
        )
    if not 0.0 <= share <= 1.0:
        raise RunError(
            f"{setting_words(VANILLA_SHARE)} must be between 0 and 1", VANILLA_SHARE, f"Change {VANILLA_SHARE}"
        )
    return mixture_of_two(share, *(part.template for part in mixture))


def _number(setting: RunSetting, text: str) -> int | float:
    try:
        number = int(text) if setting.whole else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        kind = "a whole number" if setting.whole else "a number"
        raise RunError(f"{setting.words} must be {kind}", setting.key, f"Change {setting.key}")
    return number


def _get(spec: RunSpec, key: str) -> int | float:
    section, name = key.split(".")
    value: int | float = getattr(getattr(spec, section), name)
    return value
