"""The loss of a training step: cross-entropy over the labelled tokens of a batch, in all and by section.

Imports torch. Where TRL's fused loss can be used the trainer uses that; this one runs everywhere and takes weights.
"""

from __future__ import annotations

import inspect
from typing import Any, NamedTuple

import torch
from torch.nn.functional import cross_entropy

from core.tokens.loss_mask import IGNORED_LABEL

SECTION_COUNT = 3  # prompt, reasoning, response: see `core.training.collator.SECTIONS`


class TokenLosses(NamedTuple):
    """The loss of each token of a batch that has one, in one row after the other."""

    losses: torch.Tensor
    """Cross-entropy in nats, float32, shape (tokens,)."""
    weights: torch.Tensor | None
    """How much each counts, float32, shape (tokens,); None where all count alike."""
    sections: torch.Tensor | None
    """The section of each, shape (tokens,); None where the batch does not say."""
    trained: torch.Tensor | None
    """Which of them are trained, bool, shape (tokens,); None where all are."""

    def mean(self, num_items: Any = None) -> torch.Tensor:
        """The mean over the trained tokens, weighted where there are weights. num_items: divide by this instead of by
        the batch's own count or weight."""
        if self.weights is not None:
            total = (self.losses * self.weights).sum()
            return total / (self.weights.sum() if num_items is None else num_items)
        trained = self.losses if self.trained is None else self.losses[self.trained]
        return trained.sum() / (len(trained) if num_items is None else num_items)

    def by_section(self) -> torch.Tensor:
        """Sum and count of each section's losses, float64, shape (2, 3); each token counts once."""
        if self.sections is None:
            return torch.zeros(2, SECTION_COUNT, dtype=torch.float64)
        losses = self.losses.detach().double()
        sums = torch.bincount(self.sections, losses, SECTION_COUNT)
        return torch.stack([sums, torch.bincount(self.sections, minlength=SECTION_COUNT).double()])


def token_losses(model: Any, inputs: dict[str, torch.Tensor], every_token: bool = False) -> TokenLosses:
    """The losses of the labelled tokens of a batch; with `every_token` also of those that are not trained.

    inputs: input_ids, labels, attention_mask and perhaps weights and sections, each of shape (rows, tokens).

    Logits are computed only at positions before a label in any row: with the loss on the completion that saves a sixth
    of a step.
    """
    labels = inputs["labels"]
    if every_token:
        labels = torch.where(inputs["attention_mask"] > 0, inputs["input_ids"], IGNORED_LABEL)
    options: dict[str, Any] = {
        "input_ids": inputs["input_ids"],
        "attention_mask": inputs["attention_mask"],
        "use_cache": False,
    }
    columns = (labels[:, 1:] != IGNORED_LABEL).any(dim=0).nonzero().squeeze(1)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    if "logits_to_keep" in inspect.signature(type(base).forward).parameters:
        logits = model(**options, logits_to_keep=columns).logits
        # Unsloth's forward only understands a count, and returns all positions for anything else.
        if logits.shape[1] != len(columns):
            logits = logits[:, columns]
    else:
        logits = model(**options).logits[:, columns]
    targets = labels[:, columns + 1]
    counted = targets != IGNORED_LABEL

    def of_counted(name: str) -> torch.Tensor | None:
        return inputs[name][:, columns + 1][counted] if name in inputs else None

    return TokenLosses(
        cross_entropy(logits[counted].float(), targets[counted], reduction="none"),
        of_counted("weights"),
        of_counted("sections"),
        (inputs["labels"][:, columns + 1] != IGNORED_LABEL)[counted] if every_token else None,
    )


def labelled_cross_entropy(model: Any, inputs: dict[str, torch.Tensor], num_items: Any = None) -> torch.Tensor:
    """Mean cross-entropy of the labelled tokens, in nats; weighted where `inputs` has `weights`. See `token_losses` and
    `TokenLosses.mean`."""
    return token_losses(model, inputs).mean(num_items)
