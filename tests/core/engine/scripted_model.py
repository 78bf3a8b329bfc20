"""A language model that writes a given text, token by token, through the same calls as a real one. It can be held at
every token."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import torch

END = 256  # of the tiny model's tokenizer


class ScriptedModel:
    """Writes `tokens`, then END for ever. gate: where given, every forward pass after the prompt's first waits for one
    release."""

    device = torch.device("cpu")

    def __init__(self, tokens: list[int], gate: threading.Semaphore | None = None, context: int = 100_000) -> None:
        self.tokens, self.gate = tokens, gate
        self.passes = 0
        self.config = SimpleNamespace(get_text_config=lambda decoder: SimpleNamespace(max_position_embeddings=context))

    def forward(
        self, input_ids: torch.Tensor, past_key_values: Any, use_cache: bool, return_dict: bool, logits_to_keep: int = 0
    ) -> Any:
        fresh = past_key_values is None
        if self.gate is not None and not fresh:
            self.gate.acquire()
        self.passes += 1
        at = 0 if fresh else past_key_values + 1 if input_ids.shape[1] == 1 else past_key_values
        logits = torch.zeros(1, 1, 300)
        logits[0, 0, self.tokens[at] if at < len(self.tokens) else END] = 1.0
        return SimpleNamespace(logits=logits, past_key_values=at)

    __call__ = forward
