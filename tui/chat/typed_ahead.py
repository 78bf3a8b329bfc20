"""Sends what is being typed to the engine, to be read and not answered, so that the answer begins at once when it is
asked for. A help and no more: it never waits in anybody's way, and what goes wrong with it is not worth a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import cast

import msgspec

from core.base.errors import SuironError
from core.engine.protocol import AnswerFinish, AnswerPiece, ChatQuestion, Engine

PAUSE = 0.4  # seconds after the last key
WORTH = 256  # bytes of UTF-8: about 64 tokens, and three times as many bytes as characters in East Asian text


class TypedAhead:
    """Call `typed` after every key, and `stop` before the engine is asked something else."""

    def __init__(self, question: Callable[[], ChatQuestion | None], engine: Callable[[], Engine | None]) -> None:
        """question: what would be asked now; None where nothing can be. engine: None where none was used yet."""
        self._question, self._engine = question, engine
        self._task: asyncio.Task[None] | None = None

    def typed(self) -> None:
        """The question has changed: what is sent of an older one ends."""
        if self._task is not None:
            self._task.cancel()
        self._task = asyncio.create_task(self._send(self._task))

    async def stop(self) -> None:
        """End what is being sent, and wait until that is done."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _send(self, older: asyncio.Task[None] | None) -> None:
        if older is not None:
            await asyncio.gather(older, return_exceptions=True)  # one question at a time
        await asyncio.sleep(PAUSE)
        question, engine = self._question(), self._engine()
        if question is None or engine is None or not is_worth_it(question):
            return
        question = msgspec.structs.replace(question, max_tokens=0)
        with suppress(SuironError):
            status = await engine.status()
            if status is None or status.state != "ready" or status.running or status.queued:
                return
            reading = cast("AsyncGenerator[AnswerPiece | AnswerFinish]", engine.ask(question))
            async with aclosing(reading) as parts:
                async for _ in parts:
                    pass


def is_worth_it(question: ChatQuestion) -> bool:
    """Whether reading it takes long enough to begin before it is asked."""
    return len(f"{question.instruction}{question.input}".encode("utf-8", "replace")) >= WORTH
