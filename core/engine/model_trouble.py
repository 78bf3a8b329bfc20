"""Errors of models, in three parts."""

from __future__ import annotations

import logging

from core.base.errors import EngineError, ModelError, SuironError
from core.base.safe_text import safe_line

_log = logging.getLogger("suiron.engine")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on the GPU or beside it."""
    # torch's own errors, without importing torch here
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )


def in_three_parts(error: Exception, model: str) -> SuironError:
    """The error in three parts. An unexpected one goes into the log with its traceback."""
    if isinstance(error, SuironError):
        return error
    _log.error("unexpected error", exc_info=error)
    if is_out_of_memory(error):
        return ModelError("memory ran out", model, "Choose a smaller model or a shorter prompt, or end other programs")
    return ModelError(
        f"{type(error).__name__}: {error}", model, "The engine's log has the details; load the model again"
    )


def scores_without_numbers() -> EngineError:
    """A model whose scores are NaN or infinite."""
    return EngineError(
        "the model's scores are not numbers",
        "",
        "Its weights are damaged or its training diverged: load another model",
    )


def gpu_is_lost(error: BaseException) -> EngineError:
    """The error for a fault on the GPU, after which the process cannot use it any more."""
    words = safe_line(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__, 200)
    return EngineError(
        f"the GPU failed ({words}), and the inference server cannot use it any more: it ends",
        "the GPU",
        "Ask again: a new server starts",
    )
