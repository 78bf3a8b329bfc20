"""The servers that were asked last, newest first, in `<home>/servers.json`: URLs and names of models, never a key."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.base import files, folders

MOST_KEPT = 20  # older ones are forgotten


class ServerModel(msgspec.Struct, frozen=True):
    """A model of a server that was chosen."""

    url: str
    """The server's URL."""
    model: str
    """The model's name there; foreign text."""


def recent_servers() -> list[ServerModel]:
    """The servers asked last, newest first; none where the list is missing or unreadable."""
    try:
        return msgspec.json.decode(_path().read_bytes(), type=list[ServerModel])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return []


def remember_server(server: ServerModel) -> None:
    """Put a server first. Raises OSError where the list cannot be written."""
    others = [known for known in recent_servers() if known != server]
    files.replace_file(_path(), msgspec.json.encode([server, *others][:MOST_KEPT]))


def _path() -> Path:
    return folders.home() / "servers.json"
