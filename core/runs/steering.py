"""What may be asked of a training run while it works, and with which values. The command line refuses nonsense at once,
and the run refuses what reaches it all the same.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from core.base.errors import RunError
from core.runs.job_requests import JobRequest
from core.runs.known_names import did_you_mean
from core.runs.spec_sections import RunSpec

REQUEST_KINDS = {
    "pause": "save a checkpoint and end the process; resuming goes on from there",
    "checkpoint": "save a checkpoint and go on",
    "evaluate": "evaluate on the rows kept out and go on",
    "sample": "let the model answer the probe questions and go on",
    "stop": "save the adapter and a checkpoint, and end",
    "discard": "end without saving, and remove the checkpoints",
    "rate": "multiply the learning rate from here on",
    "set": "change a setting from here on",
}
"""Everything that a run obeys, in words."""
_LOWEST_FACTOR, _HIGHEST_FACTOR = 1e-3, 1e3


class LiveSettings(msgspec.Struct):
    """The settings that may change while a run works."""

    save_steps: int
    """Optimizer steps between checkpoints; 0: only the last one."""
    keep_checkpoints: int
    """How many whole checkpoints are kept; 0: all."""
    max_grad_norm: float
    """Gradients are clipped to this norm; 0: not."""
    validation_steps: int
    """Optimizer steps between evaluations; 0: only at the end."""
    patience: int
    """Evaluations without a lower loss after which the run stops; 0: never."""
    on_bad_loss: str
    """What a bad loss does: `stop`, `back_off` or `go_on`."""
    samples_steps: int = 0
    """Optimizer steps between samples; 0: only where one is asked for."""

    @classmethod
    def of_spec(cls, spec: RunSpec) -> LiveSettings:
        train, validation = spec.train, spec.validation
        return cls(
            train.save_steps,
            train.keep_checkpoints,
            train.max_grad_norm,
            validation.steps,
            validation.patience,
            train.on_bad_loss,
            spec.samples.steps,
        )


LIVE_KEYS = {
    "train.save_steps": "save_steps",
    "train.keep_checkpoints": "keep_checkpoints",
    "train.max_grad_norm": "max_grad_norm",
    "train.on_bad_loss": "on_bad_loss",
    "validation.steps": "validation_steps",
    "validation.patience": "patience",
    "samples.steps": "samples_steps",
}
"""The keys of run.toml that `set` takes, and their fields in `LiveSettings`."""
_BAD_LOSS = ("stop", "back_off", "go_on")


def check_request(request: JobRequest, spec: RunSpec) -> JobRequest:
    """The request with its value as a number where it is one. Raises RunError where a run of `spec` cannot obey it."""
    if request.kind not in REQUEST_KINDS:
        if request.kind == "unreadable":
            raise RunError(f"the request cannot be read: {request.value}", request.name, "Ask again")
        raise RunError(
            f"nothing is known by the name {request.kind!r}", request.name, did_you_mean(request.kind, REQUEST_KINDS)
        )
    if request.kind == "rate":
        return msgspec.structs.replace(request, value=_factor(request))
    if request.kind == "set":
        return msgspec.structs.replace(request, value=_setting(request, spec))
    if request.kind == "evaluate" and not spec.validation.share:
        raise RunError("no rows are kept out to evaluate on", request.name, "Start a run with validation.share")
    return request


def _factor(request: JobRequest) -> float:
    factor = _number(request.value)
    if not _LOWEST_FACTOR <= factor <= _HIGHEST_FACTOR:
        what = f"the factor of the rate must be a number from {_LOWEST_FACTOR:g} to {_HIGHEST_FACTOR:g}"
        raise RunError(f"{what}, not {request.value!r}", request.name, "Ask for `rate 0.5`, which halves it")
    return factor


def _setting(request: JobRequest, spec: RunSpec) -> int | float | str:
    key = request.key
    if key not in LIVE_KEYS:
        what = f"{key or 'a setting without a name'} cannot be changed while a run works"
        raise RunError(what, request.name, did_you_mean(key, LIVE_KEYS))
    if key == "train.on_bad_loss":
        if request.value not in _BAD_LOSS:
            raise RunError(f"{key} must be one of {', '.join(_BAD_LOSS)}", request.name, f"Change {key}")
        return str(request.value)
    if key.startswith("validation.") and not spec.validation.share:
        raise RunError("no rows are kept out to evaluate on", request.name, "Start a run with validation.share")
    number = _number(request.value)
    whole = key != "train.max_grad_norm"
    if not 0 <= number < 10**12 or (whole and number != int(number)):
        kind = "a whole number" if whole else "a number"
        raise RunError(f"{key} must be {kind} of at least 0, not {request.value!r}", request.name, f"Change {key}")
    return int(number) if whole else number


def _number(value: Any) -> float:
    """NaN where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan
