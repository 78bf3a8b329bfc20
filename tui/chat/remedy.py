"""What a key can do against trouble with the engine."""

from __future__ import annotations

from typing import Literal

from core.base.errors import SuironError
from core.engine.protocol import EngineHangs, ModelHeld
from tui.actions import key_of

Remedy = Literal["", "end", "take"]
"""end: the engine hangs, and can be ended. take: other terminals' models can be unloaded. Empty: there is none."""


def remedy_for(error: SuironError) -> tuple[Remedy, SuironError]:
    """The remedy against an error, and the error with the key in its advice."""
    key = key_of("chat.free_engine")
    match error:
        case EngineHangs():
            return "end", EngineHangs(error.what, error.where, f"{key} ends it and asks again; your texts stay")
        case ModelHeld():
            return "take", ModelHeld(error.what, error.where, f"Wait until it is given up, or {key} takes its place")
        case _:
            return "", error
