"""What server and client say to each other, beyond the OpenAI API's own words. Light: no torch, no HTTP library."""

from __future__ import annotations

from typing import Literal

import msgspec

FinishReason = Literal["end", "length", "stopped", "runaway"]
Ending = Literal["complete", "in_reasoning", "runaway"]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to ask. `tuned` False asks the base model beneath the adapter. temperature 0 is greedy; `seed` makes sampling repeatable."""

    instruction: str
    input: str = ""
    template: str = "alpaca-reasoning"
    drop_empty_input: bool = False
    tuned: bool = True
    max_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None


class Piece(msgspec.Struct, frozen=True, tag="piece"):
    """New text of one section. Foreign: it passes `safe_text` before it is shown."""

    section: Literal["reasoning", "response"]
    text: str


class Finish(msgspec.Struct, frozen=True, tag="finish"):
    """How an answer ended, and its timings in seconds, measured in the server. `ending` is the splitter's."""

    reason: FinishReason
    ending: Ending
    prompt_tokens: int
    tokens: int
    prefill_seconds: float
    first_token_seconds: float
    total_seconds: float
    tokens_per_second: float


class EngineStatus(msgspec.Struct, frozen=True):
    """What the server holds. `backend` says which library decodes, on what, and why; `message` what it is doing, or why it failed."""

    state: Literal["empty", "loading", "ready", "failed"]
    model: str = ""
    adapter: str = ""
    backend: str = ""
    message: str = ""
    error: tuple[str, str, str] | None = None  # what, where, do: as in SuironError
    pid: int = 0
    memory_gib: float | None = None
