"""`ask --server` and `serve --port` as commands."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.base.child import ROOT
from core.base.command_output import CommandOutput
from core.base.errors import UsageError
from core.cli import ask, build_parser
from tests.support.scripted_server import ScriptedServer, unknown_server
from tests.support.tiny_model import make_tiny_model

SLOW = 300  # seconds before a test that waits for a process gives up


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with unknown_server(monkeypatch) as script:
        yield script


def run_ask(*words: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    arguments = build_parser().parse_args(["ask", *words])
    assert ask.run(arguments, CommandOutput(json=arguments.json, out=out, err=err)) == 0
    return out.getvalue(), err.getvalue()


def test_a_server_is_asked_by_its_own_chat_template(server: ScriptedServer) -> None:
    server.deltas = [{"reasoning": "I look."}, {"content": "3015 m\x1b[31m"}]
    out, err = run_ask("How high?", "--server", server.url)
    assert out.startswith("Reasoning\n\nI look.\n\nResponse\n\n3015 m")
    assert "\x1b" not in out
    host = server.url.removeprefix("http://")
    assert f"· at {host}]" in out
    assert f"tiny at {host} is asked" in err
    assert "no adapters of this machine" in err
    assert server.requests[-1][0] == "/v1/chat/completions"


def test_what_was_done_in_another_way_is_said(server: ScriptedServer) -> None:
    server.texts = None
    out, _ = run_ask("How high?", "--server", server.url, "--template", "alpaca", "--model", "tiny")
    assert "the question went as a chat message" in out


@pytest.mark.parametrize("words", [["--adapter", "last"], ["--base"], ["--take"], ["--cold"]])
def test_what_is_of_this_machine_is_refused(server: ScriptedServer, words: list[str]) -> None:
    with pytest.raises(UsageError):
        run_ask("How high?", "--server", server.url, *words)
    assert not server.bodies


def test_a_port_with_a_drawn_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way: the engine's process, its port, the key shown once, and the command that asks."""
    monkeypatch.delenv("SUIRON_API_KEY", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    folder = make_tiny_model(tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "core", "serve", "--port", str(port), "--model", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        told = [process.stdout.readline() for _ in range(4)]
        assert f"http://127.0.0.1:{port}/v1" in told[2]
        key = told[3].strip()
        assert len(key) >= 40
        for line in process.stderr:
            if f"listening on port {port}" in line:
                break
        monkeypatch.setenv("SUIRON_API_KEY", key)
        asking = [
            sys.executable,
            "-m",
            "core",
            "ask",
            "Hi",
            "--server",
            f"http://127.0.0.1:{port}",
            "--max-tokens",
            "5",
        ]
        asked = subprocess.run([*asking, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=SLOW)
        while asked.returncode:  # its model is being loaded
            assert "lists no model" in asked.stdout, asked.stdout + asked.stderr
            asked = subprocess.run([*asking, "--json"], cwd=ROOT, capture_output=True, text=True, timeout=SLOW)
        finish = json.loads(asked.stdout.splitlines()[-1])
        assert finish["tokens"] == 5
        again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SLOW)
        assert again.returncode
        assert "another program listens" in again.stderr
        assert key not in again.stdout + again.stderr
    finally:
        process.terminate()
        rest = process.communicate(timeout=SLOW)
    assert key not in "".join(rest)
