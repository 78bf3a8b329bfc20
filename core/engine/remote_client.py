"""An `Engine` that asks any server of the OpenAI API: another machine's, a hosted one, or one on a port here. Light: no
torch.

What a server cannot do is found by trying, once a process and model, and is worked around where the answer stays what
was asked; where it would not, the question is refused in words. It belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import httpx

from core.base.errors import EngineError, ModelError, UsageError
from core.base.safe_text import safe_line
from core.engine.protocol import AnswerFinish, AnswerPiece, ChatQuestion, EngineStatus
from core.engine.remote.capabilities import ServerCapabilities, capabilities_of
from core.engine.remote.connection import PATIENCE, ListedModel, ServerConnection
from core.engine.remote.refusals import Refusal
from core.engine.remote.remote_answer import RemoteAnswer
from core.engine.remote.remote_request import RemoteRequest, learn, remote_request
from core.engine.remote.server_address import parse_server_url
from core.splitter.splitter import Splitter

_TRIES = 6  # requests for one answer, each without what the server has refused before
_NAMED = 8  # models that an error lists
_Item = AnswerPiece | AnswerFinish


class RemoteClient:
    """An `Engine` (see `protocol`) at a URL. Raises UsageError for a URL or a key that cannot be used."""

    def __init__(
        self, url: str, *, patience: float = PATIENCE, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """patience: seconds that the server may be silent. transport: another way to it than the network, for tests."""
        self.address = parse_server_url(url)
        self._connection = ServerConnection(self.address, patience, transport)
        self._model = ""
        self._listed: list[ListedModel] | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def capabilities(self) -> ServerCapabilities:
        """What is known of the model that is asked."""
        return capabilities_of(self.address.url, self._model)

    async def models(self) -> list[str]:
        """The names of the server's models; empty where it lists none. Foreign text. Raises EngineError where it cannot
        be reached or refuses the key."""
        self._listed = await self._connection.models()
        return [listed.id for listed in self._listed or ()]

    async def status(self) -> EngineStatus | None:
        await self.models()
        return self._status()

    async def ensure(
        self, model: str, adapter: str, on_status: Callable[[EngineStatus], None], *, take: bool = False
    ) -> EngineStatus:
        """Choose a model of the server; empty takes its only one."""
        if adapter:
            raise UsageError(
                "a remote server cannot use an adapter of this machine",
                adapter,
                "Serve the adapter there, and ask it by its name there",
            )
        host = self.address.host
        on_status(EngineStatus(state="loading", model=model, message=f"contacting {host}"))
        names = await self.models()
        if not model:
            if len(names) != 1:
                what = "the server has several models" if names else "the server lists no model"
                raise UsageError(what, host, f"Name one of them{_listing(names)}" if names else "Name the model to ask")
            model = names[0]
        if self._listed is not None and names and model not in names:
            raise ModelError(
                "the server has no such model", f"{safe_line(model, 120)} at {host}", f"Choose one{_listing(names)}"
            )
        self._model = model
        owners = {listed.owned_by for listed in self._listed or () if listed.id == model}
        self.capabilities.is_suiron = "suiron" in owners
        if "library" in owners:  # Ollama, which writes the text of /completions into the model's own chat template
            self.capabilities.completes = False
        status = self._status()
        on_status(status)
        return status

    async def ask(self, question: ChatQuestion, reasoning: str = "") -> AsyncIterator[_Item]:
        """As in `Engine`. reasoning: the beginning of a reasoning, which the answer continues."""
        if not self._model:
            raise EngineError("no model of the server is chosen", self.address.host, "Choose one first")
        if question.max_tokens == 0:  # nothing but this home's engine can be asked to read ahead
            yield self._no_answer("the server reads the question only when it is asked").finish("length")
            return
        items: asyncio.Queue[_Item | Exception | None] = asyncio.Queue()
        answers: list[RemoteAnswer] = []
        reader = self._reader = asyncio.create_task(self._read(question, reasoning, items, answers))
        reader.add_done_callback(lambda _: items.put_nowait(None))  # also where it was stopped before it began
        finished = False
        try:
            while (item := await items.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                finished = isinstance(item, AnswerFinish)
                yield item
            if not finished:
                answer = answers[-1] if answers else self._no_answer("it was not asked")
                for piece in answer.close():
                    yield piece
                yield answer.finish("stopped")
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            if self._reader is reader:
                self._reader = None

    async def stop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()

    async def shutdown(self) -> None:
        """Close the connections: the server belongs to somebody else."""
        await self.close()

    async def close(self) -> None:
        """Close the connections. The client cannot be used again."""
        await self._connection.close()

    # -- inside --

    def _status(self) -> EngineStatus:
        host, known = self.address.host, self.capabilities
        return EngineStatus(
            state="ready" if self._model else "empty",
            model=self._model,
            backend=f"at {host}: {known.missing_words()}",
            message=f"{safe_line(self._model, 120)} at {host} is asked",
        )

    def _no_answer(self, why: str) -> RemoteAnswer:
        return RemoteAnswer(Splitter(), self.address.host, self._model, (why,))

    async def _read(
        self,
        question: ChatQuestion,
        reasoning: str,
        items: asyncio.Queue[_Item | Exception | None],
        answers: list[RemoteAnswer],
    ) -> None:
        """Put the answer into `items`, and its error if any."""
        try:
            async with aclosing(self._answer(question, reasoning, answers)) as answer:
                async for item in answer:
                    items.put_nowait(item)
        except Exception as error:  # raised where the answer is read
            items.put_nowait(error)

    async def _answer(
        self, question: ChatQuestion, reasoning: str, answers: list[RemoteAnswer]
    ) -> AsyncGenerator[_Item]:
        known = self.capabilities
        is_listed = any(listed.id == self._model for listed in self._listed or ())
        for last in (*[False] * (_TRIES - 1), True):
            request = remote_request(question, self._model, known, reasoning, self.address.host)
            answer = RemoteAnswer(request.splitter, self.address.host, self._model, request.notes)
            answers.append(answer)
            try:
                async with aclosing(self._stream(request, answer)) as stream:
                    async for item in stream:
                        yield item
            except Refusal as refusal:
                if last or answer.has_text or not learn(refusal, request, known, is_listed):
                    raise self._connection.error_of(refusal, self._model, request.chosen_fields) from refusal
                continue
            if request.route != "/completions" and not reasoning and answer.reason == "end":
                known.begins_in_reasoning = answer.closes_unopened_reasoning
            return

    async def _stream(self, request: RemoteRequest, answer: RemoteAnswer) -> AsyncGenerator[_Item]:
        try:
            async with self._connection.events(request.route, request.body) as events:
                async for event in events:
                    pieces, error = answer.read(event)
                    for piece in pieces:
                        yield piece
                    if error is not None:
                        raise self._connection.read_error(error)
                    if answer.is_over:
                        break
        except (EngineError, Refusal):
            for piece in answer.close():
                yield piece
            if answer.reason is None:  # else only what follows an answer, such as its counts, is missing
                raise
        for piece in answer.close():
            yield piece
        if answer.reason is None or answer.filtered:
            what = "the server's filter ended the answer" if answer.filtered else "the server broke off the answer"
            raise EngineError(what, self.address.host, "The text so far is kept; ask again")
        yield answer.finish()


def _listing(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ": " + ", ".join(safe_line(name, 60) for name in names[:_NAMED]) + more
