"""How fast `generate` of transformers decodes: the peer of the decoding benches, also where Unsloth has patched it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any


def generate_rate(model: Any, prompt: Sequence[int], tokens: int) -> float:
    """Tokens a second after the first one, greedy, batch 1. prompt: ids; tokens: new ones, at least 2."""
    import torch  # not above: Unsloth has to be imported before it

    ids = torch.tensor([list(prompt)], device="cuda") % model.config.vocab_size
    options = {"attention_mask": torch.ones_like(ids), "do_sample": False, "eos_token_id": None, "pad_token_id": 0}

    def timed(count: int) -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        model.generate(input_ids=ids, max_new_tokens=count, min_new_tokens=count, **options)
        torch.cuda.synchronize()
        return time.perf_counter() - start

    timed(4)
    first = timed(1)
    return (tokens - 1) / (timed(tokens) - first)
