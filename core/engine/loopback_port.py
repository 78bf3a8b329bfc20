"""The engine on a loopback port, for programs that speak no Unix socket: only /v1, and only with a key. Light.

Whatever runs on this machine can reach a port, a page in a browser too. So every request needs the key, and its Host
header must name this machine: a page's own name that was made to resolve to 127.0.0.1 is refused. No reply allows
another origin. The Unix socket stays as it is.
"""

from __future__ import annotations

import errno
import hmac
import os
import re
import secrets
import socket
from pathlib import Path
from typing import NamedTuple

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from core.base import folders
from core.base.errors import EngineError, UsageError
from core.base.files import private_dir

KEY_VARIABLE = "SUIRON_API_KEY"
LOOPBACK = "127.0.0.1"
_LEAST_KEY = 16  # characters
_KEY = re.compile(r"[!-~]+")


class PortKey(NamedTuple):
    """The key for the port."""

    key: str
    """The key."""
    path: Path | None
    """The private file that it is kept in; None where it comes from the environment."""
    is_new: bool
    """Whether it was drawn just now."""


def port_key() -> PortKey:
    """The key in SUIRON_API_KEY, else the one in the home's private file, which is drawn where there is none. Raises
    UsageError for a key that is too short, EngineError where the file cannot be used."""
    if key := os.environ.get(KEY_VARIABLE, "").strip():
        if len(key) < _LEAST_KEY or not _KEY.fullmatch(key):
            raise UsageError(
                f"the key has fewer than {_LEAST_KEY} characters, or some that no header can have",
                KEY_VARIABLE,
                "Set a longer one of letters and digits, or unset it: then a key is drawn",
            )
        return PortKey(key, None, False)
    try:
        path = private_dir(folders.home() / "engine") / "port_key"
        return _kept_key(path)
    except OSError as error:
        raise EngineError(
            f"the file with the key cannot be used ({error.strerror or error})",
            str(error.filename or ""),
            f"Remove it, or set {KEY_VARIABLE}",
        ) from error


def listen_on_loopback(port: int) -> socket.socket:
    """A socket that listens on 127.0.0.1. Raises UsageError for a port that cannot be, EngineError for one that is
    taken."""
    if not 1 <= port <= 65_535:
        raise UsageError("the port is not from 1 to 65535", str(port), "Choose one from 1024 to 65535")
    listener = socket.socket(socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        what = "another program listens on this port" if taken else f"the port cannot be used ({error.strerror})"
        raise EngineError(what, f"{LOOPBACK}:{port}", "Choose another one from 1024 to 65535") from error
    return listener


class KeyedPort:
    """An application of which a port shows only /v1, and only to those who have the key. What comes through a Unix
    socket passes unchanged."""

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or _is_unix(scope):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = _single_headers(scope)
        if not _names_loopback(headers.get(b"host", b""), scope.get("server")):
            await _refuse(send, 421, "The Host header does not name this machine.")
        elif not self._has_key(headers.get(b"authorization", b"")):
            await _refuse(send, 401, f"The key is missing or wrong: send Authorization: Bearer, with {KEY_VARIABLE}.")
        elif scope["path"] != "/v1" and not scope["path"].startswith("/v1/"):
            await _refuse(send, 404, "This port shows only /v1; the rest is on the Unix socket.")
        else:
            await self._app(scope, receive, send)

    def _has_key(self, header: bytes) -> bool:
        kind, _, key = header.partition(b" ")
        return kind.lower() == b"bearer" and hmac.compare_digest(key.strip(), self._key)


def _kept_key(path: Path) -> PortKey:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with open(handle, "rb") as file:
            status = os.fstat(file.fileno())
            key = file.read(4096).decode("ascii", "replace").strip()
        if status.st_uid != os.getuid() or status.st_mode & 0o077:
            raise EngineError(
                "the file with the key is open to other users", str(path), "Remove it: another key is drawn"
            ) from None
        if len(key) < _LEAST_KEY or not _KEY.fullmatch(key):
            raise EngineError("the file holds no key", str(path), "Remove it: another key is drawn") from None
        return PortKey(key, path, False)
    key = secrets.token_urlsafe(32)
    with open(handle, "wb") as file:
        file.write(key.encode() + b"\n")
    return PortKey(key, path, True)


def _is_unix(scope: Scope) -> bool:
    """Whether a request came through a Unix socket, whose address has no port. Whatever is unclear needs the key."""
    server = scope.get("server")
    return server is not None and server[1] is None


def _single_headers(scope: Scope) -> dict[bytes, bytes]:
    """The headers that occur once: one that is told twice is as good as none."""
    headers: dict[bytes, bytes] = {}
    twice: set[bytes] = set()
    for name, value in scope["headers"]:
        twice |= {name} & headers.keys()
        headers[name] = value
    return {name: value for name, value in headers.items() if name not in twice}


def _names_loopback(host: bytes, server: tuple[str, int] | None) -> bool:
    port = 0 if server is None else server[1]
    return host.lower() in {f"{name}:{port}".encode() for name in (LOOPBACK, "localhost")}


async def _refuse(send: Send, status: int, message: str) -> None:
    kind = "authentication_error" if status == 401 else "invalid_request_error"
    body = msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": None}})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
