"""Asks an exported Ollama folder through Ollama itself, where its program is on the machine and its server runs.

The model is made under a name of its own and removed again. Ollama gives text, not ids: texts are compared.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PROGRAM = "ollama"
_DEFAULT_HOST = "127.0.0.1:11434"
_LOOK_SECONDS = 1.0
_MAKE_SECONDS = 600.0
_ANSWER_SECONDS = 300.0


class OllamaFailed(Exception):
    """Ollama could not be asked; the reason is a clause."""


def ollama_runs() -> bool:
    """Whether the program is on the machine and its server answers."""
    if shutil.which(PROGRAM) is None:
        return False
    try:
        return _request("GET", "/api/version", None, _LOOK_SECONDS)[0] == 200
    except (OSError, http.client.HTTPException, ValueError):
        return False


def texts_of_ollama(
    folder: Path, modelfile: str, prompts: Sequence[str], most: int, on_answers: Callable[[int], None]
) -> list[str]:
    """The text with which Ollama continues each prompt, always the likeliest, `most` tokens at most. folder: with the
    file `modelfile` and what it names. Raises OllamaFailed, and what `on_answers` raises; the model is removed then."""
    name = f"suiron-check-{secrets.token_hex(4)}"
    try:
        subprocess.run(
            [PROGRAM, "create", name, "-f", modelfile],
            cwd=folder,
            check=True,
            capture_output=True,
            timeout=_MAKE_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise OllamaFailed(f"{PROGRAM} could not read the Modelfile ({type(error).__name__})") from error
    try:
        answers = []
        for done, prompt in enumerate(prompts):
            on_answers(done)
            answers.append(_answer(name, prompt, most))
        on_answers(len(prompts))
        return answers
    finally:
        subprocess.run([PROGRAM, "rm", name], check=False, capture_output=True, timeout=_MAKE_SECONDS)


def _answer(name: str, prompt: str, most: int) -> str:
    body = {
        "model": name,
        "prompt": prompt,
        "raw": True,  # the prompt as it is, not in the template again
        "stream": False,
        "options": {"temperature": 0, "num_predict": most, "top_k": 1, "repeat_penalty": 1.0},
    }
    try:
        status, answer = _request("POST", "/api/generate", body, _ANSWER_SECONDS)
        if status != 200:
            raise OllamaFailed(f"{PROGRAM} refused a question (status {status})")
        return str(answer["response"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise OllamaFailed(f"{PROGRAM} did not answer ({type(error).__name__})") from error


def _request(method: str, path: str, body: dict[str, Any] | None, seconds: float) -> tuple[int, Any]:
    host = os.environ.get("OLLAMA_HOST", "") or _DEFAULT_HOST
    address = urlsplit(host if "//" in host else f"//{host}")
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port or 11434, timeout=seconds)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        return response.status, json.loads(response.read() or b"null")
    finally:
        connection.close()
