"""A server of the OpenAI API on a loopback port, whose every reply the test decides. It loads no model."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from core.engine.remote.capabilities import forget_capabilities


class ScriptedServer:
    """`requests` records what came. The fields say what the server is like.

    models: ids to owners; None: no such route. deltas: what a chat's answer is made of. texts: what a completion is
    made of; None: no such route. refuse: the reply to a request, or None to answer it. events: replaces all bytes of
    a stream. hold: the stream waits at its end until it is set, or the client leaves.
    """

    def __init__(self) -> None:
        self.url = ""
        self.models: dict[str, str] | None = {"tiny": "vllm"}
        self.deltas: list[dict[str, Any]] = [{"content": "Hello"}]
        self.texts: list[str] | None = ["Hello"]
        self.finish: str | None = "stop"
        self.usage: dict[str, Any] | None = {"prompt_tokens": 7, "completion_tokens": 5}
        self.answers_as = ""
        self.streams = True
        self.key = ""
        self.refuse: Callable[[str, dict[str, Any]], Response | None] = lambda path, body: None
        self.events: bytes | None = None
        self.hold: threading.Event | None = None
        self.left = threading.Event()
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The bodies of all questions."""
        return [body for path, body in self.requests if body]

    async def reply(self, request: Request) -> Response:
        """The reply to any request."""
        raw = await request.body()
        body = json.loads(raw) if raw else {}
        path = request.url.path
        self.requests.append((path, body))
        self.headers.append(dict(request.headers))
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return error(401, f"Incorrect API key provided: {request.headers.get('authorization')}")
        if (refused := self.refuse(path, body)) is not None:
            return refused
        if path.endswith("/models") and self.models is not None:
            return JSONResponse({"data": [{"id": name, "owned_by": owner} for name, owner in self.models.items()]})
        if path.endswith("/chat/completions"):
            return self._answer(body, [{"delta": delta} for delta in self.deltas])
        if path.endswith("/completions") and self.texts is not None:
            return self._answer(body, [{"text": text} for text in self.texts])
        return JSONResponse({"detail": "Not Found"}, 404)

    def _answer(self, body: dict[str, Any], parts: list[dict[str, Any]]) -> Response:
        model = self.answers_as or body["model"]
        if not self.streams:
            content = "".join(part["delta"]["content"] for part in parts)
            choice = {"message": {"content": content}, "finish_reason": self.finish}
            return JSONResponse({"model": model, "choices": [choice], "usage": self.usage})
        chunks = [{"model": model, "choices": [{"index": 0, **part, "finish_reason": None}]} for part in parts]
        ended = [{"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish}]}] if self.finish else []
        counts = [{"choices": [], "usage": self.usage}] if self.usage is not None else []

        async def stream() -> Any:
            try:
                if self.events is not None:
                    yield self.events
                    return
                for chunk in chunks:
                    yield f"data: {json.dumps(chunk)}\n\n".encode()
                if self.hold is not None:
                    while not self.hold.is_set():
                        await asyncio.sleep(0.01)
                        yield b": still here\n\n"
                for chunk in ended + counts:
                    yield f"data: {json.dumps(chunk)}\n\n".encode()
                if ended:
                    yield b"data: [DONE]\n\n"
            finally:
                self.left.set()

        return StreamingResponse(stream(), media_type="text/event-stream")


def error(status: int, message: str, headers: dict[str, str] | None = None, **fields: Any) -> Response:
    """A refusal as most servers write it."""
    return JSONResponse({"error": {"message": message, **fields}}, status, headers)


def refuse_fields(*names: str) -> Callable[[str, dict[str, Any]], Response | None]:
    """Refuses requests with any of these fields, as vLLM and others do."""

    def refuse(path: str, body: dict[str, Any]) -> Response | None:
        found = [name for name in names if name in body]
        return error(400, f"Unsupported parameter: '{found[0]}' is not supported") if found else None

    return refuse


def no_model(path: str, body: dict[str, Any]) -> Response | None:
    """Knows no model, as vLLM says it."""
    name = body.get("model")
    return error(404, f"The model `{name}` does not exist.", type="NotFoundError") if name else None


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """The server while it runs, in a thread of its own."""
    script = ScriptedServer()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # a proxy is asked with whole URLs: no routes
        response = await script.reply(Request(scope, receive))
        await response(scope, receive, send)

    with serve_app(app) as port:
        script.url = f"http://127.0.0.1:{port}"
        yield script


@contextmanager
def unknown_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """The server, asked without a key and by clients that know nothing of it yet."""
    monkeypatch.delenv("SUIRON_API_KEY", raising=False)
    forget_capabilities()
    with scripted_server() as script:
        yield script


@contextmanager
def serve_app(app: Any, lifespan: str = "off") -> Iterator[int]:
    """The port of 127.0.0.1 on which `app` is served."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    config = uvicorn.Config(app, http="h11", ws="none", lifespan=lifespan, log_config=None, timeout_graceful_shutdown=1)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    server.capture_signals = _nothing  # type: ignore[method-assign]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()


@contextmanager
def _nothing() -> Iterator[None]:
    yield
