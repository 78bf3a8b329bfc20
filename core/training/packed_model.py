"""A model with an adapter, run over packed rows: its decoder over all tokens, its head over the trained ones alone.

Imports torch and transformers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from core.models.packable import why_not_packable
from core.tokens.loss_mask import IGNORED_LABEL
from core.training.chunked_loss import chunked_cross_entropy
from core.training.loss import SECTION_COUNT
from core.training.packed_attention import packed_attention
from core.training.packed_rows import PackedRows


class PassTensors(NamedTuple):
    """What a forward pass over packed rows reads, on the device."""

    ids: torch.Tensor
    """Token ids, shape (1, tokens)."""
    positions: torch.Tensor
    """Position of each token in its row, shape (1, tokens)."""
    sources: torch.Tensor
    """From where each trained token is predicted, shape (trained,)."""
    targets: torch.Tensor
    """Ids of the trained tokens, shape (trained,)."""
    sections: torch.Tensor
    """Their sections; `SECTION_COUNT` for tokens that only fill the shape up; shape (trained,)."""
    weights: torch.Tensor
    """How much each counts, over the divisor of the mean, float32, shape (trained,)."""
    ends: torch.Tensor
    """0 and the end of each row, int32, shape (rows + 1,)."""


class PassLosses(NamedTuple):
    """The losses of a forward pass."""

    total: torch.Tensor
    """Its part of the step's loss, in nats, with a gradient."""
    by_section: torch.Tensor
    """Sum and count of the losses of each section, float64, shape (2, 3)."""
    tokens: int = 0
    """Tokens of the pass, once it is done; those that fill up not counted."""


def why_not_packed(model: Any, device: str, dtype: str) -> str:
    """Why rows of this model, a PeftModel on `device` computing in `dtype`, cannot be packed, as a clause; empty where
    they can."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    head = base.get_output_embeddings()
    why = why_not_packable(base.config.to_dict())
    if why:
        return why
    if type(head) is not torch.nn.Linear:
        return "its head has an adapter or is quantised"
    if head.weight.requires_grad or (head.bias is not None and head.bias.requires_grad):
        return "its head is trained"
    if device.startswith("cuda") and dtype not in ("bfloat16", "float16"):
        return f"the attention of packed rows does not compute in {dtype} on CUDA"
    return ""


class PackedModel:
    """Runs one model over packed rows. autocast: the number format of matrix products where the model's own is not
    taken."""

    def __init__(self, model: Any, device: torch.device, autocast: torch.dtype | None) -> None:
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._decoder, self._head, self.config = base.get_decoder(), base.get_output_embeddings(), base.config
        self.device, self._autocast = device, autocast

    def tensors(self, rows: PackedRows, divisor: float) -> PassTensors:
        """The tensors of a pass. divisor: of the step's mean loss."""
        whole = [rows.ids, rows.positions(), rows.sources, rows.targets, rows.sections]
        sizes = [len(part) for part in whole]
        ids, positions, sources, targets, sections = torch.split(self._to_device(np.concatenate(whole)), sizes)
        weights = self._to_device(rows.weights / np.float32(divisor))
        return PassTensors(
            ids[None], positions[None], sources, targets, sections, weights, self._to_device(rows.ends())
        )

    def losses(self, tensors: PassTensors, lengths: list[int], longest: int) -> PassLosses:
        """The losses of a pass over rows of these lengths. lengths: empty on CUDA, where the ends in `tensors` say all.
        longest: at least the tokens of the longest row."""
        enabled = self._autocast is not None
        with (
            packed_attention(self.config),
            torch.autocast(self.device.type, self._autocast, enabled=enabled, cache_enabled=False),
        ):
            hidden = self._decoder(
                input_ids=tensors.ids,
                position_ids=tensors.positions,
                use_cache=False,
                packed_ends=tensors.ends,
                packed_lengths=lengths,
                packed_longest=longest,
            ).last_hidden_state
        trained = hidden[0].index_select(0, tensors.sources).to(self._head.weight.dtype)
        total, each = chunked_cross_entropy(
            trained, self._head.weight, tensors.targets, tensors.weights, self._head.bias
        )
        return PassLosses(total, sums_by_section(each, tensors.sections))

    def padded_losses(
        self, inputs: dict[str, torch.Tensor], divisor: Any = None, every_token: bool = False
    ) -> PassLosses:
        """The losses of a padded batch (see `ExampleCollator`), with the model's own attention. divisor: of the mean;
        the batch's own number or weight of trained tokens where None. every_token: tell the sections of all tokens
        apart, not only of the trained ones."""
        labels, mask = inputs["labels"][:, 1:], inputs["attention_mask"]
        trained = labels != IGNORED_LABEL
        rows, columns = (mask[:, 1:] > 0 if every_token else trained).nonzero(as_tuple=True)
        weights = trained.float() if "weights" not in inputs else inputs["weights"][:, 1:] * trained
        divisor = weights.sum() if divisor is None else divisor
        enabled = self._autocast is not None
        with torch.autocast(self.device.type, self._autocast, enabled=enabled):
            hidden = self._decoder(input_ids=inputs["input_ids"], attention_mask=mask, use_cache=False)
        chosen = hidden.last_hidden_state[rows, columns].to(self._head.weight.dtype)
        targets = inputs["input_ids"][:, 1:][rows, columns]
        total, each = chunked_cross_entropy(
            chosen, self._head.weight, targets, weights[rows, columns] / divisor, self._head.bias
        )
        return PassLosses(total, sums_by_section(each, inputs["sections"][:, 1:][rows, columns]))

    def _to_device(self, values: Any) -> torch.Tensor:
        tensor = torch.from_numpy(np.ascontiguousarray(values))
        if self.device.type != "cuda":
            return tensor
        return tensor.pin_memory().to(self.device, non_blocking=True)


def sums_by_section(losses: torch.Tensor, sections: torch.Tensor) -> torch.Tensor:
    """Sum and count of each section's losses, float64, shape (2, 3), without waiting for the device."""
    of_section = sections == torch.arange(SECTION_COUNT, device=sections.device).unsqueeze(1)
    chosen = of_section.double()
    return torch.stack([chosen @ losses.double(), chosen.sum(1)])
