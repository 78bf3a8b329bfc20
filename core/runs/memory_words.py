"""What the next run is estimated to take of the memory that is free now, in words, for a form that is being edited."""

from __future__ import annotations

import time
from functools import lru_cache

from core.base.errors import SuironError
from core.models.fit.changes import changes_that_fit
from core.models.fit.constants import GIB
from core.models.fit.estimate import Estimate, estimate_memory
from core.models.fit.free_memory import DeviceMemory, gpu_memory, main_memory
from core.models.fit.header_shape import shape_of_folder
from core.models.fit.measured_peaks import peak_key, peaks_of
from core.models.fit.memory import setting_text
from core.models.fit.training_shape import Placement, TrainingShape
from core.models.tokenizer_folder import tokenizer_folder
from core.runs.spec import RunSpec
from core.runs.spec_memory import placement_of, training_shape_of

_SECONDS = 5.0  # for which the free memory is not asked again: nvidia-smi takes a while


def memory_line(spec: RunSpec) -> str:
    """`at 2,048 tokens a row 1.3 GiB of 15.2 free, fits`, with the cheapest change that makes it fit where it does not;
    empty where the model is not on this disk. Rows count as long as they may be. Reads headers and asks the GPU, no
    weights."""
    try:
        folder = tokenizer_folder(spec.model.name)
        if folder is None or not (folder / "config.json").is_file():
            return ""
        shape = shape_of_folder(folder)
    except (SuironError, OSError):
        return ""  # what is wrong with the model is said where it is chosen
    gpu = _gpu_now()
    memory = gpu or main_memory()
    placement, training = placement_of(spec, gpu is not None), training_shape_of(spec)

    def estimate(held: Placement, step: TrainingShape) -> Estimate:
        return estimate_memory(shape, held, step, peaks_of(peak_key(shape, held, step)))

    found = estimate(placement, training)
    verdict = found.verdict(memory.free)
    words = f"at {training.tokens:,} tokens a row {found.gib:.1f} GiB of {memory.free / GIB:.1f} free, {verdict}"
    if verdict == "fits":
        return words
    changes = changes_that_fit(placement, training, memory.free, estimate)
    if not changes:
        return f"{words}; choose a smaller model"
    return f"{words}; with " + ", ".join(f"{key} = {setting_text(value)}" for key, value in changes[0].settings.items())


def _gpu_now() -> DeviceMemory | None:
    return _gpu_in(int(time.monotonic() // _SECONDS))


@lru_cache(maxsize=1)
def _gpu_in(period: int) -> DeviceMemory | None:
    """The GPU's memory as it was when first asked in this period of `_SECONDS`."""
    return gpu_memory()
