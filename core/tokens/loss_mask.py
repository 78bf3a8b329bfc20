"""The loss mask: which tokens of a row are trained, and how much each counts. Knows slots, not texts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from core.base.errors import UsageError
from core.tokens.segments import SLOT_COUNT

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.encode_spans import Int32Array

IGNORED_LABEL = -100  # the label that cross-entropy leaves out
_MOST_WEIGHT = 1000.0


class SectionWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much a token of each section counts in the loss, from 0 (not trained) to 1000. The loss of a batch is the
    weighted sum over the sum of the weights.

    The markers around a reasoning count like the reasoning: a model that writes a reasoning must also end it, as `end`
    ends the response.
    """

    prompt: float = 0.0
    """Weight of a token of the prompt."""
    reasoning: float = 1.0
    """Weight of a token of the reasoning, or of the markers around it."""
    response: float = 1.0
    """Weight of a token of the response."""
    end: float = 1.0
    """Weight of the end of sequence; above 0, or answers would never end."""


LossOn = Literal["completion", "all", "response"] | SectionWeights
"""Which tokens are trained. completion: all tokens that the model writes. all: the prompt too. response: the response
and its end; reasoning and marker are then part of the input. Or a weight for each section."""


def slot_weights(loss_on: LossOn) -> tuple[float, ...]:
    """The weight of a token in each of the six slots. Raises UsageError for a weight out of range, or an `end` that is
    not trained."""
    match loss_on:
        case "all":
            return (1.0,) * SLOT_COUNT
        case "completion":
            return (0.0, *(1.0,) * 5)
        case "response":
            return (0.0, 0.0, 0.0, 0.0, 1.0, 1.0)
    for name in loss_on.__struct_fields__:
        weight = getattr(loss_on, name)
        if not (math.isfinite(weight) and 0.0 <= weight <= _MOST_WEIGHT):
            raise UsageError(
                f"the weight of the {name} is {weight}", f"loss_on.{name}", "Give every section a weight from 0 to 1000"
            )
    if loss_on.end == 0.0:
        raise UsageError(
            "the end of sequence would not be trained, so answers would never end",
            "loss_on.end",
            "Give it a weight above 0",
        )
    return (loss_on.prompt, loss_on.reasoning, loss_on.reasoning, loss_on.reasoning, loss_on.response, loss_on.end)


def is_weighted(loss_on: LossOn) -> bool:
    """Whether any trained token has a weight other than 1, so that a plain mean over the labels would be another
    loss."""
    return any(weight not in (0.0, 1.0) for weight in slot_weights(loss_on))


def loss_labels(ids: Int32Array, ends: Int32Array, weights: tuple[float, ...]) -> Int32Array:
    """The labels of one row, or of several rows: their ids, IGNORED_LABEL where nothing is trained.

    ids: one row after the other, int32, shape (tokens,). ends: the end of each slot in tokens from the row's start,
    int32, shape (6,) or (rows, 6). weights: of the six slots. Returns int32, shape (tokens,).
    """
    import numpy as np

    return np.where(token_weights(ends, weights) > 0, ids, np.int32(IGNORED_LABEL)).astype(np.int32, copy=False)


def token_weights(ends: Int32Array, weights: tuple[float, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The weight of each token, float32, shape (tokens,). ends and weights: as in `loss_labels`."""
    import numpy as np

    lengths = np.diff(ends, prepend=0)
    slot_values = np.tile(np.asarray(weights, np.float32), lengths.size // len(weights))
    return np.repeat(slot_values, lengths.ravel())
