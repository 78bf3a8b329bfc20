"""The HTTP side of the engine: OpenAI's routes and some of Suiron's. `model_worker` loads and decodes."""

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
from core.engine.model_worker import AnswerStream, AnswerWork, ModelWorker, StopCheck
from core.engine.openai_api import (
    BODY_LIMIT,
    ChatRequest,
    CompletionRequest,
    RefusedRequest,
    ResponseShape,
    chat_delta,
    decode_body,
    parse_request,
    refusal_of,
)
from core.engine.protocol import AnswerFinish, AnswerPiece, EngineStatus

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

_json = msgspec.json.Encoder().encode
AnswerPart = AnswerPiece | AnswerFinish
T = TypeVar("T")


class LoadRequest(msgspec.Struct, frozen=True):
    """A request to /suiron/load."""

    model: str
    """The model's name or folder."""
    adapter: str = ""
    """The absolute path of an adapter's folder; empty for none."""
    stream: bool = False
    """Answer with a line of EngineStatus for every change until the load is done."""


class StopRequest(msgspec.Struct, frozen=True):
    """A request to /suiron/stop."""

    id: str
    """The answer to end, as `suiron.id` of its request."""


def make_app(*, end: Callable[[], None], first: tuple[str, str] | None = None) -> Starlette:
    """The application. end: called for /suiron/shutdown. first: model and adapter to load at once."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.worker = ModelWorker()
        app.state.end = end
        if first is not None:
            app.state.worker.load(*first)
        yield
        app.state.worker.stop_all()

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
        exception_handlers=dict.fromkeys((RefusedRequest, SuironError, HTTPException, Exception), _error),
    )


# -- Suiron's own routes --


async def _status(request: Request) -> Response:
    return _Json(_worker(request).status)


async def _load(request: Request) -> Response:
    load = decode_body(await _body(request), LoadRequest)
    if not load.model.strip():
        raise RefusedRequest(400, "The request is invalid: no model is named - at `$.model`.")
    if load.adapter and not Path(load.adapter).is_absolute():
        raise RefusedRequest(
            400, "The request is invalid: the adapter's folder must be an absolute path - at `$.adapter`."
        )
    worker = _worker(request)
    done = worker.load(load.model, load.adapter)
    if not load.stream:
        return _Json(worker.status, 202)

    async def lines() -> AsyncIterator[bytes]:
        async for status in worker.statuses(done):
            yield _json(status) + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _stop(request: Request) -> Response:
    answer_id = decode_body(await _body(request), StopRequest).id
    return _Json({"id": answer_id, "stopped": _worker(request).stop(answer_id)})


async def _shutdown(request: Request) -> Response:
    _worker(request).stop_all()
    request.app.state.end()
    return _Json({"ending": True})


# -- OpenAI's --


async def _models(request: Request) -> Response:
    names = _names(_worker(request).status)
    return _Json(
        {
            "object": "list",
            "data": [{"id": name, "object": "model", "created": 0, "owned_by": "suiron"} for name in names],
        }
    )


async def _chat(request: Request) -> Response:
    body = parse_request(await _body(request), ChatRequest)
    tuned = _tuned(request, body)

    def work(loaded: LoadedModel, stopped: StopCheck) -> Generator[AnswerPart, None, None]:
        from core.engine.answer import answer_chat  # torch: only ever imported in the worker thread

        _check_loaded(loaded, body.suiron.holds, tuned)
        return answer_chat(loaded, body, tuned, stopped)

    answer = await _begin(request, body.suiron.id or f"chatcmpl-{uuid.uuid4().hex}", work)
    shape = ResponseShape(answer.id, _name(request, tuned), chat=True)
    if body.stream:
        return _Stream(answer, shape, {"role": "assistant", "content": ""}, chat_delta, {}, body.include_usage)
    return await _complete_response(request, answer, shape)


async def _complete(request: Request) -> Response:
    body = parse_request(await _body(request), CompletionRequest)
    tuned = _tuned(request, body)

    def work(loaded: LoadedModel, stopped: StopCheck) -> Generator[AnswerPart, None, None]:
        from core.engine.answer import answer_completion

        return answer_completion(loaded, body, tuned, stopped)

    answer = await _begin(request, body.suiron.id or f"cmpl-{uuid.uuid4().hex}", work)
    shape = ResponseShape(answer.id, _name(request, tuned), chat=False)
    if body.stream:
        return _Stream(answer, shape, None, lambda piece: piece.text, "", body.include_usage)
    return await _complete_response(request, answer, shape)


class _Stream(StreamingResponse):
    """An answer as server-sent events. Closes the answer however the response ends; a client that disconnects ends
    it."""

    def __init__(
        self,
        answer: AnswerStream[AnswerPart],
        shape: ResponseShape,
        first: Any,
        part: Callable[[AnswerPiece], Any],
        last: Any,
        include_usage: bool,
    ) -> None:
        self._answer = answer

        async def events() -> AsyncIterator[bytes]:
            if first is not None:
                yield _event(shape.chunk(first))
            try:
                async for item in answer:
                    if isinstance(item, AnswerPiece):
                        yield _event(shape.chunk(part(item)))
                        continue
                    yield _event(shape.chunk(last, item))
                    if include_usage:
                        yield _event(shape.usage_chunk(item))
                    yield b"data: [DONE]\n\n"
            except SuironError as error:
                yield _event(refusal_of(error).body())

        super().__init__(events(), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.close()


async def _complete_response(request: Request, answer: AnswerStream[AnswerPart], shape: ResponseShape) -> Response:
    texts: dict[str, list[str]] = {"reasoning": [], "response": []}

    async def collect() -> AnswerFinish:
        async for item in answer:
            if isinstance(item, AnswerFinish):
                return item
            texts[item.section].append(item.text)
        raise AssertionError("an answer ends with an AnswerFinish")

    try:
        finish = await _while_connected(request, collect())
    finally:
        answer.close()
    return _Json(shape.whole("".join(texts["reasoning"]), "".join(texts["response"]), finish))


async def _begin(request: Request, answer_id: str, work: AnswerWork[AnswerPart]) -> AnswerStream[AnswerPart]:
    return await _while_connected(request, _worker(request).ask(answer_id, work))


async def _while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled if the client disconnects first."""
    task = asyncio.ensure_future(work)
    disconnected = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, disconnected}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise RefusedRequest(499, "The client closed the connection.")
        return task.result()
    finally:
        for pending in (task, disconnected):
            pending.cancel()
        await asyncio.gather(task, disconnected, return_exceptions=True)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


