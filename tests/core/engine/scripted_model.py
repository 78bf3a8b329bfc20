"""A language model that writes a given text, token by token, through the same calls as a real one. It can be held at
every token."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core.engine import load_check
from core.models import loading
from core.models.backend import Backend
from core.models.checked_model import CheckedModel
from core.models.load_form import LoadForm
from core.models.loading import LoadedModel
from core.tokens.tokenizer import TextTokenizer

END = 256  # of the tiny model's tokenizer
_VOCABULARY = 300


class ScriptedModel:
    """Continues what it has read as `tokens` do: where it ends with the first n of them, the next one follows, n being
    as large as it can be. After the last comes END for ever. Its cache is real, and keeps the ids themselves.

    gate: where given, every forward pass after a prompt's first waits for one release.
    """

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, tokens: list[int], gate: threading.Semaphore | None = None, context: int = 100_000) -> None:
        from transformers import LlamaConfig

        self.tokens, self.gate = tokens, gate
        self.passes = 0
        self.config = LlamaConfig(
            vocab_size=_VOCABULARY, num_hidden_layers=1, max_position_embeddings=context, hidden_size=32
        )

    def forward(
        self,
        input_ids: torch.Tensor,
        past_key_values: Any,
        use_cache: bool = True,
        return_dict: bool = True,
        logits_to_keep: int = 0,
    ) -> Any:
        from transformers.cache_utils import DynamicCache

        cache = DynamicCache() if past_key_values is None else past_key_values
        if self.gate is not None and cache.get_seq_length():
            self.gate.acquire()
        self.passes += 1
        keys, _ = cache.update(input_ids.double()[:, None, :, None], input_ids.double()[:, None, :, None], 0)
        read = keys[0, 0, :, 0].long().tolist()
        scored = max(1, logits_to_keep)
        logits = torch.zeros(1, scored, _VOCABULARY)
        for place in range(scored):
            logits[0, place, self._next(read[: len(read) - scored + 1 + place])] = 1.0
        return SimpleNamespace(logits=logits, past_key_values=cache)

    __call__ = forward

    def _next(self, read: list[int]) -> int:
        for count in range(min(len(self.tokens), len(read)), 0, -1):
            if read[-count:] == self.tokens[:count]:
                return self.tokens[count] if count < len(self.tokens) else END
        return self.tokens[0] if read[-1] != END else END


def load_scripted(
    monkeypatch: pytest.MonkeyPatch, folder: Path, text: str, gate: threading.Semaphore | None = None
) -> ScriptedModel:
    """Every load gives a model that writes `text`; folder: with its tokenizer."""
    tokenizer = TextTokenizer.from_folder(folder)
    model = ScriptedModel(tokenizer.encode(text)[0], gate)
    loaded = LoadedModel(model=model, tokenizer=tokenizer, backend="scripted")
    backend = Backend("transformers", "cpu", "scripted")

    def checked(name: str, *_: Any, form: LoadForm, **__: Any) -> CheckedModel:
        return CheckedModel(
            name=name, folder=folder / name, fingerprint=name, form=form, backend=backend, tokenizer=tokenizer
        )

    monkeypatch.setattr(load_check, "resolve_and_check", checked)
    monkeypatch.setattr(loading, "load_checked", lambda *_: loaded)
    return model
