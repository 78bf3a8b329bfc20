"""What a server's refusals mean, as errors in three parts. Quotes a server's words only cut, safe, and without keys."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from core.base.errors import EngineError, ModelError, SuironError, UsageError
from core.base.safe_text import safe_line
from core.base.without_tokens import without_tokens

_LONGEST_WAIT = 86_400  # seconds that are believed
_MESSAGE = 300  # characters of a server's words that are shown
_NO_ROUTE = (404, 405, 501)


class Refusal(Exception):
    """A reply with an error, before any text of an answer came."""

    def __init__(self, status: int, message: str, parameter: str, retry_after: str = "", location: str = "") -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; 0 for an error inside a stream."""
        self.message = message
        """The server's words, safe to show."""
        self.parameter = parameter
        """The field that it names itself; empty for none."""
        self.retry_after, self.location = retry_after, location

    @property
    def is_about_request(self) -> bool:
        """Whether a field of the request may be what it refuses."""
        return self.status in (400, 422)

    @property
    def has_no_route(self) -> bool:
        """Whether the server may lack the route."""
        return self.status in _NO_ROUTE

    def names(self, fields: set[str]) -> list[str]:
        """Those of `fields` that it names, sorted. A field that is also an English word counts only in quotes."""
        return sorted(name for name in fields if name == self.parameter or _is_named(name, self.message))


def read_refusal(status: int, body: bytes, key: str, retry_after: str = "", location: str = "") -> Refusal:
    """The refusal in a reply, in any of the forms that servers use."""
    message, parameter = _words(body)
    return Refusal(status, quoted(message, key), parameter, retry_after, quoted(location, key))


def quoted(text: str, key: str) -> str:
    """A server's words, cut, safe, without keys and without a full stop."""
    if key:
        text = text.replace(key, "...")
    return safe_line(without_tokens(text), _MESSAGE).rstrip(".")


def refusal_error(refusal: Refusal, host: str, model: str, sent: set[str], key_variable: str) -> SuironError:
    """The error for people. model: what was asked; empty where no model was. sent: the fields of the request that a
    person has chosen. key_variable: where the key comes from; empty where none is sent."""
    words = f" ({refusal.message})" if refusal.message else ""
    if refusal.status in (401, 403):
        do = f"Put a key for this server into {key_variable}" if key_variable else "Name a variable in servers.yaml"
        return EngineError(f"the server refuses the key, or wants one{words}", host, f"{do}, and start again")
    if refusal.status == 429:
        wait = _seconds(refusal.retry_after)
        what = f"the server's rate limit is reached{words}"
        return EngineError(what, host, f"Ask again in {wait} seconds" if wait else "Wait a while and ask again")
    if 300 <= refusal.status < 400:
        to = f": {refusal.location}" if refusal.location else ""
        return EngineError(
            f"the server sends its clients to another address{to}", host, "Give that URL itself, if you trust it"
        )
    if refusal.status == 404 and model:
        return ModelError(
            f"the server has no such model, or no such route{words}", f"{model} at {host}", "Choose another"
        )
    if refusal.is_about_request and (named := refusal.names(sent)):
        fields = ", ".join(named)
        return UsageError(f"the server refuses {fields}{words}", host, "Change it, leave it out, or ask another server")
    if refusal.is_about_request:
        return UsageError(f"the server refuses the question{words}", host, "Change what it names, and ask again")
    if refusal.status == 503:
        return EngineError(f"the server is not ready{words}", host, "Wait until it has loaded its model, and ask again")
    status = f" with status {refusal.status}" if refusal.status else ""
    return EngineError(f"the server failed or refused{status}{words}", host, "Read the server's own log, and ask again")


def _words(body: bytes) -> tuple[str, str]:
    """The message and the field that it names."""
    try:
        described: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body[:1000].decode("utf-8", "replace"), ""
    if isinstance(described, dict):
        described = described.get("error") or described
    if isinstance(described, dict):
        parameter = described.get("param")
        message = next((described[name] for name in ("message", "detail", "error") if described.get(name)), described)
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        return text, parameter if isinstance(parameter, str) else ""
    return str(described), ""


def _is_named(name: str, message: str) -> bool:
    if "_" in name or name == "temperature":
        return re.search(rf"\b{name}\b", message) is not None
    return re.search(rf"[`'\"]{name}[`'\"]", message) is not None


def _seconds(text: str) -> int:
    """Whole seconds of a Retry-After header; 0 where it says none (it may be a date)."""
    text = text.strip()[:12]
    try:
        value = float(text)
    except ValueError:
        return 0
    return min(_LONGEST_WAIT, -int(-value // 1)) if 0 < value < float("inf") else 0
