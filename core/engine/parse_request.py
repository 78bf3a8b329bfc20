"""Reads the body of a request, and refuses by name what this server cannot honour."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from core.base.errors import EngineError, SuironError, UsageError

_OTHER_NAMES = {
    "cache_prompt": "what begins the same is always reused; suiron.cold prevents it",
    "function_call": "use tool_choice",
    "functions": "use tools",
    "max_new_tokens": "use max_tokens",
    "max_length": "use max_tokens",
    "n_predict": "use max_tokens",
    "n_probs": "use logprobs",
    "penalty_last_n": "penalties count the whole sequence",
    "dry_penalty_last_n": "it counts the whole sequence",
    "repeat_penalty": "use repetition_penalty",
    "reasoning_effort": "use suiron.thinking_budget",
    "thinking_budget": "use suiron.thinking_budget",
    "use_beam_search": "use n",
}
"""Fields of other servers, and what serves here instead."""


class RefusedRequest(Exception):
    """A request that is answered with `status` and an error body."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        code: str | None = None,
        error: SuironError | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.code, self.error = status, message, kind, code, error

    def body(self) -> dict[str, Any]:
        """The error in the format of OpenAI's API."""
        described: dict[str, Any] = {"message": self.message, "type": self.kind, "param": None, "code": self.code}
        if self.error is not None:
            described["suiron"] = [self.error.what, self.error.where, self.error.do]
        return {"error": described}


def refusal_of(error: SuironError) -> RefusedRequest:
    """The reply to a request that fails with `error`: 400 for the client's own mistakes, else 503 (another request may
    succeed)."""
    if isinstance(error, UsageError):
        return RefusedRequest(400, str(error), error=error)
    code = "model_not_ready" if isinstance(error, EngineError) else "model_failed"
    return RefusedRequest(503, str(error), "server_error", code, error)


_Any = TypeVar("_Any")


def parse_request(body: bytes, kind: type[_Any]) -> _Any:
    """The request in `body`. Raises RefusedRequest with the wrong field."""
    return decode_body(body, kind)


def decode_body(body: bytes, kind: type[_Any]) -> _Any:
    """The JSON in `body` as `kind`. Raises RefusedRequest with the wrong field."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        if unknown := re.search(r"unknown field `(.*?)`", str(error)):
            raise _unknown_field(unknown.group(1), str(error)) from error
        raise RefusedRequest(400, f"The request is invalid: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedRequest(400, f"The body is not JSON: {error}.") from error


def _unknown_field(name: str, error: str) -> RefusedRequest:
    place = error.rpartition(" - at ")[2].strip("`") if " - at " in error else ""
    instead = _OTHER_NAMES.get(name, "leave it out")
    where = f" in {place}" if place.strip("$") else ""
    return RefusedRequest(400, f"This server does not support {name}{where}: {instead}.", code="unsupported_parameter")
