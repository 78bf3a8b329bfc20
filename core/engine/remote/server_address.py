"""The address of a server of the OpenAI API, and the key for it. Light: no HTTP library.

A key comes from the environment alone: from SUIRON_API_KEY, or from the variable that `<config>/servers.yaml` names for
the server (`https://models.example/v1: EXAMPLE_KEY`; without a name it gets no key). It is never written or shown.
"""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from core.base import folders
from core.base.errors import UsageError
from core.base.untrusted_yaml import parse_yaml

KEY_VARIABLE = "SUIRON_API_KEY"
_LONGEST = 2000  # characters of a URL
_NOT_IN_URL = re.compile(r"[^!-~]")
_ROUTES = ("/chat/completions", "/completions", "/models")
_KEY = re.compile(r"[!-~]{1,4096}")
_CONFIG_LIMIT = 100_000  # bytes


class ServerAddress(msgspec.Struct, frozen=True):
    """The address of a server."""

    url: str
    """The URL before `/models` and the other routes, without a slash at its end."""
    host: str
    """The host, and the port where one is told, for people."""
    is_local: bool
    """Whether the host is this machine itself."""
    is_encrypted: bool
    """Whether it is reached by TLS."""


def is_server_url(name: str) -> bool:
    """Whether `name` is written as a URL, not as the name of a model."""
    return "://" in name


def parse_server_url(text: str) -> ServerAddress:
    """The server at a URL as people write it: with or without `/v1` and the name of a route. Raises UsageError, which
    does not quote a URL with a password in it."""
    text = text.strip()
    if _NOT_IN_URL.search(text) or len(text) > _LONGEST:
        raise _no_url("the URL has characters that a URL cannot have, or is too long", "")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _no_url("the URL cannot be read", "") from error
    if "@" in parts.netloc:
        raise UsageError(
            "the URL contains a user name or a key", parts.scheme, f"Leave it out, and put the key into {KEY_VARIABLE}"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _no_url("this is no URL of a server", text)
    if parts.query or parts.fragment:
        raise _no_url("the URL has a query or a fragment", parts.hostname)
    path = parts.path.rstrip("/")
    for route in _ROUTES:
        path = path.removesuffix(route)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = host if port is None else f"{host}:{port}"
    return ServerAddress(
        url=f"{parts.scheme}://{shown}{path or '/v1'}",
        host=shown,
        is_local=_is_local(parts),
        is_encrypted=parts.scheme == "https",
    )


def server_key(address: ServerAddress) -> str:
    """The key for the server; empty for none. Raises UsageError where it cannot be sent, and where it would go over a
    network unencrypted."""
    variable = _key_variables().get(address.url, KEY_VARIABLE)
    key = os.environ.get(variable, "").strip() if variable else ""
    if not key:
        return ""
    if not _KEY.fullmatch(key):
        raise UsageError(
            "the key has characters that no header can have", variable, "Set the variable to the key alone"
        )
    if not (address.is_local or address.is_encrypted):
        raise UsageError(
            f"the key in {variable} would cross the network unencrypted",
            address.host,
            "Use https or a tunnel to a local port, or write the server without a key into servers.yaml",
        )
    return key


def key_variable(address: ServerAddress) -> str:
    """The variable that holds the key for the server; empty where it gets none."""
    return _key_variables().get(address.url, KEY_VARIABLE)


def _key_variables() -> dict[str, str]:
    """The variables by the servers' URLs, from the user's file. Raises UsageError."""
    path = folders.config() / "servers.yaml"
    do = "Write lines such as https://models.example/v1: EXAMPLE_KEY"
    try:
        with open(path, "rb") as file:
            content: Any = parse_yaml(file.read(_CONFIG_LIMIT), deepest=1) or {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"the file cannot be read ({error})", str(path), do) from error
    if not isinstance(content, dict):
        raise UsageError("the file is no list of servers", str(path), do)
    variables: dict[str, str] = {}
    for url, variable in content.items():
        if not isinstance(url, str) or not isinstance(variable, str | None):
            raise UsageError("a line of it is not a URL and a variable's name", str(path), do)
        variables[parse_server_url(url).url] = variable or ""
    return variables


def _is_local(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _no_url(what: str, where: str) -> UsageError:
    return UsageError(what, where, "Write it as http://127.0.0.1:8000/v1 or https://HOST/v1")
