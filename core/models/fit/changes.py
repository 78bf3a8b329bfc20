"""The cheapest changes of a training that make it fit, each with its new estimate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from core.base.plural import counted
from core.models.fit.estimate import Estimate, Verdict
from core.models.fit.training_shape import Placement, TrainingShape

_SHORTER = (0.75, 0.5, 0.375, 0.25)
_FEWEST_TOKENS = 256
_SMALLER_TARGETS = (("q_proj", "k_proj", "v_proj", "o_proj"), ("q_proj", "v_proj"))
_SMALL_RANK = 8
Settings = dict[str, int | bool | str | tuple[str, ...]]
"""New values by their keys in a specification."""
EstimateOf = Callable[[Placement, TrainingShape], Estimate]
"""The estimate of the same model with other settings."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the settings, or several at once."""

    settings: Settings
    """The new values, by their keys in a specification (`train.batch_size`)."""
    words: str
    """The change as a clause, with what it costs."""
    estimate: Estimate
    """The memory with it."""
    verdict: Verdict
    """Whether it then fits."""


class _Step(msgspec.Struct, frozen=True):
    settings: Settings
    words: str
    training: dict[str, Any] = {}
    """Changed fields of the training."""
    placement: dict[str, Any] = {}
    """Changed fields of the placement."""


def changes_that_fit(
    placement: Placement,
    training: TrainingShape,
    free: int,
    estimate_of: EstimateOf,
    lengths: Sequence[int] = (),
) -> list[Change]:
    """The changes, the cheapest first: each single one that fits, or where none does, the cheapest several together.

    free: bytes; lengths: tokens of the rows, where they are known, to say how many a shorter maximum loses. Empty where
    nothing that is known fits.
    """

    def change(steps: Sequence[_Step]) -> Change:
        held, step = placement, training
        settings: Settings = {}
        for one in steps:
            held = msgspec.structs.replace(held, **one.placement)
            step = msgspec.structs.replace(step, **one.training)
            settings = settings | one.settings
        estimate = estimate_of(held, step)
        words = "; ".join(one.words for one in steps)
        return Change(settings=settings, words=words, estimate=estimate, verdict=estimate.verdict(free))

    kinds = [list(kind(placement, training, lengths)) for kind in _KINDS]
    found = []
    for steps in kinds:
        fitting = (one for one in map(change, ([step] for step in steps)) if one.verdict == "fits")
        found += list(itertools.islice(fitting, 1))
    if found:
        return found
    # The dearest kind varies slowest: it stays unchanged as long as the cheaper ones suffice.
    choices = ([None, *steps] for steps in reversed(kinds))
    for combination in itertools.product(*choices):
        together = change([step for step in reversed(combination) if step is not None])
        if together.verdict == "fits":
            return [together]
    return []


def _checkpointing(_: Placement, training: TrainingShape, __: Sequence[int]) -> Iterator[_Step]:
    if not training.gradient_checkpointing:
        words = "compute activations again in the backward pass (about a quarter slower)"
        yield _Step({"train.gradient_checkpointing": True}, words, {"gradient_checkpointing": True})


def _optimizer(placement: Placement, training: TrainingShape, _: Sequence[int]) -> Iterator[_Step]:
    if placement.on_gpu and training.optim != "auto" and "8bit" not in training.optim:
        words = "keep the optimizer's state in 8 bit"
        yield _Step({"train.optim": "adamw_8bit"}, words, {"optim": "adamw_8bit"})


def _smaller_batch(_: Placement, training: TrainingShape, __: Sequence[int]) -> Iterator[_Step]:
    rows = training.batch_size * training.accumulation
    for batch in range(training.batch_size - 1, 0, -1):
        if rows % batch == 0:
            more = rows // batch
            settings: Settings = {"train.batch_size": batch, "train.gradient_accumulation": more}
            words = f"passes of {counted(batch, 'row')}, {more} to an update: the same {counted(rows, 'row')} an update"
            yield _Step(settings, words, {"batch_size": batch, "accumulation": more})


def _four_bit(placement: Placement, _: TrainingShape, __: Sequence[int]) -> Iterator[_Step]:
    if placement.on_gpu and not placement.four_bit:
        words = "hold the base weights in 4 bit"
        yield _Step({"model.load_in_4bit": True}, words, placement={"four_bit": True})


def _shorter(_: Placement, training: TrainingShape, lengths: Sequence[int]) -> Iterator[_Step]:
    for share in _SHORTER:
        tokens = int(training.tokens * share) // 64 * 64
        if tokens < _FEWEST_TOKENS:
            return
        lost = ""
        if lengths:
            lost = f": {sum(length > tokens for length in lengths):,} of {counted(len(lengths), 'row')} are longer"
        yield _Step({"prompt.max_seq_length": tokens}, f"rows of at most {tokens} tokens{lost}", {"tokens": tokens})


def _fewer_targets(_: Placement, training: TrainingShape, __: Sequence[int]) -> Iterator[_Step]:
    for targets in _SMALLER_TARGETS:
        if set(targets) < set(training.target_modules):
            words = f"an adapter only on {', '.join(targets)}"
            yield _Step({"lora.target_modules": targets}, words, {"target_modules": targets})


def _lower_rank(_: Placement, training: TrainingShape, __: Sequence[int]) -> Iterator[_Step]:
    rank = training.r // 2
    while rank >= _SMALL_RANK:
        yield _Step({"lora.r": rank}, f"an adapter of rank {rank}", {"r": rank})
        rank //= 2


_KINDS = (_checkpointing, _optimizer, _smaller_batch, _four_bit, _shorter, _fewer_targets, _lower_rank)
"""From those that cost least: first what trains the same, then what loses precision, rows, and what can be learnt."""
