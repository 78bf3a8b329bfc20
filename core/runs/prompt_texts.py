"""A run's prompt settings as texts for users and sessions: the mixture, the loss, and the handling of long rows.

The numbers of a run are in `setting_texts`. Pure; knows nothing of screens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from core.base.errors import RunError, UsageError
from core.runs.spec import MixturePart, RunSpec
from core.tokens.loss_mask import LossOn, SectionWeights, slot_weights
from core.tokens.truncation import TooLong

MIXTURE_KEY, LOSS_KEY, TOO_LONG_KEY = PROMPT_KEYS = ("prompt.mixture", "prompt.loss_on", "prompt.too_long")
LOSS_NAMES: tuple[Literal["completion", "response", "all"], ...] = ("completion", "response", "all")
WEIGHTED_SECTIONS = ("prompt", "reasoning", "response", "end")
TOO_LONG_CHOICES: tuple[TooLong, ...] = get_args(TooLong)


def prompt_texts(spec: RunSpec) -> dict[str, str]:
    """The texts of the three settings, by key."""
    prompt = spec.prompt
    return {
        MIXTURE_KEY: mixture_text(prompt.mixture),
        LOSS_KEY: loss_text(prompt.loss_on),
        TOO_LONG_KEY: prompt.too_long,
    }


def with_prompt_texts(spec: RunSpec, texts: Mapping[str, str]) -> RunSpec:
    """`spec` with the settings in `texts`. Raises RunError for the first that cannot be read, with the key as its
    `where`."""
    prompt = spec.prompt
    if MIXTURE_KEY in texts:
        prompt = msgspec.structs.replace(prompt, mixture=parse_mixture(texts[MIXTURE_KEY]))
    if LOSS_KEY in texts:
        prompt = msgspec.structs.replace(prompt, loss_on=parse_loss(texts[LOSS_KEY]))
    if TOO_LONG_KEY in texts:
        prompt = msgspec.structs.replace(prompt, too_long=_parse_too_long(texts[TOO_LONG_KEY]))
    return msgspec.structs.replace(spec, prompt=prompt)


def mixture_text(mixture: tuple[MixturePart, ...]) -> str:
    """`alpaca 0.15, alpaca-reasoning 0.85`."""
    return ", ".join(f"{part.template} {part.weight:g}" for part in mixture)


def parse_mixture(text: str) -> tuple[MixturePart, ...]:
    """The mixture in `text`; a template without a number has the weight 1. Raises RunError."""
    parts = []
    for name, number in _names_with_numbers(text):
        weight = _parse_weight(number, name, MIXTURE_KEY)
        parts.append(MixturePart(template=name, weight=weight))
    if not any(part.weight > 0 for part in parts):
        what = "no template of the mixture has a weight"
        raise RunError(what, MIXTURE_KEY, "Give at least one template a weight above 0")
    if len({part.template for part in parts}) < len(parts):
        raise RunError("the mixture names a template twice", MIXTURE_KEY, "Name it once")
    return tuple(parts)


def loss_text(loss: LossOn) -> str:
    """The name of a loss, or `prompt 0, reasoning 1, response 1, end 1`."""
    if isinstance(loss, SectionWeights):
        return ", ".join(f"{section} {getattr(loss, section):g}" for section in WEIGHTED_SECTIONS)
    return loss


def parse_loss(text: str) -> LossOn:
    """The loss in `text`. Raises RunError."""
    for name in LOSS_NAMES:
        if text.strip() == name:
            return name
    weights: dict[str, float] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        section, _, number = word.rpartition(" ")
        if section not in WEIGHTED_SECTIONS or section in weights:
            example = ", ".join(f"{section} 1" for section in WEIGHTED_SECTIONS)
            what = f"{word!r} is not a section with its weight"
            raise RunError(what, LOSS_KEY, f"Write {example}, or one of {', '.join(LOSS_NAMES)}")
        weights[section] = _parse_weight(number, section, LOSS_KEY)
    loss = SectionWeights(**weights)
    try:
        slot_weights(loss)
    except UsageError as error:
        raise RunError(error.what, LOSS_KEY, error.do) from error
    return loss


def _parse_too_long(text: str) -> TooLong:
    for choice in TOO_LONG_CHOICES:
        if choice == text:
            return choice
    what = f"{text!r} is not a way to treat long rows"
    raise RunError(what, TOO_LONG_KEY, f"Choose one of {', '.join(TOO_LONG_CHOICES)}")


def _names_with_numbers(text: str) -> list[tuple[str, str]]:
    """`a 1, b` as names and numbers, the number `1` where there is none."""
    pairs = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, number = word.rpartition(" ")
        pairs.append((name.strip(), number) if name else (word, "1"))
    return pairs


def _parse_weight(text: str, name: str, key: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0.0):
        raise RunError(f"the weight of {name} is {text!r}", key, "Give it a number, 0 or above")
    return weight
