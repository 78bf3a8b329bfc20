"""The HTTP side of the engine: OpenAI's routes and a few of its own. Knows requests and answers; what it holds and
decodes is `holder`'s."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from core.base.errors import EngineError, SuironError
from core.engine.model_worker import Answer, Holder, Stopped, Work
from core.engine.openai_api import (
    BODY_LIMIT,
    ChatRequest,
    CompletionRequest,
    Refused,
    Shape,
    decode,
    delta,
    parse,
    refusal,
)
from core.engine.protocol import EngineStatus, Finish, Piece

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

_json = msgspec.json.Encoder().encode
Part = Piece | Finish
T = TypeVar("T")


class LoadRequest(msgspec.Struct, frozen=True):
    """adapter: the absolute path of an adapter's folder, empty for none. stream: answer with a line of EngineStatus per
    change until it is done."""

    model: str
    adapter: str = ""
    stream: bool = False


class StopRequest(msgspec.Struct, frozen=True):
    id: str


def make_app(*, end: Callable[[], None], first: tuple[str, str] | None = None) -> Starlette:
    """The application. end: called when /suiron/shutdown is asked. first: model and adapter to load at once."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.holder = Holder()
        app.state.end = end
        if first is not None:
            app.state.holder.load(*first)
        yield
        app.state.holder.stop_all()

    return Starlette(
        routes=[
            Route("/v1/models", _models),
            Route("/v1/chat/completions", _chat, methods=["POST"]),
            Route("/v1/completions", _complete, methods=["POST"]),
            Route("/suiron/status", _status),
            Route("/suiron/load", _load, methods=["POST"]),
            Route("/suiron/stop", _stop, methods=["POST"]),
            Route("/suiron/shutdown", _shutdown, methods=["POST"]),
        ],
        lifespan=lifespan,
        exception_handlers=dict.fromkeys((Refused, SuironError, HTTPException, Exception), _error),
    )


# -- Suiron's own routes --


async def _status(request: Request) -> Response:
    return _Json(_holder(request).status)


async def _load(request: Request) -> Response:
    wanted = decode(await _body(request), LoadRequest)
    if not wanted.model.strip():
        raise Refused(400, "The request is not right: no model is named - at `$.model`.")
    if wanted.adapter and not Path(wanted.adapter).is_absolute():
        raise Refused(400, "The request is not right: the adapter's folder must be an absolute path - at `$.adapter`.")
    holder = _holder(request)
    done = holder.load(wanted.model, wanted.adapter)
    if not wanted.stream:
        return _Json(holder.status, 202)

    async def lines() -> AsyncIterator[bytes]:
        async for status in holder.statuses(done):
            yield _json(status) + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _stop(request: Request) -> Response:
    wanted = decode(await _body(request), StopRequest)
    return _Json({"id": wanted.id, "stopped": _holder(request).stop(wanted.id)})


async def _shutdown(request: Request) -> Response:
    _holder(request).stop_all()
    request.app.state.end()
    return _Json({"ending": True})


# -- OpenAI's --


async def _models(request: Request) -> Response:
    names = _names(_holder(request).status)
    return _Json(
        {
            "object": "list",
            "data": [{"id": name, "object": "model", "created": 0, "owned_by": "suiron"} for name in names],
        }
    )


async def _chat(request: Request) -> Response:
    asked = parse(await _body(request), ChatRequest)
    tuned = _tuned(request, asked)

    def work(loaded: LoadedModel, stopped: Stopped) -> Generator[Part, None, None]:
        from core.engine.answer import chat  # torch: only ever imported in the worker thread

        _check_holds(loaded, asked.suiron.holds, tuned)
        return chat(loaded, asked, tuned, stopped)

    answer = await _begin(request, asked.suiron.id or f"chatcmpl-{uuid.uuid4().hex}", work)
    shape = Shape(answer.id, _name(request, tuned), chat=True)
    if asked.stream:
        return _Stream(answer, shape, {"role": "assistant", "content": ""}, delta, {}, asked.include_usage)
    return await _whole(request, answer, shape)


async def _complete(request: Request) -> Response:
    asked = parse(await _body(request), CompletionRequest)
    tuned = _tuned(request, asked)

    def work(loaded: LoadedModel, stopped: Stopped) -> Generator[Part, None, None]:
        from core.engine.answer import complete

        return complete(loaded, asked, tuned, stopped)

    answer = await _begin(request, asked.suiron.id or f"cmpl-{uuid.uuid4().hex}", work)
    shape = Shape(answer.id, _name(request, tuned), chat=False)
    if asked.stream:
        return _Stream(answer, shape, None, lambda piece: piece.text, "", asked.include_usage)
    return await _whole(request, answer, shape)


