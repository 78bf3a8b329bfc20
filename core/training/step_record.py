"""What the forward passes of the current optimizer step leave for its line in the metrics. Imports torch."""

from __future__ import annotations

import math

import torch


class StepInterrupted(Exception):
    """The process was asked to end between two passes of a step. Their gradients are dropped."""


class StepRecord:
    """Filled by the trainer, read and cleared by the callback. Holds tensors of the device: reading them waits for
    it."""

    def __init__(self) -> None:
        self.losses: list[torch.Tensor] = []
        """The loss of each forward pass; their sum is that of the step."""
        self.sections: list[torch.Tensor] = []
        """Sum and count of the losses by section, of each forward pass whose loss tells: shape (2, 3)."""
        self.rows: list[torch.Tensor] = []
        """The rows of each batch, by their index in the source."""
        self.grad_norm: torch.Tensor | float | None = None
        """Norm of the gradients before clipping."""
        self.interrupted: torch.Tensor | None = None
        """How many ranks have left the step because of a signal; None where there is one rank."""
        self.largest_pass = (0, 0)
        """Rows and tokens of the largest pass so far, padding included; `clear` leaves it."""

    def note_pass(self, ids: torch.Tensor) -> None:
        """Keep the size of a pass over `ids`, of shape (rows, tokens), where it is the largest so far."""
        rows, tokens = ids.shape
        if rows * tokens > self.largest_pass[0] * self.largest_pass[1]:
            self.largest_pass = (rows, tokens)

    def clear(self) -> None:
        self.losses.clear()
        self.sections.clear()
        self.grad_norm = self.interrupted = None

    def totals(self, interrupted: bool, device: torch.device) -> torch.Tensor:
        """Loss, sections and whether the step was left, for adding them up over the ranks: float64, shape (8,)."""
        parts = [torch.zeros((), dtype=torch.float64, device=device), *(loss.double() for loss in self.losses)]
        sections = [torch.zeros(2, 3, dtype=torch.float64, device=device), *self.sections]
        left = torch.tensor([float(interrupted)], dtype=torch.float64, device=device)
        return torch.cat([torch.stack(parts).sum().view(1), torch.stack(sections).sum(0).flatten(), left])

    def put_totals(self, totals: torch.Tensor) -> None:
        """Take the sums over the ranks for this rank's own."""
        self.losses, self.sections, self.interrupted = [totals[0]], [totals[1:7].view(2, 3)], totals[7]

    def loss(self) -> float:
        """The loss of the step. Its parts are added in 64 bit: a running sum would stay NaN after one NaN."""
        return float(sum(loss.double().item() for loss in self.losses))

    def section_means(self) -> list[float | None]:
        """Mean loss of prompt, reasoning and response tokens, each None where it has none or it is not known."""
        if not self.sections:
            return [None, None, None]
        sums, counts = torch.stack(self.sections).sum(0).tolist()
        means = [total / count if count else math.nan for total, count in zip(sums, counts, strict=True)]
        return [mean if math.isfinite(mean) else None for mean in means]

    def row_numbers(self) -> list[int]:
        """The rows of the step, by their index in the source, ascending."""
        return sorted({row for rows in self.rows for row in rows.tolist()})