# -- requests and answers --


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > BODY_LIMIT:
            raise RefusedRequest(413, f"The request is larger than {BODY_LIMIT} bytes.", code="request_too_large")
    return bytes(body)


def _worker(request: Request) -> ModelWorker:
    worker: ModelWorker = request.app.state.worker
    return worker


def _names(status: EngineStatus) -> list[str]:
    """The names that `model` may have: with an adapter first `name:run` for the tuned model, then the base model's
    name."""
    if status.state != "ready":
        return []
    if not status.adapter:
        return [status.model]
    folder = Path(status.adapter)
    run = folder.parent.name if folder.name == "adapter" else folder.name
    return [f"{status.model}:{run}", status.model]


def _tuned(request: Request, body: ChatRequest | CompletionRequest) -> bool:
    """Whether the adapter answers: by `suiron.tuned`, else by `model`; without either, the loaded model with its
    adapter answers."""
    names = _names(_worker(request).status)
    if body.model and names and body.model not in names:
        raise RefusedRequest(
            404, f"The model {body.model!r} is not loaded. Loaded: {', '.join(names)}.", code="model_not_found"
        )
    if body.suiron.tuned is not None:
        return body.suiron.tuned
    return not (len(names) == 2 and body.model == names[1])


def _check_loaded(loaded: LoadedModel, expected: tuple[str, str] | None, tuned: bool) -> None:
    """Raises EngineError where another model is loaded than the client expects. Checked when the answer begins, not at
    the request, because there may be a load between them."""
    if expected is None:
        return
    model, adapter = expected
    if model != loaded.name or (tuned and (Path(adapter) if adapter else None) != loaded.adapter):
        adapter_text = f"with {loaded.adapter}" if loaded.adapter else "without an adapter"
        raise EngineError(
            f"another terminal has loaded {loaded.name} {adapter_text} since",
            model,
            "Ask again: your model is then loaded again",
        )


def _name(request: Request, tuned: bool) -> str:
    names = _names(_worker(request).status)
    return (names[0] if tuned else names[-1]) if names else ""


def _event(value: Any) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


class _Json(Response):
    media_type = "application/json"

    def __init__(self, value: Any, status: int = 200) -> None:
        super().__init__(_json(value), status)


async def _error(request: Request, error: Exception) -> Response:
    match error:
        case RefusedRequest():
            refused = error
        case SuironError():
            refused = refusal_of(error)
        case HTTPException():  # from Starlette: no such route, or not with this method
            refused = RefusedRequest(error.status_code, f"{request.method} {request.url.path}: {error.detail}.")
        case _:  # Starlette raises it again after the reply, so that the log has it
            refused = RefusedRequest(500, f"The server failed: {type(error).__name__}.", "server_error")
    return _Json(refused.body(), refused.status)
