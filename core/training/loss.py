"""The loss of a training step: cross-entropy over the labelled tokens of a batch.

Imports torch. Where TRL's fused loss can be used the trainer uses that; this one runs everywhere and takes weights.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from core.tokens.loss_mask import IGNORED_LABEL


def labelled_cross_entropy(model: Any, inputs: dict[str, torch.Tensor], num_items: Any = None) -> torch.Tensor:
    """Mean cross-entropy of the labelled tokens, in nats; weighted where `inputs` has `weights`.

    inputs: input_ids, labels, attention_mask and perhaps weights, each of shape (rows, tokens). num_items: divide the
    sum by this instead of by the batch's own token count or weight, for a mean over several batches.

    Logits are computed only at positions before a label in any row: with the loss on the completion that saves a sixth
    of a step.
    """
    labels = inputs["labels"]
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
    trained = targets != IGNORED_LABEL
    if "weights" in inputs:
        weights = inputs["weights"][:, columns + 1][trained]
        total = (cross_entropy(logits[trained].float(), targets[trained], reduction="none") * weights).sum()
        return total / (weights.sum() if num_items is None else num_items)
    total = cross_entropy(logits[trained].float(), targets[trained], reduction="sum")
    return total / (trained.sum() if num_items is None else num_items)
