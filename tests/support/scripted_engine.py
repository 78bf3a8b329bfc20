"""An `Engine` whose every step the test decides: pieces wait in a queue until the test hands them over. Loads no model,
opens no socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Literal

from core.engine.protocol import AnswerEvent, AnswerFinish, AnswerPiece, ChatQuestion, EngineStatus, FinishReason
from core.splitter.splitter import AnswerEnding

READY = EngineStatus(state="ready", model="demo", backend="scripted, no model")


def finish(reason: FinishReason = "end", ending: AnswerEnding = "complete", tokens: int = 12) -> AnswerFinish:
    """An AnswerFinish with timings that are easy to recognise."""
    return AnswerFinish(
        reason=reason,
        ending=ending,
        prompt_tokens=40,
        tokens=tokens,
        prefill_seconds=0.25,
        first_token_seconds=0.31,
        total_seconds=1.5,
        tokens_per_second=8.0,
    )


def reasoning(*texts: str) -> list[AnswerPiece]:
    return [AnswerPiece("reasoning", text) for text in texts]


def response(*texts: str) -> list[AnswerPiece]:
    return [AnswerPiece("response", text) for text in texts]


class ScriptedEngine:
    """`questions`, `ensured` and `stops` record the calls. `say` hands over items of the answer: pieces, a finish, or
    an error to raise.

    loads: what `ensure` reports before it is done; an error among them is raised. With `gate` set, `ensure` waits until
    it is opened.
    """

    def __init__(self, loads: Iterable[EngineStatus | Exception] = (), gate: asyncio.Event | None = None) -> None:
        self.loads = list(loads)
        self.gate = gate
        self.questions: list[ChatQuestion] = []
        self.ensured: list[tuple[str, str]] = []
        self.takes: list[bool] = []
        self.ends = 0
        self.stops = 0
        self.obeys = True
        self.open = 0  # answers being read
        self._items: asyncio.Queue[AnswerEvent | Exception | Literal["broken"]] = asyncio.Queue()

    def say(self, *items: AnswerEvent | Exception | Literal["broken"]) -> None:
        """Hand over the next items; "broken" ends the stream without a finish."""
        for item in items:
            self._items.put_nowait(item)

    async def status(self) -> EngineStatus | None:
        return READY if self.ensured else None

    async def ensure(
        self, model: str, adapter: str, on_status: Callable[[EngineStatus], None], *, take: bool = False
    ) -> EngineStatus:
        self.ensured.append((model, adapter))
        self.takes.append(take)
        loads, self.loads = self.loads, []
        for load in loads:
            if isinstance(load, Exception):
                raise load
            on_status(load)
        if self.gate is not None:
            await self.gate.wait()
        return READY

    async def ask(self, question: ChatQuestion) -> AsyncIterator[AnswerEvent]:
        self.questions.append(question)
        self._items = asyncio.Queue() if not self._items.qsize() else self._items
        self.open += 1
        try:
            while True:
                item = await self._items.get()
                if isinstance(item, Exception):
                    raise item
                if item == "broken":
                    return
                yield item
                if isinstance(item, AnswerFinish):
                    return
        finally:
            self.open -= 1

    async def stop(self) -> None:
        self.stops += 1
        if self.obeys and self.open:
            self.say(finish("stopped"))

    async def shutdown(self) -> None:
        self.ends += 1
        self.ensured.clear()
