"""Cross-entropy from hidden states, a chunk of positions at a time, so that the scores of all positions and all tokens
of the vocabulary never exist at once. Imports torch.

The gradient of the hidden states is computed beside the loss, while a chunk's scores exist: the head is frozen, and
how much each token counts is known by then.
"""

from __future__ import annotations

from typing import Any

import torch

_CHUNK_BYTES = 256 << 20  # of one chunk's scores in 32 bit


class _ChunkedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        head: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        weights: torch.Tensor,
        chunk: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        losses = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden)
        for first in range(0, len(hidden), chunk):
            part = slice(first, first + chunk)
            scores = torch.nn.functional.linear(hidden[part], head, bias).float()
            of_target = targets[part].unsqueeze(1)
            total = torch.logsumexp(scores, dim=1, keepdim=True)
            losses[part] = (total - scores.gather(1, of_target)).squeeze(1)
            share = scores.sub_(total).exp_()
            share.scatter_add_(1, of_target, torch.full_like(total, -1.0))
            share.mul_(weights[part].unsqueeze(1))
            torch.mm(share.to(head.dtype), head, out=gradient[part])
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(losses)
        return (losses * weights).sum(), losses

    @staticmethod
    def backward(ctx: Any, of_total: torch.Tensor, _: torch.Tensor) -> tuple[Any, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * of_total.to(gradient.dtype), None, None, None, None, None


def chunked_cross_entropy(
    hidden: torch.Tensor,
    head: torch.Tensor,
    targets: torch.Tensor,
    weights: torch.Tensor,
    bias: torch.Tensor | None = None,
    chunk: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted sum of the losses, and the loss of each position in nats, float32, shape (positions,). The first has
    a gradient for `hidden`, the second none.

    hidden: shape (positions, width). head: frozen, shape (vocabulary, width), of the same dtype. targets: ids, shape
    (positions,). weights: float32, shape (positions,), the divisor of the mean included. bias: of the head, shape
    (vocabulary,). chunk: positions at a time; 0: as many as their scores fit into 256 MiB.
    """
    chunk = chunk or max(64, _CHUNK_BYTES // (4 * head.shape[0]))
    with torch.autocast(hidden.device.type, enabled=False):
        total, losses = _ChunkedLoss.apply(hidden, head, bias, targets, weights, chunk)  # type: ignore[no-untyped-call]
    return total, losses
