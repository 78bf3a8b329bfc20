"""How rows become text in a run, as texts that a session keeps and a person reads: the mixture, what is learnt, what
happens to long rows.

The numbers of a run are `form`'s; these are the words. Pure; knows nothing of screens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from core.base.errors import RunError, UsageError
from core.runs.spec import MixturePart, RunSpec
from core.tokens.loss_mask import Loss, SectionWeights, slot_weights
from core.tokens.truncation import TooLong

MIXTURE, LOSS, TOO_LONG = KEYS = ("prompt.mixture", "prompt.loss_on", "prompt.too_long")
LOSSES: tuple[Literal["completion", "response", "all"], ...] = ("completion", "response", "all")
SECTIONS = ("prompt", "reasoning", "response", "end")
TOO_LONGS: tuple[TooLong, ...] = get_args(TooLong)


def prompt_texts(spec: RunSpec) -> dict[str, str]:
    prompt = spec.prompt
    return {MIXTURE: mixture_text(prompt.mixture), LOSS: loss_text(prompt.loss_on), TOO_LONG: prompt.too_long}


def with_prompt_texts(spec: RunSpec, texts: Mapping[str, str]) -> RunSpec:
    """`spec` with those of the settings that `texts` has. Raises RunError whose `where` is the key of the first that
    cannot be read."""
    changed = spec.prompt
    if MIXTURE in texts:
        changed = msgspec.structs.replace(changed, mixture=parse_mixture(texts[MIXTURE]))
    if LOSS in texts:
        changed = msgspec.structs.replace(changed, loss_on=parse_loss(texts[LOSS]))
    if TOO_LONG in texts:
        too_long = next((one for one in TOO_LONGS if one == texts[TOO_LONG]), None)
        if too_long is None:
            raise RunError(
                f"{texts[TOO_LONG]!r} is no way to treat long rows", TOO_LONG, f"Choose one of {', '.join(TOO_LONGS)}"
            )
        changed = msgspec.structs.replace(changed, too_long=too_long)
    return msgspec.structs.replace(spec, prompt=changed)


def mixture_text(mixture: tuple[MixturePart, ...]) -> str:
    """`alpaca 0.15, alpaca-reasoning 0.85`."""
    return ", ".join(f"{part.template} {part.weight:g}" for part in mixture)


def parse_mixture(text: str) -> tuple[MixturePart, ...]:
    """Raises RunError. A template without a number weighs 1."""
    parts = []
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, number = word.rpartition(" ")
        if not name:
            name, number = word, "1"
        parts.append(MixturePart(template=name.strip(), weight=_weight(number, name.strip(), MIXTURE)))
    names = [part.template for part in parts]
    if not any(part.weight > 0 for part in parts):
        raise RunError(
            "no template of the mixture has a weight", MIXTURE, "Give at least one template a weight above 0"
        )
    if len(set(names)) < len(names):
        raise RunError("a template stands twice in the mixture", MIXTURE, "Name it once")
    return tuple(parts)


def loss_text(loss: Loss) -> str:
    """A policy's name, or `prompt 0, reasoning 1, response 1, end 1`."""
    if isinstance(loss, SectionWeights):
        return ", ".join(f"{section} {getattr(loss, section):g}" for section in SECTIONS)
    return loss


def parse_loss(text: str) -> Loss:
    """Raises RunError."""
    for named in LOSSES:
        if text.strip() == named:
            return named
    weights: dict[str, float] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, number = word.rpartition(" ")
        if name not in SECTIONS or name in weights:
            raise RunError(
                f"{word!r} is no section with its weight",
                LOSS,
                f"Write {', '.join(f'{section} 1' for section in SECTIONS)}, or a name",
            )
        weights[name] = _weight(number, name, LOSS)
    loss = SectionWeights(**weights)
    try:
        slot_weights(loss)
    except UsageError as error:
        raise RunError(error.what, LOSS, error.do) from error
    return loss


def _weight(text: str, name: str, key: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0.0):
        raise RunError(f"the weight of {name} is {text!r}", key, "Give it a number, 0 or above")
    return weight
