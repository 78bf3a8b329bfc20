"""The HTTP response to a request for answers: whole, or as server-sent events. Knows nothing of requests or models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from core.base.errors import SuironError
from core.engine.answer_scores import AnswerScores
from core.engine.model_worker import AnswerStream
from core.engine.openai_api import ResponseShape, chat_delta, refusal_of
from core.engine.openai_logprobs import LogProbabilityForm
from core.engine.protocol import AnswerFinish, AnswerPiece
from core.engine.sentinel import LoopWarning

_json = msgspec.json.Encoder().encode


class AnswerResponse:
    """The answers to one request in the JSON of the OpenAI API. `whole` or `events`, once."""

    def __init__(self, answer: AnswerStream, shape: ResponseShape, answers: int) -> None:
        """answers: to each prompt."""
        self.answer = answer
        self._shape, self._answers = shape, answers
        self._scores = [LogProbabilityForm(chat=shape.chat) for _ in range(answer.count)]
        self._finishes: dict[int, AnswerFinish] = {}

    async def whole(self) -> dict[str, Any]:
        """All answers, when the last has ended."""
        texts: list[dict[str, list[str]]] = [{"reasoning": [], "response": []} for _ in self._scores]
        async for index, part in self.answer:
            match part:
                case AnswerPiece():
                    texts[index][part.section].append(part.text)
                case AnswerScores():
                    self._scores[index].add(part)
                case AnswerFinish():
                    self._finishes[index] = part
                case LoopWarning():
                    pass  # the finish has it
        finishes = self._in_order()
        choices = [
            self._shape.choice(
                "".join(texts[index]["reasoning"]),
                "".join(texts[index]["response"]),
                finish,
                index=index,
                log_probabilities=self._scores[index].take(),
            )
            for index, finish in enumerate(finishes)
        ]
        return self._shape.whole(choices, finishes, self._answers)

    async def events(self, *, include_usage: bool) -> AsyncIterator[dict[str, Any]]:
        """The answers in chunks as they come; log-probabilities come with the next text."""
        shape = self._shape
        if shape.chat:
            for index in range(self.answer.count):
                yield shape.chunk({"role": "assistant", "content": ""}, index=index)
        async for index, part in self.answer:
            match part:
                case AnswerScores():
                    self._scores[index].add(part)
                case AnswerPiece():
                    delta = chat_delta(part) if shape.chat else part.text
                    yield shape.chunk(delta, index=index, log_probabilities=self._scores[index].take())
                case LoopWarning():
                    yield shape.loop_chunk(part, index=index)
                case AnswerFinish():
                    self._finishes[index] = part
                    last: Any = {} if shape.chat else ""
                    yield shape.chunk(last, part, index=index, log_probabilities=self._scores[index].take())
        if include_usage:
            yield shape.usage_chunk(self._in_order(), self._answers)

    def _in_order(self) -> list[AnswerFinish]:
        return [self._finishes[index] for index in range(self.answer.count)]


class EventStream(StreamingResponse):
    """Answers as server-sent events. Closes them however the response ends; a client that disconnects ends them."""

    def __init__(self, response: AnswerResponse, *, include_usage: bool) -> None:
        self._answer = response.answer

        async def events() -> AsyncIterator[bytes]:
            try:
                async for chunk in response.events(include_usage=include_usage):
                    yield b"data: " + _json(chunk) + b"\n\n"
                yield b"data: [DONE]\n\n"
            except SuironError as error:
                yield b"data: " + _json(refusal_of(error).body()) + b"\n\n"

        super().__init__(events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()
