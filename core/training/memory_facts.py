"""What a run keeps of its memory: the estimate in its facts, its peak for later estimates. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from core.models.fit.constants import GIB
from core.models.fit.measured_peaks import MeasuredPeak, keep_peak

if TYPE_CHECKING:
    from core.models.fit.memory import FitCheck
    from core.models.loading import LoadedModel


def memory_facts(fit: FitCheck) -> dict[str, Any]:
    """The estimate as facts of a run: sizes in GiB, the verdict, and how the model is held."""
    estimate = fit.estimate
    return {
        "estimate_gib": round(estimate.gib, 3),
        "low_gib": round(estimate.low / GIB, 3),
        "high_gib": round(estimate.high / GIB, 3),
        "parts": {name: round(value / GIB, 3) for name, value in msgspec.structs.asdict(estimate.parts).items()},
        "verdict": fit.verdict,
        "placement": msgspec.structs.asdict(fit.placement),
    }


def keep_run_peak(loaded: LoadedModel, largest_pass: tuple[int, int], peak_gib: float, run: str) -> None:
    """Keep the peak of a training. largest_pass: rows and tokens; run: its id, empty for a probe. Raises OSError."""
    if loaded.fit is None or not loaded.fit.key:
        return
    rows, tokens = largest_pass
    peak = MeasuredPeak(
        key=loaded.fit.key,
        batch_size=rows,
        tokens=tokens,
        peak=int(peak_gib * GIB),
        device=loaded.backend.machine,
        run=run,
    )
    keep_peak(peak)
