"""What is learnt of a row, and what happens to one that is too long: chosen in a run's specification, applied to token
ids. Knows spans, not texts.

Sections: a row's tokens lie in six slots, always in this order, any of them empty: prompt, opening (a marker before the
reasoning that the model writes itself, such as <think>), reasoning, marker (between reasoning and response), response,
eos.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from core.base.errors import UsageError
from core.tokens.segments import SLOTS

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.spans import Ints

IGNORED = -100  # the label that cross-entropy leaves out


class SectionWeights(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much a token of each section counts in the loss; 0 leaves it out. The loss of a batch is the weighted sum
    over the sum of the weights.

    The markers around a reasoning go with the reasoning: a model that is to write a reasoning must also end it, as
    `end` ends the response.
    """

    prompt: float = 0.0
    reasoning: float = 1.0
    response: float = 1.0
    end: float = 1.0


Loss = Literal["completion", "all", "response"] | SectionWeights
"""completion: all that the model writes itself. all: the prompt too. response: the response and its end; reasoning and marker are then given, as in
asking with a reasoning that is given. Or a weight for each section."""


def slot_weights(loss: Loss) -> tuple[float, ...]:
    """The weight of a token in each of the six slots. Raises UsageError for one that is no weight, or an `end` that is
    not learnt."""
    match loss:
        case "all":
            return (1.0,) * SLOTS
        case "completion":
            return (0.0, *(1.0,) * 5)
        case "response":
            return (0.0, 0.0, 0.0, 0.0, 1.0, 1.0)
    for name in loss.__struct_fields__:
        value = getattr(loss, name)
        if not (math.isfinite(value) and 0.0 <= value <= 1000.0):
            raise UsageError(
                f"the weight of the {name} is {value}", f"loss_on.{name}", "Give every section a weight from 0 to 1000"
            )
    if loss.end == 0.0:
        raise UsageError(
            "the end of sequence would not be learnt, so that answers would never end",
            "loss_on.end",
            "Give it a weight above 0",
        )
    return (loss.prompt, loss.reasoning, loss.reasoning, loss.reasoning, loss.response, loss.end)


def is_weighted(loss: Loss) -> bool:
    """Whether trained tokens count differently, or not as one: a plain mean over the labels would then be another
    loss."""
    return any(weight not in (0.0, 1.0) for weight in slot_weights(loss))


def labels_of(ids: Ints, ends: Ints, weights: tuple[float, ...]) -> Ints:
    """The ids of one row, IGNORED where nothing is learnt. ends: the end of each of the six slots, counted in
    tokens."""
    labels = ids.copy()
    start = 0
    for slot, end in enumerate(ends.tolist()):
        if not weights[slot]:
            labels[start:end] = IGNORED
        start = end
    return labels


def weights_of(ends: Ints, weights: tuple[float, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The weight of each token of one row."""
    import numpy as np

    sizes = np.diff(ends, prepend=0)
    return np.repeat(np.asarray(weights, np.float32), sizes)
