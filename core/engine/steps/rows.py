"""What all steps share: the rows' lengths and chosen tokens, and the way of a token from the device to the host."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import torch

from core.base.errors import EngineError, UsageError
from core.engine.sampling.device_tensor import device_tensor
from core.engine.sampling.log_probabilities import ScoreRows
from core.engine.steps.adapter_switch import AS_IT_IS, AdapterSwitch
from core.engine.steps.cache_copy import CacheCopy
from core.engine.steps.choose_tokens import NOT_A_TOKEN, ChoiceRows
from core.engine.steps.step import GREEDY, StepPath, TokenChoice, TokenScores

# Prompt tokens per forward pass: on a CPU one pass takes about a second.
CHUNK_CPU = 256
CHUNK_CUDA = 2048


class RowStep(ABC):
    """The common part of a step: see `Step` for its promises."""

    path: StepPath

    def __init__(self, model: Any, rows: int) -> None:
        """model: a causal language model of Transformers, or a PeftModel around one."""
        # PEFT's outermost wrapper only adds per-call work: the adapter's layers sit inside the base model.
        self.model = model.get_base_model() if hasattr(model, "get_base_model") else model
        self.device: torch.device = self.model.device
        self.context: int | None = getattr(self.model.config, "max_position_embeddings", None)
        self.vocabulary: int = self.model.config.vocab_size
        self.rows = rows
        self.switch = AdapterSwitch(self.model)
        self.adapters: list[str | None] = [AS_IT_IS] * rows
        """The adapter that answers in each row, None for the base model."""
        self.choices = ChoiceRows(rows, self.device)
        self.tokens = torch.zeros(rows, dtype=torch.int32, device=self.device)
        """The token that each row is fed next."""
        self.logits = torch.zeros(rows, self.vocabulary, dtype=torch.float32, device=self.device)
        """The scores from which it was chosen."""
        self.lengths = [0] * rows
        self.live = [False] * rows
        self.fed: list[list[int]] = [[] for _ in range(rows)]
        """The tokens that each row holds."""
        self._forced: list[deque[int]] = [deque() for _ in range(rows)]
        self._is_settled = [False] * rows  # whether the token in `tokens` is a given one, or was read by the host
        self._token_scores = ScoreRows(rows, self.device)
        self.chunk = CHUNK_CUDA if self.device.type == "cuda" else CHUNK_CPU
        on_gpu = self.device.type == "cuda"
        self._host = torch.zeros(rows, dtype=torch.int32, pin_memory=on_gpu)
        self._copied: Any = torch.cuda.Event() if on_gpu else None  # type: ignore[no-untyped-call]

    def length(self, row: int) -> int:
        """See `Step`."""
        return self.lengths[row]

    def scores(self, row: int) -> torch.Tensor:
        """See `Step`."""
        return self.logits[row]

    def prefill(self, row: int, ids: Sequence[int], choice: TokenChoice = GREEDY, *, answered: int = 0) -> None:
        """See `Step`."""
        if not 0 <= row < self.rows:
            raise EngineError(f"there is no row {row}", f"{self.rows} rows", "Wait until an answer ends")
        if not ids:
            raise EngineError("the prompt has no tokens", "", "Write an instruction")
        self.check_room(self.lengths[row] + len(ids))
        self._check_tokens(choice)
        with torch.inference_mode():
            self._drop_forced(row)
            self.switch.use(self.adapters[row])
            for first in range(0, len(ids), self.chunk):
                part = torch.tensor([ids[first : first + self.chunk]], device=self.device)
                scores = self.feed_prompt(row, part)
                self.lengths[row] += part.shape[1]
                self.fed[row].extend(ids[first : first + self.chunk])
            self.choices.set(row, choice, self.fed[row], answered)
            self.logits[row].copy_(scores)
            self.tokens[row : row + 1] = self._choose(slice(row, row + 1))
            self.live[row] = True
            self.row_changed(row)

    def feed(self, row: int, ids: Sequence[int]) -> None:
        """See `Step`."""
        self.check_room(self.lengths[row] + len(ids))
        with torch.inference_mode():
            self.switch.use(self.adapters[row])
            for first in range(0, len(ids), self.chunk):
                part = torch.tensor([ids[first : first + self.chunk]], device=self.device)
                self.feed_prompt(row, part)
                self.lengths[row] += part.shape[1]
                self.fed[row].extend(ids[first : first + self.chunk])
            self.row_changed(row)

    def set_adapter(self, row: int, adapter: str | None) -> None:
        """See `Step`."""
        self.adapters[row] = adapter

    def chosen(self) -> list[int] | None:
        """See `Step`."""
        if self._copied is not None:
            return None
        live = [row for row in range(self.rows) if self.live[row]]
        for row in live:
            self._is_settled[row] = True
        if self.choices.wants_scores(live):
            self._token_scores.send()
        return self.tokens.tolist()

    def copy_out(self, row: int) -> CacheCopy:
        """See `Step`."""
        with torch.inference_mode():
            return msgspec.structs.replace(self.copy_cache(row), ids=tuple(self.fed[row]))

    def copy_in(self, row: int, copy: CacheCopy) -> None:
        """See `Step`."""
        self.release(row)
        self.check_room(copy.length)
        with torch.inference_mode():
            self.paste_cache(row, copy)
        self.lengths[row], self.fed[row] = copy.length, list(copy.ids)
        self.row_changed(row)

    @property
    def drafts_exactly(self) -> bool:
        """See `Step`."""
        return False

    def verify(self, row: int, drafted: Sequence[int]) -> list[int]:
        """See `Step`."""
        raise NotImplementedError(f"the {self.path} step verifies no drafts")

    def advance(self, without: Collection[int] = ()) -> list[int | None]:
        """See `Step`."""
        live = [row for row in range(self.rows) if self.live[row] and row not in without]
        if not live:
            return [None] * self.rows
        for row in live:
            self.check_room(self.lengths[row] + 1)
        with torch.inference_mode():
            self._host.copy_(self.tokens, non_blocking=True)
            if self.choices.wants_scores(live):
                self._token_scores.send()
            if self._copied is not None:
                self._copied.record()
            if self.choices.needs_history(live):
                self.choices.record(self.tokens, self.lengths)
            self.feed_tokens(live)
            for row in live:
                self.lengths[row] += 1
            if not self.choices.takes_best_scores(live):
                span = slice(live[0], live[-1] + 1)
                self.tokens[span].copy_(self._choose(span))
            for row in live:
                self._is_settled[row] = False
                self._put_forced(row)
        if self._copied is not None:
            self._copied.synchronize()
        fed = self._host.tolist()
        for row in live:
            self.fed[row].append(max(fed[row], 0))
        for row in live:
            if fed[row] == NOT_A_TOKEN:
                self.live[row] = False
                self.row_changed(row)
        return [fed[row] if row in live else None for row in range(self.rows)]

    def force(self, row: int, ids: Sequence[int]) -> None:
        """See `Step`."""
        self._forced[row].extend(ids)
        with torch.inference_mode():
            self._put_forced(row)

    def log_probabilities(self, row: int) -> TokenScores | None:
        """See `Step`."""
        alternatives = self.choices.alternatives(row)
        return None if alternatives is None else self._token_scores.read(row, alternatives)

    def cut(self, row: int, length: int) -> int:
        """See `Step`."""
        kept = self.cut_cache(row, length) if length < self.lengths[row] else self.lengths[row]
        with torch.inference_mode():
            self.choices.set(row, GREEDY)  # what an idle row wished for must not slow the others down
        del self.fed[row][kept:]
        self._drop_forced(row)
        self.lengths[row], self.live[row] = kept, False
        self.row_changed(row)
        return kept

    def release(self, row: int) -> None:
        """See `Step`."""
        self.cut(row, 0)

    def check_room(self, length: int) -> None:
        """Make room for `length` tokens in a row. Raises EngineError beyond the model's context."""
        if self.context is not None and length > self.context:
            raise EngineError(
                f"the model's context of {self.context:,} tokens is full", "", "Shorten the prompt or the answer"
            )

    def _check_tokens(self, choice: TokenChoice) -> None:
        """Raises UsageError for a token of a choice that is none of the model's."""
        breakers = () if choice.dry is None else choice.dry.breakers
        for token in (*(token for token, _ in choice.bias), *choice.stop_ids, *breakers):
            if not 0 <= token < self.vocabulary:
                raise UsageError(
                    f"{token} is no token of the model, which has {self.vocabulary:,}",
                    "sampling settings",
                    "Use ids of this model's tokenizer",
                )

    def _put_forced(self, row: int) -> None:
        """Replace the chosen token of a live row that is to be fed given ones, unless it is one already or the host has
        read it. The scores it was chosen from are still there."""
        if self._is_settled[row] or not self._forced[row] or not self.live[row]:
            return
        self._is_settled[row] = True
        self.tokens[row] = self._forced[row].popleft()
        if self.choices.alternatives(row) is not None:
            only = slice(row, row + 1)
            self._token_scores.measure(self.logits[only], self.tokens[only], only)

    def _drop_forced(self, row: int) -> None:
        self._forced[row].clear()
        self._is_settled[row] = False

    def _choose(self, rows: slice) -> torch.Tensor:
        positions = device_tensor(self.lengths[rows], self.device)
        tokens = self.choices.choose(self.logits[rows], rows, positions)
        if self.choices.wants_scores(range(self.rows)[rows]):
            self._token_scores.measure(self.logits[rows], tokens, rows)
        return tokens

    @abstractmethod
    def feed_prompt(self, row: int, ids: torch.Tensor) -> torch.Tensor:
        """Append `ids`, shape (1, n), to the row's cache, which holds `lengths[row]` tokens; returns the scores of the
        next token, shape (vocabulary,)."""

    @abstractmethod
    def feed_tokens(self, live: list[int]) -> None:
        """Append each live row's token to its cache, write the next scores to `logits` and the best next token to
        `tokens`."""

    @abstractmethod
    def cut_cache(self, row: int, length: int) -> int:
        """Keep the first `length` tokens of the row's cache; returns how many it kept."""

    @abstractmethod
    def copy_cache(self, row: int) -> CacheCopy:
        """The row's cache, in memory of its own."""

    @abstractmethod
    def paste_cache(self, row: int, copy: CacheCopy) -> None:
        """Put a copy into the row's cache, which is empty. The copy stays as it is."""

    def row_changed(self, row: int) -> None:  # noqa: B027 (not every step keeps state of its own)
        """Called when a row's length or life changed other than by a step."""
