"""Tiny models of the types whose rows can be packed, with an adapter, and training sets of uneven rows for them."""

from __future__ import annotations

from typing import Any

import numpy as np

VOCABULARY = 128
_SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
}


def make_packable_model(kind: str, targets: tuple[str, ...] = ("q_proj", "v_proj", "down_proj"), **more: Any) -> Any:
    """A PeftModel in 32 bit whose adapter is not zero. kind: `llama`, `qwen2`, `qwen3`, `mistral`, `gemma2`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    head = {"head_dim": 8} if kind in ("qwen3", "gemma2") else {}
    tied = {"tie_word_embeddings": kind != "qwen2"}
    with torch.random.fork_rng():
        torch.manual_seed(5)
        config = AutoConfig.for_model(kind, **{**_SIZES, **head, **tied, **more})
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, attn_implementation="sdpa")
        lora = LoraConfig(
            r=4, lora_alpha=8, target_modules=list(targets), init_lora_weights=False, task_type="CAUSAL_LM"
        )
        return get_peft_model(model, lora).train()


class UnevenRows:
    """Rows of random ids in the place of a prepared training set: a prompt that is not trained, then reasoning and
    response, each row of another length. weighted: their tokens count differently."""

    def __init__(self, count: int = 24, weighted: bool = False, seed: int = 3) -> None:
        pick = np.random.default_rng(seed)
        self.weighted = weighted
        lengths = pick.integers(6, 60, count)
        self._ids = [pick.integers(0, VOCABULARY, length) for length in lengths]
        self.row_indices = np.arange(count) * 2
        prompts = lengths // 3
        middles = prompts + (lengths - prompts) // 2
        self.ends = np.stack([prompts, prompts + 1, middles, middles + 1, lengths - 1, lengths], axis=1)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def longest(self) -> int:
        return int(self.ends[:, -1].max())

    def ids(self, row: int) -> Any:
        return self._ids[row]

    def labels(self, row: int) -> Any:
        labels = self._ids[row].copy()
        labels[: self.ends[row, 0]] = -100
        return labels

    def token_weights(self, row: int) -> Any:
        weights = np.zeros(len(self._ids[row]), np.float32)
        weights[self.ends[row, 0] : self.ends[row, 3]] = 0.5
        weights[self.ends[row, 3] :] = 2.0
        return weights

    def items(self, rows: Any) -> list[dict[str, Any]]:
        """Items of the data set."""
        return [{"input_ids": self._ids[row], "row": int(row)} for row in rows]
