"""How likely given continuations of a prefix are, by plain forward passes in turns. Runs in the thread that owns the
model; knows nothing of requests or sockets."""

from __future__ import annotations

import copy
from collections.abc import Generator, Sequence
from typing import Any

import torch

from core.engine.caches.prefix_store import common_prefix
from core.engine.steps.plain_step import PlainStep
from core.engine.steps.row_cache import attends_to_everything

_PASS = {"cuda": 1024, "cpu": 256}
"""Tokens of a turn: each makes a row of scores over the vocabulary."""
_MOST_TOGETHER = 32
"""Continuations in one pass."""

ScoringTurns = Generator[None, None, list[list[float]]]


class ContinuationScorer:
    """Keeps the last prefix: what the next one has in common with it is not fed again."""

    def __init__(self, model: Any, *, continues: bool) -> None:
        """model: as for `RowStep`. continues: whether its layers go on from a cache with several tokens."""
        self._step = PlainStep(model)
        self._continues = continues
        self._together = _MOST_TOGETHER if attends_to_everything(self._step.model) else 1
        self._pass = _PASS["cuda" if self._step.device.type == "cuda" else "cpu"]
        self._adapter: str | None = None
        self.kept = 0
        """Tokens of the last prefix that were not fed again."""

    @property
    def bytes(self) -> int:
        """Memory that the kept prefix takes."""
        return self._step.row_bytes(0)

    def score(self, prefix: Sequence[int], continuations: Sequence[Sequence[int]], adapter: str | None) -> ScoringTurns:
        """The natural log-probability of each token of each continuation behind `prefix`; a turn for each `next`.

        prefix and continuations: at least one token each. adapter: the label of the one that is asked; None: the base
        model.
        """
        if adapter != self._adapter:
            self._step.release(0)
            self._adapter = adapter
        self._step.set_adapter(0, adapter)
        self.kept = 0
        if self._continues:
            yield from self._feed_prefix(list(prefix[:-1]))
        found: list[list[float]] = [[] for _ in continuations]
        # Those of like lengths go together, so that little is padded.
        order = sorted(range(len(continuations)), key=lambda index: len(continuations[index]))
        while order:
            longest = len(continuations[order[-1]]) + (0 if self._continues else len(prefix))
            count = max(1, min(self._together, len(order), self._pass // min(longest, self._pass)))
            batch, order = order[-count:], order[:-count]
            yield from self._score_batch(prefix, [continuations[index] for index in batch], [found[it] for it in batch])
        return found

    def _feed_prefix(self, ids: list[int]) -> Generator[None, None, None]:
        step = self._step
        self.kept = step.cut(0, common_prefix(step.fed[0], ids))
        for start in range(self.kept, len(ids), self._pass):
            step.feed(0, ids[start : start + self._pass])
            yield

    def _score_batch(
        self, prefix: Sequence[int], batch: Sequence[Sequence[int]], found: Sequence[list[float]]
    ) -> Generator[None, None, None]:
        """Adds the log-probabilities of each continuation of `batch` to its list in `found`."""
        before = list(prefix[-1:]) if self._continues else list(prefix)
        rows = [[*before, *ids[:-1]] for ids in batch]
        longest = max(map(len, rows))
        device = self._step.device
        # Padded behind their ends: no token looks at what comes behind it.
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
        with torch.inference_mode():
            cache = copy.deepcopy(self._step.cache_of(0)) if self._continues else None
            if cache is not None and len(batch) > 1:
                cache.batch_repeat_interleave(len(batch))
            span = max(1, self._pass // len(batch)) if self._continues else longest
            first = len(before) - 1  # the place whose scores are of a continuation's first token
            for start in range(0, longest, span):
                self._step.switch.use(self._adapter)
                out = self._step.model(
                    input_ids=ids[:, start : start + span], past_key_values=cache, use_cache=True, return_dict=True
                )
                cache = out.past_key_values
                for row, (continuation, values) in enumerate(zip(batch, found, strict=True)):
                    begin = max(start, first)
                    tokens = continuation[begin - first : start + span - first]
                    if tokens:
                        scores = out.logits[row, begin - start : begin - start + len(tokens)].float()
                        chosen = torch.tensor([list(tokens)], device=device)
                        logs = scores.gather(-1, chosen.T)[:, 0] - scores.logsumexp(-1)
                        values += logs.tolist()
                yield
