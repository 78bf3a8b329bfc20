"""Ollama, played by a script and a server in this process."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.export.export_result import read_result
from core.export.ollama_server import OllamaFailed, ollama_runs, texts_of_ollama
from core.runs.run_folder import RunFolder
from tests.support.export_runs import QUESTIONS, export_here


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Any]]:
    """A server that answers each prompt with itself in capitals; what it was asked."""
    seen: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def say(self, value: Any) -> None:
            content = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.say({"version": "0"})

        def do_POST(self) -> None:
            seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.say({"response": seen[-1]["prompt"].upper()})

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    program = tmp_path / "bin" / "ollama"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path / "calls"}\n[ "$1" != create ] || [ -f "$4" ]\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{server.server_port}")
    yield seen
    server.shutdown()
    server.server_close()


def test_ollama_is_asked_and_cleaned_up(asked: list[Any], tmp_path: Path) -> None:
    (tmp_path / "Modelfile").write_text("FROM x")
    assert ollama_runs()
    assert texts_of_ollama(tmp_path, "Modelfile", ["a b", "c"], 8, lambda _: None) == ["A B", "C"]
    assert asked[0]["raw"] is True
    assert asked[0]["options"]["temperature"] == 0
    created, removed = (tmp_path / "calls").read_text().splitlines()
    name = created.split()[1]
    assert created == f"create {name} -f Modelfile"
    assert removed == f"rm {name}"


def test_a_modelfile_that_ollama_refuses_is_said(asked: list[Any], tmp_path: Path) -> None:
    with pytest.raises(OllamaFailed, match="Modelfile"):
        texts_of_ollama(tmp_path, "Modelfile", ["a"], 8, lambda _: None)


def test_without_ollama_it_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not ollama_runs()


def test_its_agreement_stands_beside_the_others(asked: list[Any], run: RunFolder, tmp_path: Path) -> None:
    job = export_here(run, tmp_path / "out", "ollama", type="f32")
    result = read_result(job.path)
    assert result is not None
    assert result.agreements["exported"].equal == QUESTIONS
    assert result.agreements["ollama"].asked == QUESTIONS
    assert result.agreements["ollama"].equal == 0
    assert all(question["prompt"].startswith("Below is an instruction") for question in asked)
