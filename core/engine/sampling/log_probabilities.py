"""Log-probabilities of chosen tokens and of the best ones beside them, by the raw scores."""

from __future__ import annotations

import torch

from core.engine.sampling.token_choice import MOST_ALTERNATIVES, TokenScores


class ScoreRows:
    """The log-probabilities of the rows' chosen tokens, on the device, and those that the host reads.

    `measure` when a token is chosen, `send` when it is fed, `read` once the host has waited for what was sent.
    """

    def __init__(self, rows: int, device: torch.device) -> None:
        on_gpu = device.type == "cuda"
        self._values = torch.zeros(rows, 1 + MOST_ALTERNATIVES, dtype=torch.float32, device=device)
        self._ids = torch.zeros(rows, 1 + MOST_ALTERNATIVES, dtype=torch.int64, device=device)
        self._host_values = torch.zeros(rows, 1 + MOST_ALTERNATIVES, dtype=torch.float32, pin_memory=on_gpu)
        self._host_ids = torch.zeros(rows, 1 + MOST_ALTERNATIVES, dtype=torch.int64, pin_memory=on_gpu)

    def measure(self, scores: torch.Tensor, tokens: torch.Tensor, rows: slice) -> None:
        """scores: the raw ones, float32, shape (rows, vocabulary). tokens: the chosen ones, shape (rows,)."""
        logs = torch.log_softmax(scores, dim=-1)
        chosen = tokens.to(torch.int64).clamp_min(0)[:, None]
        count = min(MOST_ALTERNATIVES, scores.shape[-1])
        values, ids = logs.topk(count, dim=-1)
        self._values[rows, :1] = logs.gather(-1, chosen)
        self._ids[rows, :1] = chosen
        self._values[rows, 1 : 1 + count] = values
        self._ids[rows, 1 : 1 + count] = ids

    def send(self) -> None:
        """Copy what was measured to the host, without waiting."""
        self._host_values.copy_(self._values, non_blocking=True)
        self._host_ids.copy_(self._ids, non_blocking=True)

    def read(self, row: int, alternatives: int) -> TokenScores:
        """What was sent of a row, with so many alternatives."""
        values, ids = self._host_values[row].tolist(), self._host_ids[row].tolist()
        best = tuple(zip(ids[1 : 1 + alternatives], values[1 : 1 + alternatives], strict=True))
        return TokenScores(ids[0], values[0], best)
