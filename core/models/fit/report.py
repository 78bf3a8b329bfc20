"""The answer to "will it fit?", for programs and as a small table."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import msgspec

from core.models.fit.changes import Change
from core.models.fit.constants import GIB
from core.models.fit.estimate import Estimate, Verdict
from core.models.fit.memory import setting_text
from core.models.fit.model_shape import ModelShape
from core.models.fit.training_shape import Placement, TrainingShape

_WIDTH = 80


class FitReport(msgspec.Struct, frozen=True, kw_only=True):
    """A training, its memory, and what would make it fit."""

    model: str
    """The model's name."""
    shape: ModelShape
    """Its shape."""
    placement: Placement
    """How it is held."""
    training: TrainingShape
    """The settings of its training."""
    rows_known: int
    """Rows whose lengths are known; 0: every row counts as long as it may be."""
    estimate: Estimate
    """Its memory."""
    free: int
    """Bytes that are free on the device, or that it has in all where it is not this machine's."""
    device: str
    """The device's name."""
    changes: list[Change]
    """What makes it fit, the cheapest first; empty where it fits."""

    @property
    def verdict(self) -> Verdict:
        """Whether it fits."""
        return self.estimate.verdict(self.free)

    def record(self) -> dict[str, Any]:
        """The report for programs: sizes in GiB."""
        estimate, training = self.estimate, self.training
        return {
            "model": self.model,
            "family": self.shape.family,
            "parameters": self.shape.parameters,
            "backend": self.placement.backend,
            "bits": 4 if self.placement.four_bit else 8 * self.placement.width,
            "device": self.device,
            "batch_size": training.batch_size,
            "tokens": training.tokens,
            "rows_known": self.rows_known,
            "estimate_gib": _gib(estimate.total),
            "low_gib": _gib(estimate.low),
            "high_gib": _gib(estimate.high),
            "context_gib": _gib(estimate.context),
            "parts": {name: _gib(value) for name, value in msgspec.structs.asdict(estimate.parts).items()},
            "free_gib": _gib(self.free),
            "verdict": self.verdict,
            "from": "headers" if self.shape.is_exact else "config.json",
            "known_family": self.shape.is_known,
            "measured_runs": estimate.measured,
            "changes": [
                {
                    "settings": change.settings,
                    "words": change.words,
                    "estimate_gib": _gib(change.estimate.total),
                    "low_gib": _gib(change.estimate.low),
                    "high_gib": _gib(change.estimate.high),
                    "verdict": change.verdict,
                }
                for change in self.changes
            ],
        }

    def lines(self) -> Iterator[str]:
        """The report as lines of at most 80 columns, except where a name is longer."""
        shape, training, estimate = self.shape, self.training, self.estimate
        bits = 4 if self.placement.four_bit else 8 * self.placement.width
        library = "Unsloth" if self.placement.backend == "unsloth" else "Transformers + PEFT"
        exact = "" if shape.is_exact else ", from config.json alone"
        yield self.model
        yield f"  {shape.parameters / 1e9:.2f} billion parameters ({shape.family}){exact}"
        yield f"  {library}, {bits} bit, LoRA r {training.r} on {len(training.target_modules)} modules"
        rows = f"the longest of {self.rows_known:,} rows" if self.rows_known else "full-length rows"
        checkpointing = "" if training.gradient_checkpointing else ", activations kept"
        yield f"  {training.batch_size} x {training.tokens} tokens a pass ({rows}){checkpointing}"
        yield ""
        for name, value in msgspec.structs.asdict(estimate.parts).items():
            yield f"  {name:<12}{value / GIB:8.2f} GiB"
        yield f"  {'estimate':<12}{estimate.gib:8.2f} GiB   {estimate.low / GIB:.2f} to {estimate.high / GIB:.2f}"
        if estimate.context:
            yield f"  {'context':<12}{estimate.context / GIB:8.2f} GiB   of CUDA, on top"
        yield f"  {'free':<12}{self.free / GIB:8.2f} GiB   {self.device}"
        if estimate.measured:
            yield f"  (corrected by {estimate.measured} measured before)"
        yield ""
        yield {"fits": "It fits.", "tight": "It is tight.", "does not fit": "It does not fit."}[self.verdict]
        if not self.changes and self.verdict != "fits":
            yield "No smaller setting makes it fit: a smaller model, or a larger GPU."
        for change in self.changes:
            settings = ", ".join(f"{key} = {setting_text(value)}" for key, value in change.settings.items())
            yield from textwrap.wrap(
                f"{change.estimate.gib:8.2f} GiB  {settings}",
                _WIDTH,
                initial_indent="  ",
                subsequent_indent=" " * 16,
                break_long_words=False,
            )
            yield from textwrap.wrap(
                change.words, _WIDTH, initial_indent=" " * 16, subsequent_indent=" " * 16, break_long_words=False
            )


def _gib(count: int) -> float:
    return round(count / GIB, 3)
