"""Chooses the step for a model: the fused one where it can serve and has proved itself, else the captured one, else the
plain one; with the reasons in words. No answer waits for a compiler: the kernel is made in a thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from core.base.errors import SuironError
from core.engine.steps.captured_step import CapturedStep
from core.engine.steps.eligibility import captured_verdict, fused_verdict
from core.engine.steps.fused_step import FusedKernel, FusedStep
from core.engine.steps.plain_step import PlainStep
from core.engine.steps.rows import RowStep
from core.engine.steps.step import StepPath, StepVerdict
from core.engine.steps.trial import try_step

_TRIAL_IDS = tuple(range(7, 71, 3))


class StepChooser:
    """The paths of one model and number of rows. Use it in the thread that owns the model."""

    def __init__(self, model: Any, rows: int = 1, trial_ids: Sequence[int] = _TRIAL_IDS, *, adapters: int = 1) -> None:
        """model: as for `RowStep`; a chooser ends with it and its adapters. trial_ids: the prompt of
        the trials, ids of the model's vocabulary. adapters: how many may answer at once on the fused path."""
        self._model, self._rows, self._adapters = model, rows, adapters
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._trial_ids = [token % base.config.vocab_size for token in trial_ids]
        self._verdicts: dict[StepPath, StepVerdict] = {
            "fused": fused_verdict(base),
            "captured": captured_verdict(base),
            "plain": StepVerdict("plain", True),
        }
        self._tried: set[StepPath] = set()
        self._kernel: FusedKernel | None = None
        self._compiling: threading.Thread | None = None
        if self._verdicts["fused"].possible:
            self._compiling = threading.Thread(target=self._compile, args=(base,), name="kernel", daemon=True)
            self._compiling.start()

    @property
    def verdicts(self) -> tuple[StepVerdict, ...]:
        """What is known of each path now, the fastest first."""
        return tuple(self._verdicts.values())

    @property
    def path(self) -> StepPath:
        """The path that `make` would take now, unless its trial fails."""
        if self._verdicts["fused"].possible and self._kernel is not None:
            return "fused"
        return "captured" if self._verdicts["captured"].possible else "plain"

    @property
    def is_compiling(self) -> bool:
        """Whether the kernel is still being made; until then another path answers."""
        return self._compiling is not None and self._compiling.is_alive()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the kernel is made, at most `seconds`. For benches and tests: answers do not wait."""
        if self._compiling is not None:
            self._compiling.join(seconds)

    def make(self) -> RowStep:
        """A new step of the best path that is ready now. A path is tried once, before its first use."""
        for path in ("fused", "captured"):
            step = self._make(path)
            if step is None:
                continue
            if path not in self._tried:
                self._tried.add(path)
                self._verdicts[path] = try_step(step, PlainStep(self._model), self._trial_ids)
            if self._verdicts[path].possible:
                return step
        return PlainStep(self._model, self._rows)

    def _make(self, path: StepPath) -> RowStep | None:
        if not self._verdicts[path].possible:
            return None
        try:
            if path == "captured":
                return CapturedStep(self._model, self._rows)
            if self._kernel is None:
                return None
            return FusedStep(self._model, self._kernel, self._rows)
        except (SuironError, RuntimeError) as error:  # out of memory, or a driver that refuses the kernel
            self._verdicts[path] = StepVerdict(path, False, f"it could not be set up ({error})")
            return None

    def _compile(self, base: Any) -> None:
        try:
            self._kernel = FusedKernel(base, self._rows, slots=self._adapters)
        except SuironError as error:
            self._verdicts["fused"] = StepVerdict("fused", False, error.what)
