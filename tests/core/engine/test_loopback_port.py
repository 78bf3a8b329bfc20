"""The loopback port: who gets in, where its key comes from, and the engine's own application behind it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.base.errors import EngineError, UsageError
from core.engine.loopback_port import KeyedPort, listen_on_loopback, port_key
from core.engine.protocol import AnswerFinish, AnswerPiece, ChatQuestion
from core.engine.remote.capabilities import forget_capabilities
from core.engine.remote_client import RemoteClient
from core.engine.server import make_app
from tests.support.scripted_server import serve_app

KEY = "port-key-0123456789"


@asynccontextmanager
async def behind_port() -> AsyncIterator[tuple[httpx.AsyncClient, list[str]]]:
    """A client of a port, and the paths that came through it."""
    passed: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    with serve_app(KeyedPort(app, KEY)) as port:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            yield http, passed


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_only_the_key_opens_the_port() -> None:
    async with behind_port() as (http, passed):
        for headers in (
            {},
            bearer("x"),
            {"Authorization": "Bearer"},
            bearer(KEY + "x"),
            bearer(KEY[:-1]),
            {"Authorization": KEY},
        ):
            reply = await http.get("/v1/models", headers=headers)
            assert reply.status_code == 401
            assert KEY not in reply.text
        twice = [("Authorization", f"Bearer {KEY}"), ("Authorization", "Bearer x")]
        assert (await http.get("/v1/models", headers=twice)).status_code == 401
        assert not passed
        assert (await http.get("/v1/models", headers=bearer(KEY))).status_code == 200
        assert passed == ["/v1/models"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.x:{port}"]
)
async def test_a_host_that_is_not_this_machine_is_refused_even_with_the_key(host: str) -> None:
    async with behind_port() as (http, passed):
        headers = bearer(KEY) | {"Host": host.format(port=http.base_url.port)}
        assert (await http.get("/v1/models", headers=headers)).status_code == 421
        assert not passed
        headers["Host"] = f"LocalHost:{http.base_url.port}"
        assert (await http.get("/v1/models", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/suiron/shutdown", "/suiron/status", "/", "/v1x", "//v1/models"])
async def test_only_v1_is_on_the_port(path: str) -> None:
    async with behind_port() as (http, passed):
        assert (await http.post(f"{str(http.base_url).rstrip('/')}{path}", headers=bearer(KEY))).status_code == 404
        assert not passed


async def test_no_other_origin_is_allowed() -> None:
    async with behind_port() as (http, _):
        asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        preflight = await http.options("/v1/models", headers=asked)
        assert preflight.status_code == 401
        reply = await http.get("/v1/models", headers=bearer(KEY) | asked)
        assert not [name for name in (*preflight.headers, *reply.headers) if name.startswith("access-control")]


async def test_a_unix_socket_needs_no_key() -> None:
    passed: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["path"])

    async def nothing(*_: Any) -> Any:
        return {}

    scope = {"type": "http", "path": "/suiron/status", "headers": [], "server": ("/run/engine.sock", None)}
    await KeyedPort(app, KEY)(scope, nothing, nothing)
    assert passed == ["/suiron/status"]
    for server in (None, ("127.0.0.1", 80)):  # what is unclear counts as a port
        await KeyedPort(app, KEY)({**scope, "server": server}, nothing, nothing)
    assert passed == ["/suiron/status"]


def test_a_key_is_drawn_once_and_kept_privately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUIRON_API_KEY", raising=False)
    drawn = port_key()
    assert drawn.is_new
    assert drawn.path is not None
    assert drawn.path.stat().st_mode & 0o777 == 0o600
    assert len(drawn.key) >= 40
    assert port_key() == drawn._replace(is_new=False)
    drawn.path.chmod(0o644)
    with pytest.raises(EngineError, match="open to other users"):
        port_key()
    drawn.path.unlink()
    drawn.path.symlink_to("/dev/null")
    with pytest.raises(EngineError):
        port_key()
    drawn.path.unlink()
    drawn.path.touch(0o600)
    with pytest.raises(EngineError, match="no key"):
        port_key()
    drawn.path.unlink()
    assert port_key().key != drawn.key


@pytest.mark.parametrize("key", ["short", "long enough but blanks"])
def test_a_key_of_the_environment_must_be_one(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUIRON_API_KEY", key)
    with pytest.raises(UsageError) as refused:
        port_key()
    assert key not in str(refused.value)
    monkeypatch.setenv("SUIRON_API_KEY", KEY)
    assert port_key() == (KEY, None, False)


def test_a_port_that_is_taken_or_impossible() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(EngineError, match="another program"):
            listen_on_loopback(other.getsockname()[1])
    for port in (0, -1, 65_536):
        with pytest.raises(UsageError):
            listen_on_loopback(port)


@pytest.mark.parametrize("template", ["alpaca-reasoning", "chat"])
async def test_the_engines_own_application_answers_a_remote_client(
    template: str, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUIRON_API_KEY", KEY)
    forget_capabilities()
    app = make_app(end=lambda: None, first=(str(tiny_folder), ""))
    with serve_app(KeyedPort(app, KEY), lifespan="on") as port:
        client = RemoteClient(f"http://127.0.0.1:{port}")
        try:
            while not (names := await client.models()):
                pass  # each asks over HTTP: the model is being loaded
            status = await client.ensure(names[0], "", lambda status: None)
            assert "text templates" not in status.backend
            question = ChatQuestion(instruction="How high is 立山?", template=template, max_tokens=12, cold=True)
            items: list[AnswerPiece | AnswerFinish] = [item async for item in client.ask(question)]
            finish = items[-1]
            assert isinstance(finish, AnswerFinish)
            assert finish.tokens == 12
            assert finish.reason == "length"
            assert finish.prompt_tokens > 0
            assert client.capabilities.is_suiron
        finally:
            await client.close()