class _Stream(StreamingResponse):
    """The answer as server-sent events. Closes it whichever way the response ends; a client that goes away ends it."""

    def __init__(
        self,
        answer: Answer[Part],
        shape: Shape,
        first: Any,
        part: Callable[[Piece], Any],
        last: Any,
        include_usage: bool,
    ) -> None:
        self._answer = answer

        async def events() -> AsyncIterator[bytes]:
            if first is not None:
                yield _event(shape.chunk(first))
            try:
                async for item in answer:
                    if isinstance(item, Piece):
                        yield _event(shape.chunk(part(item)))
                        continue
                    yield _event(shape.chunk(last, item))
                    if include_usage:
                        yield _event(shape.usage_chunk(item))
                    yield b"data: [DONE]\n\n"
            except SuironError as error:
                yield _event(refusal(error).body())

        super().__init__(events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()


async def _whole(request: Request, answer: Answer[Part], shape: Shape) -> Response:
    texts: dict[str, list[str]] = {"reasoning": [], "response": []}

    async def collect() -> Finish:
        async for item in answer:
            if isinstance(item, Finish):
                return item
            texts[item.section].append(item.text)
        raise AssertionError("an answer ends with a Finish")

    try:
        finish = await _while_there(request, collect())
    finally:
        answer.close()
    return _Json(shape.whole("".join(texts["reasoning"]), "".join(texts["response"]), finish))


async def _begin(request: Request, answer_id: str, work: Work[Part]) -> Answer[Part]:
    return await _while_there(request, _holder(request).ask(answer_id, work))


async def _while_there(request: Request, doing: Coroutine[Any, Any, T]) -> T:
    """The result of `doing`, which is cancelled if the client goes away before."""
    task = asyncio.ensure_future(doing)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Refused(499, "The client closed the connection.")
        return task.result()
    finally:
        for pending in (task, gone):
            pending.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


# -- requests and answers --


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > BODY_LIMIT:
            raise Refused(413, f"The request is larger than {BODY_LIMIT} bytes.", code="request_too_large")
    return bytes(body)


def _holder(request: Request) -> Holder:
    holder: Holder = request.app.state.holder
    return holder


def _names(status: EngineStatus) -> list[str]:
    """What `model` may say: the base model's name, and with an adapter first `name:run`, the tuned one."""
    if status.state != "ready":
        return []
    if not status.adapter:
        return [status.model]
    folder = Path(status.adapter)
    run = folder.parent.name if folder.name == "adapter" else folder.name
    return [f"{status.model}:{run}", status.model]


def _tuned(request: Request, asked: ChatRequest | CompletionRequest) -> bool:
    """Whether the adapter answers: as `suiron.tuned` says, else as `model` does; whoever names neither asks what is
    loaded."""
    names = _names(_holder(request).status)
    if asked.model and names and asked.model not in names:
        raise Refused(
            404, f"There is no model {asked.model!r} here; there is {' and '.join(names)}.", code="model_not_found"
        )
    if asked.suiron.tuned is not None:
        return asked.suiron.tuned
    return not (len(names) == 2 and asked.model == names[1])


def _check_holds(loaded: LoadedModel, wanted: tuple[str, str] | None, tuned: bool) -> None:
    """Looked at when the answer begins, not when it is asked for: a load may stand between. Raises EngineError."""
    if wanted is None:
        return
    model, adapter = wanted
    if model != loaded.name or (tuned and (Path(adapter) if adapter else None) != loaded.adapter):
        what = f"another terminal has meanwhile loaded {loaded.name} {f'with {loaded.adapter}' if loaded.adapter else 'without an adapter'}"
        raise EngineError(what, model, "Ask again: yours is loaded anew")


def _name(request: Request, tuned: bool) -> str:
    names = _names(_holder(request).status)
    return (names[0] if tuned else names[-1]) if names else ""


def _event(value: Any) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


class _Json(Response):
    media_type = "application/json"

    def __init__(self, value: Any, status: int = 200) -> None:
        super().__init__(_json(value), status)


async def _error(request: Request, error: Exception) -> Response:
    match error:
        case Refused():
            refused = error
        case SuironError():
            refused = refusal(error)
        case HTTPException():  # Starlette's own: no such route, or not with this method
            refused = Refused(error.status_code, f"{request.method} {request.url.path}: {error.detail}.")
        case _:  # Starlette raises it again after the reply, so that it stands in the log
            refused = Refused(500, f"The server failed: {type(error).__name__}.", "server_error")
    return _Json(refused.body(), refused.status)
