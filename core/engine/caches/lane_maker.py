"""Makes the lanes of a model: which path, how many rows, and why no faster path answers."""

from __future__ import annotations

from typing import Any

import torch

from core.engine.caches.lane import Lane
from core.engine.steps.adapter_switch import AdapterSwitch
from core.engine.steps.choose_step import StepChooser
from core.engine.steps.plain_step import PlainStep
from core.engine.steps.row_cache import SMALLEST, attends_to_everything
from core.engine.steps.step import StepPath, StepVerdict

MOST_ROWS = 8
"""Answers at once of one model: the columns of the fused kernel."""
SIZES = (1, 2, 4, MOST_ROWS)
"""Numbers of rows for which a step is made."""
_PROBE = tuple(range(3, 43))


class LaneMaker:
    """For one model with its loaded adapters. Make it anew when they change."""

    def __init__(self, model: Any, adapters: tuple[str, ...] = ()) -> None:
        """model: as for `RowStep`. adapters: the labels of those that are loaded."""
        self.model = model
        self.base = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._adapters = adapters
        self._choosers: dict[int, StepChooser] = {}
        self._continues: bool | None = None
        if any(verdict.path == "fused" and verdict.possible for verdict in self.verdicts):
            self.chooser(MOST_ROWS)  # its kernel is compiled before somebody needs it

    def chooser(self, size: int) -> StepChooser:
        """The chooser of steps with `size` rows."""
        if size not in self._choosers:
            self._choosers[size] = StepChooser(self.model, size, adapters=max(1, len(self._adapters)))
        return self._choosers[size]

    def path(self, size: int) -> StepPath:
        """The path of a new lane of this size."""
        return self.chooser(size).path

    @property
    def verdicts(self) -> tuple[StepVerdict, ...]:
        """What is known of each path for one row, the fastest first."""
        return self.chooser(1).verdicts

    def why_not_faster(self, path: str, *, cold: bool = False) -> str:
        """Why no faster path than `path` answers; empty for the fastest."""
        if cold:
            return "a cold answer was asked for"
        return "; ".join(self.reasons(path))

    def reasons(self, path: str) -> list[str]:
        """Why each faster path than `path` does not answer."""
        found = []
        for verdict in self.verdicts:
            if verdict.path == path:
                break
            if verdict.why:
                found.append(f"not {verdict.path}: {verdict.why}")
            elif verdict.path == "fused" and self.chooser(1).is_compiling:
                found.append("not fused: its kernel is still being compiled")
        return found

    def size_for(self, rows: int) -> int:
        """The smallest size with so many rows; the fused kernel serves all columns for the price of two."""
        if rows > 1 and self.path(MOST_ROWS) == "fused":
            return MOST_ROWS
        return next((size for size in SIZES if size >= rows), MOST_ROWS)

    def plain_lane(self) -> Lane:
        """A lane of the plain path. Its rows take turns, so that unused ones cost nothing."""
        return Lane(PlainStep(self.model, MOST_ROWS), MOST_ROWS)

    def lane(self, size: int, adapter: str | None) -> Lane | None:
        """A lane of `size` rows on the best path that is ready; None where only the plain path is, or memory is
        short. adapter: of all its rows, where the path cannot mix them."""
        chooser = self.chooser(size)
        if chooser.path == "plain":
            return None
        # The trial is of the adapter that will answer; on the fused path of any, because rows change theirs.
        tried = adapter if chooser.path == "captured" else next(iter(self._adapters), None)
        AdapterSwitch(self.base).use(tried)
        step = chooser.make()
        if step.path == "plain":
            return None
        return Lane(step, size, adapter, mixes=step.path != "captured")

    @property
    def row_bytes(self) -> int:
        """Memory of one preallocated row of the smallest capacity."""
        config = self.base.config
        if not attends_to_everything(self.base) or not hasattr(config, "num_key_value_heads"):
            return 0
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        values = 2 * config.num_hidden_layers * config.num_key_value_heads * width * SMALLEST
        return int(values * self.base.dtype.itemsize)

    @property
    def continues(self) -> bool:
        """Whether a prompt may be fed in parts. Some layers with a recurrent state begin anew, without an error, when
        they are fed several tokens behind it: that is tried once."""
        if self._continues is None:
            self._continues = attends_to_everything(self.base) or self._parts_equal_whole()
        return self._continues

    def _parts_equal_whole(self) -> bool:
        vocabulary = self.base.config.vocab_size
        ids = [token % vocabulary for token in _PROBE]
        step = PlainStep(self.model, 2)
        step.prefill(0, ids)
        step.feed(1, ids[:17])
        step.feed(1, ids[17:30])
        step.prefill(1, ids[30:])
        whole, parts = step.scores(0).float(), step.scores(1).float()
        apart = float((whole - parts).abs().max()) / max(float(whole.std()), 1e-6)
        return apart < 0.1 if self.base.dtype != torch.float32 else apart < 1e-2
