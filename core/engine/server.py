"""The HTTP side of the engine: OpenAI's routes and some of Suiron's. `model_worker` loads and decodes."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from core.engine.answer_response import AnswerResponse, EventStream
from core.engine.model_holders import ModelHolder
from core.engine.model_worker import ModelWorker, Prepare
from core.engine.openai_api import (
    BODY_LIMIT,
    ChatRequest,
    CompletionRequest,
    RefusedRequest,
    ResponseShape,
    decode_body,
    parse_request,
    refusal_of,
)
from core.engine.protocol import EngineStatus
from core.engine.score_request import ScoreQuestion, ScoreRequest, score_question
from core.engine.target import ModelTarget, UnknownModel

if TYPE_CHECKING:
    from core.engine.sequence import AnswerSequence
    from core.models.loading import LoadedModel

_json = msgspec.json.Encoder().encode
T = TypeVar("T")


class LoadRequest(msgspec.Struct, frozen=True):
    """A request to /suiron/load."""

    model: str
    """The model's name or folder."""
    adapter: str = ""
    """The absolute path of an adapter's folder; empty for none."""
    stream: bool = False
    """Answer with a line of EngineStatus for every change until the load is done."""
    client: str = ""
    """The name of whoever loads, different for each terminal. A client holds what it loaded last."""
    pid: int = 0
    """The client's process on this machine; when it has ended, it holds nothing any more."""
    take: bool = False
    """Whether models that other clients hold may be unloaded, where there is no room beside them."""


class StopRequest(msgspec.Struct, frozen=True):
    """A request to /suiron/stop."""

    id: str
    """The answer to end, as `suiron.id` of its request."""


class UnloadRequest(msgspec.Struct, frozen=True):
    """A request to /suiron/unload."""

    why: str = ""
    """What needs the memory, for those whose answers end."""


def make_app(
    *,
    end: Callable[[], None],
    first: tuple[str, str] | None = None,
    on_status: Callable[[EngineStatus], None] = lambda _: None,
) -> Starlette:
    """The application. end: called for /suiron/shutdown, and where the process has lost its GPU. first: model and
    adapter to load at once. on_status: called with every new status."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.worker = ModelWorker(on_status, end)
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
            Route("/suiron/score", _score, methods=["POST"]),
            Route("/suiron/stop", _stop, methods=["POST"]),
            Route("/suiron/unload", _unload, methods=["POST"]),
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
    done = worker.load(load.model, load.adapter, ModelHolder(load.client, load.pid), take=load.take)
    if not load.stream:
        return _Json(worker.status, 202)

    async def lines() -> AsyncIterator[bytes]:
        async for status in worker.statuses(done):
            yield _json(status) + b"\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _stop(request: Request) -> Response:
    answer_id = decode_body(await _body(request), StopRequest).id
    return _Json({"id": answer_id, "stopped": _worker(request).stop(answer_id)})


async def _unload(request: Request) -> Response:
    """Replies when the memory is free."""
    why = safe_line(decode_body(await _body(request), UnloadRequest).why, 200)
    return _Json(await _while_connected(request, _worker(request).unload(why)))


async def _score(request: Request) -> Response:
    body = parse_request(await _body(request), ScoreRequest)
    target, asked = _target(request, body)

    def prepare(loaded: LoadedModel) -> ScoreQuestion:
        loaded = msgspec.structs.replace(loaded, adapter=Path(asked.adapter) if asked.adapter else None)
        return score_question(loaded, body, bool(target.adapter))

    return _Json(await _while_connected(request, _worker(request).score(target, prepare)))


async def _shutdown(request: Request) -> Response:
    _worker(request).stop_all()
    request.app.state.end()
    return _Json({"ending": True})


# -- OpenAI's --


async def _models(request: Request) -> Response:
    names = dict.fromkeys(target.name for target in _worker(request).targets)
    return _Json(
        {
            "object": "list",
            "data": [{"id": name, "object": "model", "created": 0, "owned_by": "suiron"} for name in names],
        }
    )


async def _chat(request: Request) -> Response:
    body = parse_request(await _body(request), ChatRequest)
    target, asked = _target(request, body)

    def prepare(loaded: LoadedModel) -> list[AnswerSequence]:
        from core.engine.answer import chat_sequences  # torch: only ever imported in the models' thread

        # The base model is asked with the templates of the adapter beside it too.
        loaded = msgspec.structs.replace(loaded, adapter=Path(asked.adapter) if asked.adapter else None)
        return chat_sequences(loaded, body, bool(target.adapter))

    return await _answer(request, body, target, prepare, body.answers)


async def _complete(request: Request) -> Response:
    body = parse_request(await _body(request), CompletionRequest)
    target, _ = _target(request, body)

    def prepare(loaded: LoadedModel) -> list[AnswerSequence]:
        from core.engine.answer import completion_sequences

        return completion_sequences(loaded, body)

    return await _answer(request, body, target, prepare, len(body.prompts) * body.answers)


async def _answer(
    request: Request, body: ChatRequest | CompletionRequest, target: ModelTarget, prepare: Prepare, count: int
) -> Response:
    """The response to a request for `count` answers."""
    chat = isinstance(body, ChatRequest)
    answer_id = body.suiron.id or f"{'chatcmpl' if chat else 'cmpl'}-{uuid.uuid4().hex}"
    asking = _worker(request).ask(
        answer_id, target, prepare, count, client=body.suiron.client, prefill=body.token_limit == 0
    )
    answer = await _while_connected(request, asking)
    response = AnswerResponse(answer, ResponseShape(answer.id, target.name, chat=chat), body.answers)
    if body.stream:
        return EventStream(response, include_usage=body.include_usage)
    try:
        return _Json(await _while_connected(request, response.whole()))
    finally:
        answer.close()


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


def _target(request: Request, body: ChatRequest | CompletionRequest | ScoreRequest) -> tuple[ModelTarget, ModelTarget]:
    """The model that answers, and the one that is asked: its adapter, if any, says which templates there are. By
    `model` or what the client holds, else the model loaded last; `suiron.tuned` chooses between adapter and base."""
    worker, tuned = _worker(request), body.suiron.tuned
    try:
        asked = worker.resolve(body.model, body.suiron.holds)
        if body.model and body.suiron.holds is not None:
            worker.resolve(body.model, None)
    except UnknownModel as error:
        raise RefusedRequest(404, str(error), code="model_not_found", error=error) from error
    if tuned is False:
        return ModelTarget(asked.model), asked
    if tuned and body.model and not asked.adapter:
        beside = [target for target in worker.targets if target.model == asked.model]
        asked = beside[0] if beside else asked
    return asked, asked


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
