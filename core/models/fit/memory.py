"""Whether a model fits into the memory that is free, said before a weight is read.

It warns. It refuses only what is certain: weights that alone take more than the whole device has.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.base.errors import ModelError
from core.models.fit.changes import changes_that_fit
from core.models.fit.constants import GIB
from core.models.fit.estimate import Estimate, Verdict, estimate_memory
from core.models.fit.free_memory import DeviceMemory, main_memory
from core.models.fit.header_shape import shape_of_folder
from core.models.fit.measured_peaks import peak_key, peaks_of
from core.models.fit.model_shape import ModelShape
from core.models.fit.training_shape import Placement, TrainingShape

__all__ = ["FitCheck", "Placement", "TrainingShape", "check_fits", "estimate_of_folder"]


class FitCheck(msgspec.Struct, frozen=True):
    """What is said of a load before it is begun."""

    estimate: Estimate
    """The memory that it takes."""
    verdict: Verdict
    """Whether that fits."""
    warning: str
    """What may go wrong and what helps, as sentences; empty where it fits."""
    placement: Placement
    """How the model is held."""
    key: str = ""
    """What its peak depends on (see `peak_key`); empty where it is only loaded."""


def estimate_of_folder(folder: Path, placement: Placement, training: TrainingShape | None) -> Estimate:
    """The estimate for the model in `folder`, corrected by earlier runs. Raises ModelError."""
    return _estimate(shape_of_folder(folder), placement, training)


def check_fits(
    folder: Path,
    placement: Placement,
    training: TrainingShape | None = None,
    memory: DeviceMemory | None = None,
    *,
    insist: bool = False,
) -> FitCheck:
    """What is to be said of loading the model in `folder`, or of training it. memory: the device's; None: main memory.

    insist: never refuse. Raises ModelError where the weights alone take more than the device has in all.
    """
    memory = memory or main_memory()
    shape = shape_of_folder(folder)
    estimate = _estimate(shape, placement, training)
    weights = estimate.parts.weights
    if weights > memory.total and shape.is_exact and not insist:
        what = f"its weights alone take {_gib(weights)} GiB, and {memory.name} has {_gib(memory.total)} in all"
        raise ModelError(what, str(folder), _smaller_model(placement, memory))
    verdict = estimate.verdict(memory.free)
    words = ""
    if verdict != "fits":
        need = f"about {_gib(estimate.total + estimate.context)} GiB"
        need += f" ({_gib(estimate.low + estimate.context)} to {_gib(estimate.high + estimate.context)})"
        judged = "may not be enough" if verdict == "tight" else "will hardly be enough"
        words = f"It needs {need}, and {_gib(memory.free)} GiB of {memory.name} are free, which {judged}."
        words += f" {_advice(shape, placement, training, memory)}"
    return FitCheck(
        estimate, verdict, words, placement, "" if training is None else peak_key(shape, placement, training)
    )


def _estimate(shape: ModelShape, placement: Placement, training: TrainingShape | None) -> Estimate:
    peaks = () if training is None else peaks_of(peak_key(shape, placement, training))
    return estimate_memory(shape, placement, training, peaks)


def _advice(shape: ModelShape, placement: Placement, training: TrainingShape | None, memory: DeviceMemory) -> str:
    if training is not None:
        changes = changes_that_fit(placement, training, memory.free, lambda *held: _estimate(shape, *held))
        if changes:
            settings = ", ".join(f"{key} = {setting_text(value)}" for key, value in changes[0].settings.items())
            return f"With {settings} it takes {changes[0].estimate.gib:.1f} GiB."
    elif placement.on_gpu and not placement.four_bit:
        quantised = estimate_memory(shape, msgspec.structs.replace(placement, four_bit=True), None)
        if quantised.verdict(memory.free) == "fits":
            return f"With model.load_in_4bit = true it takes {quantised.gib:.1f} GiB."
    return f"{_smaller_model(placement, memory)}."


def _smaller_model(placement: Placement, memory: DeviceMemory) -> str:
    billions = memory.free * 0.7 / (0.6 if placement.four_bit else placement.width) / 1e9
    return f"Choose a model of at most about {billions:.1f} billion parameters, or end other programs that use memory"


def setting_text(value: object) -> str:
    """A setting's value as it is written in a specification."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _gib(count: int) -> str:
    return f"{count / GIB:.1f}"
