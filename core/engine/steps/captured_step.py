"""The captured step: the model's own forward pass over one token of each row, recorded as a CUDA graph and replayed.

Without a GPU the same pass runs unrecorded; that is slower than the plain step and serves the tests.
"""

from __future__ import annotations

from typing import Any

import torch

from core.engine.steps.cache_copy import CacheCopy
from core.engine.steps.choose_tokens import best_tokens
from core.engine.steps.row_cache import SMALLEST, RowCache
from core.engine.steps.rows import RowStep

_WARM_UPS = 3  # libraries choose their algorithms and allocate workspaces in their first calls


class CapturedStep(RowStep):
    """Serves models of which `captured_verdict` approves. The graph is recorded at the first step and whenever the
    cache has grown."""

    path = "captured"

    def __init__(self, model: Any, rows: int = 1, capacity: int = SMALLEST) -> None:
        super().__init__(model, rows)
        self.cache = RowCache(self.model, rows, capacity)
        self.positions = torch.zeros(rows, dtype=torch.int64, device=self.device)
        self._moves = torch.zeros(rows, dtype=torch.int64, device=self.device)  # 1 where the row is live
        self._graph: Any = None

    def feed_prompt(self, row: int, ids: torch.Tensor) -> torch.Tensor:
        """See `RowStep`."""
        return self.cache.feed_prompt(row, ids, self.lengths[row])

    def feed_tokens(self, live: list[int]) -> None:
        """See `RowStep`. The graph has one adapter: all live rows are of it."""
        self.switch.use(self.adapters[live[0]])
        if self.device.type != "cuda":
            self._forward()
            return
        if self._graph is None:
            self._record()
        self._graph.replay()

    def cut_cache(self, row: int, length: int) -> int:
        """See `RowStep`."""
        return length

    def copy_cache(self, row: int) -> CacheCopy:
        """See `RowStep`."""
        return self.cache.copy_row(row, self.lengths[row])

    def paste_cache(self, row: int, copy: CacheCopy) -> None:
        """See `RowStep`."""
        self.cache.paste_row(row, copy)

    def row_changed(self, row: int) -> None:
        """See `RowStep`."""
        self.positions[row] = self.lengths[row]
        self._moves[row] = int(self.live[row])

    def check_room(self, length: int) -> None:
        """See `RowStep`."""
        super().check_room(length)
        if self.cache.grow(length + 1):  # a row that is not live writes, unread, behind its last token
            self._graph = None

    def _record(self) -> None:
        """Record one step. The warm-up steps before it run at the rows' own places and are undone."""
        tokens, positions = self.tokens.clone(), self.positions.clone()
        stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._forward()
                self.tokens.copy_(tokens)
                self.positions.copy_(positions)
        torch.cuda.current_stream(self.device).wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # thread_local: another thread may read a model's weights onto the GPU meanwhile
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self._forward()
        self._graph = graph

    def _forward(self) -> None:
        places = torch.arange(self.cache.capacity, device=self.device)
        mask = (places <= self.positions[:, None])[:, None, None]
        out = self.model(
            input_ids=self.tokens[:, None].clamp_min(0),
            past_key_values=self.cache.as_transformers_cache(self.positions),
            position_ids=self.positions[:, None],
            attention_mask=mask,
            use_cache=True,
            return_dict=True,
        )
        self.logits.copy_(out.logits[:, -1])
        self.tokens.copy_(best_tokens(self.logits))
        self.positions.add_(self._moves)
