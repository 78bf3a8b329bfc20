"""What server and client say to each other, beyond the OpenAI API's own words. Light: no torch, no HTTP library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Literal, Protocol

import msgspec

FinishReason = Literal["end", "length", "stopped", "runaway"]
Ending = Literal["complete", "in_reasoning", "runaway"]


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to ask. `tuned` False asks the base model beneath the adapter. temperature 0 is greedy; `seed` makes
    sampling repeatable.

    language: as a row's syslang; it chooses the version of a template that has several. data: the data set beside which
    a template may lie.
    """

    instruction: str
    input: str = ""
    language: str = ""
    template: str = "alpaca-reasoning"
    data: str = ""
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
    """How an answer ended, and its timings in seconds, measured in the server from the moment this answer's prompt is
    fed to the model.

    `ending` is the splitter's. `tokens` counts the new ones without the end-of-sequence token; `tokens_per_second` is
    the rate of those after the first, so that it does not depend on the prompt's length.
    """

    reason: FinishReason
    ending: Ending
    prompt_tokens: int
    tokens: int
    prefill_seconds: float
    first_token_seconds: float
    total_seconds: float
    tokens_per_second: float


class EngineStatus(msgspec.Struct, frozen=True):
    """What the server holds. `backend` says which library decodes, on what, and why; `message` what it is doing, or why
    it failed."""

    state: Literal["empty", "loading", "ready", "failed"]
    model: str = ""
    adapter: str = ""
    backend: str = ""
    message: str = ""
    error: tuple[str, str, str] | None = None  # what, where, do: as in SuironError
    pid: int = 0
    memory_gib: float | None = None


class Engine(Protocol):
    """What the chat screen and the command line call: `client.EngineClient` is one, a scripted one stands in for it in
    tests.

    One answer at a time: `ask` is read to its end, or closed, before the next `ask`. Every method raises EngineError
    where the server refuses or is gone.
    """

    async def status(self) -> EngineStatus | None:
        """What the server holds, or None where none runs. Starts nothing."""

    async def ensure(self, model: str, adapter: str, on_status: Callable[[EngineStatus], None]) -> EngineStatus:
        """Start the server if none runs, make it hold `model` with the adapter in the folder `adapter` (empty: none),
        and wait until it does.

        `on_status` hears of every change, at most ten times a second. Raises ModelError where the model or adapter
        cannot be loaded.
        """

    def ask(self, question: Question) -> AsyncIterator[Piece | Finish]:
        """The answer, piece by piece; a Finish is its last item. Leaving the iteration early ends the answer in the
        server too."""

    async def stop(self) -> None:
        """End the answer in progress within two tokens: its iteration goes on to a Finish whose reason is `stopped`.
        Without one: nothing."""

    async def shutdown(self) -> None:
        """End the server, if one runs."""
