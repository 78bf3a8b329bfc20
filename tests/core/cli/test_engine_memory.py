"""Asking the inference server to free its memory: a server on a Unix socket that answers from a script."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from core.cli import engine_memory
from core.cli.engine_memory import EngineOfThisHome
from core.engine import launch

READY = {"state": "ready", "model": "m", "memory_gib": 3.14}


class Server(socketserver.UnixStreamServer):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path), Handler)
        self.status: object = READY
        self.unload = (200, b"{}")
        self.asked: list[object] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self._reply(200, json.dumps(self.server.status).encode())

    def do_POST(self) -> None:
        assert self.path == "/suiron/unload"
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._reply(*self.server.unload)

    def _reply(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "client"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server(tmp_path / "s") as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(launch, "find_engine", lambda: tmp_path / "s")
        monkeypatch.setattr(launch, "lock_holder", os.getpid)
        yield server
        server.shutdown()


def test_a_server_on_the_same_gpu_is_asked_and_told_why(server: Server) -> None:
    gpu = engine_memory._gpu_of(os.getpid())
    assert EngineOfThisHome().free((gpu,), "RUN starts") == "the inference server freed 3.1 GiB"
    assert server.asked == [{"why": "RUN starts"}]
    assert EngineOfThisHome().free(("another",), "RUN starts") == "" and len(server.asked) == 1
    server.status = {"state": "empty"}
    assert EngineOfThisHome().free((gpu,), "RUN starts") == "" and len(server.asked) == 1


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (404, b"Not Found", "holds 3.1 GiB and cannot be asked to free it"),
        (500, b"it \x1b[2J broke", "did not free it (it"),
    ],
)
def test_a_server_that_does_not_free_it_is_said(server: Server, code: int, body: bytes, words: str) -> None:
    server.unload = (code, body)
    said = EngineOfThisHome().free((engine_memory._gpu_of(os.getpid()),), "RUN starts")
    assert words in said and "\x1b" not in said


def test_a_server_that_is_gone_or_makes_no_sense_holds_nobody_up(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = engine_memory._gpu_of(os.getpid())
    server.status = ["no status"]
    assert "cannot be read" in EngineOfThisHome().free((gpu,), "RUN starts")
    monkeypatch.setattr(launch, "find_engine", lambda: tmp_path / "none")
    assert EngineOfThisHome().free((gpu,), "RUN starts") == "the inference server has ended"
    monkeypatch.setattr(launch, "lock_holder", lambda: None)
    assert EngineOfThisHome().free((gpu,), "RUN starts") == "" and EngineOfThisHome().pid_on((gpu,)) is None
