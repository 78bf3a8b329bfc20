"""A run that ran out of memory: which part of it grew, and the smallest change that fits. Imports nothing heavy."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import SuironError
from core.models.fit.changes import changes_that_fit
from core.models.fit.constants import GIB
from core.models.fit.estimate import Estimate, estimate_memory
from core.models.fit.free_memory import main_memory
from core.models.fit.header_shape import shape_of_folder
from core.models.fit.measured_peaks import MeasuredPeak
from core.models.fit.memory import setting_text
from core.models.fit.training_shape import Placement, TrainingShape
from core.runs.spec import RunSpec
from core.runs.spec_memory import training_shape_of

_TOTAL = re.compile(r"total capacity of ([\d.]+) GiB")
_OTHERS = re.compile(r"Process \d+ has ([\d.]+) GiB memory in use")
_PARTS = (
    ("the optimizer's state", re.compile(r"optim|_get_optimizer|init_state")),
    ("the model's weights", re.compile(r"from_pretrained|load_state_dict|_load_pretrained|get_peft_model")),
    ("the scores over the vocabulary", re.compile(r"cross_entropy|logprob")),
    ("the activations of the backward pass", re.compile(r"backward")),
)
"""What is computed, by the names of functions, files and modules in which memory ran out; the first that is found."""


def part_that_grew(error: BaseException) -> str:
    """What was being made when memory ran out, by where that happened; empty where the error does not tell."""
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        for part, pattern in _PARTS:
            if pattern.search(f"{Path(frame.filename).name} {frame.name}"):
                return part
    return "the activations" if frames else ""


def change_that_fits(error: BaseException, spec: RunSpec, facts: dict[str, Any]) -> str:
    """The smallest change of the settings that fits, as a sentence without its full stop; empty where the facts of the
    run do not tell, or nothing fits.

    That memory ran out is itself a measurement: the run takes more than there is, whatever was estimated.
    """
    try:
        placement = msgspec.convert(facts["memory"]["placement"], Placement)
        shape = shape_of_folder(Path(facts["model_folder"]))
        longest = int(facts["longest_row_tokens"])
    except (KeyError, TypeError, ValueError, msgspec.ValidationError, SuironError):
        return ""
    training = training_shape_of(spec, longest)
    checkpointing = bool(facts.get("gradient_checkpointing", training.gradient_checkpointing))
    training = msgspec.structs.replace(training, gradient_checkpointing=checkpointing)
    room = _room(error, placement)
    before = estimate_memory(shape, placement, training)
    at_least = max(before.total, room)
    measured = MeasuredPeak(key="", batch_size=training.batch_size, tokens=training.tokens, peak=at_least)

    def estimate_of(held: Placement, step: TrainingShape) -> Estimate:
        known = [measured] if at_least > before.total else []
        return estimate_memory(shape, held, step, known)

    changes = changes_that_fit(placement, training, room, estimate_of)
    if not changes:
        return ""
    settings = ", ".join(f"{key} = {setting_text(value)}" for key, value in changes[0].settings.items())
    return (
        f"Set {settings}, which takes about {changes[0].estimate.gib:.1f} GiB of {room / GIB:.1f}: {changes[0].words}"
    )


def _room(error: BaseException, placement: Placement) -> int:
    """Bytes that the run may take on its device."""
    text = str(error)
    total = _TOTAL.search(text)
    if placement.on_gpu and total is not None:
        others = sum(float(size) for size in _OTHERS.findall(text)[:-1])  # the last is this process
        return int((float(total.group(1)) - others) * GIB)
    return main_memory().free if not placement.on_gpu else 0
