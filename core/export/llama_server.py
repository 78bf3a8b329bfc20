"""Asks a GGUF file through llama.cpp's own server, where that program is on the machine."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PROGRAM = "llama-server"
_START_SECONDS = 120.0  # until it has loaded a model
_ANSWER_SECONDS = 300.0


class LlamaServerFailed(Exception):
    """The server did not start or did not answer; the reason is a clause."""


def llama_server() -> str | None:
    """The path of the program; None where it is not on the machine."""
    return shutil.which(PROGRAM)


def answers_of_llama_server(
    gguf: Path,
    prompts: Sequence[Sequence[int]],
    stops: frozenset[int],
    most: int,
    on_answers: Callable[[int], None],
) -> list[list[int]]:
    """The ids that llama.cpp continues each prompt with, always the likeliest, up to a stop and without it, `most` ids
    at most. Raises LlamaServerFailed, and what `on_answers` raises; the server has ended then."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    longest = max((len(prompt) for prompt in prompts), default=0) + most
    command = [llama_server() or PROGRAM, "-m", str(gguf), "--host", "127.0.0.1", "--port", str(port)]
    command += ["-c", str(longest + 16), "-np", "1", "--no-webui"]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        raise LlamaServerFailed(f"{PROGRAM} cannot be started ({error.strerror})") from error
    try:
        _wait_until_ready(process, port)
        answers = []
        for done, prompt in enumerate(prompts):
            on_answers(done)
            answers.append(_answer(port, prompt, stops, most))
        on_answers(len(prompts))
        return answers
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise LlamaServerFailed(f"{PROGRAM} ended with status {process.returncode}")
        try:
            status, _ = _request(port, "GET", "/health", None, 2.0)
        except (OSError, http.client.HTTPException):
            status = 0
        if status == 200:
            return
        time.sleep(0.05)
    raise LlamaServerFailed(f"{PROGRAM} was not ready after {_START_SECONDS:.0f} s")


def _answer(port: int, prompt: Sequence[int], stops: frozenset[int], most: int) -> list[int]:
    body = {
        "prompt": list(prompt),
        "n_predict": most,
        "temperature": 0,
        "samplers": ["temperature"],
        "return_tokens": True,
        "cache_prompt": False,
    }
    try:
        status, answer = _request(port, "POST", "/completion", body, _ANSWER_SECONDS)
        if status != 200:
            raise LlamaServerFailed(f"{PROGRAM} refused a question (status {status})")
        tokens = [int(token) for token in answer["tokens"]]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise LlamaServerFailed(f"{PROGRAM} did not answer ({type(error).__name__})") from error
    ended = next((index for index, token in enumerate(tokens) if token in stops), len(tokens))
    return tokens[:ended]


def _request(port: int, method: str, path: str, body: dict[str, Any] | None, seconds: float) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        content = json.dumps(body) if body is not None else None
        connection.request(method, path, content, {"Content-Type": "application/json"} if content else {})
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()
