"""An optimizer step over packed rows: as few passes as fit, each forward and backward. Imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import torch

from core.training.packed_model import PackedModel, PassLosses
from core.training.packed_rows import PackedRows, split_passes


class UpdateStep(Protocol):
    """Computes the gradients of an optimizer step."""

    def run(self, rows: PackedRows, divisor: float) -> Iterator[PassLosses]:
        """Add the gradients of the mean loss of `rows`: the weighted sum over `divisor`. Yields the losses of each
        pass once it is done, without gradients."""


class PackedStep:
    """Runs each pass as it comes. backward: computes the gradients of a loss. most_tokens: of one pass."""

    def __init__(self, model: PackedModel, backward: Callable[[torch.Tensor], None], most_tokens: int) -> None:
        self._model, self._backward, self.most_tokens = model, backward, most_tokens

    def run(self, rows: PackedRows, divisor: float) -> Iterator[PassLosses]:
        """See `UpdateStep.run`."""
        for part in split_passes(rows, self.most_tokens):
            yield self.run_pass(part, divisor)

    def run_pass(self, rows: PackedRows, divisor: float) -> PassLosses:
        """The losses of one pass over all of `rows`."""
        lengths = [] if self._model.device.type == "cuda" else rows.lengths.tolist()
        losses = self._model.losses(self._model.tensors(rows, divisor), lengths, int(rows.lengths.max()))
        self._backward(losses.total)
        return PassLosses(losses.total.detach(), losses.by_section, rows.tokens)
