"""Requests to a job: one file each in `requests/`, renamed into place, so that several people on several machines may
ask at once. The job obeys them in the order of their names, which begin with the time.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from core.base.files import private_dir, replace_file

REQUESTS_FOLDER = "requests"
_MOST_BYTES = 64 * 1024  # a request is a few words


class JobRequest(msgspec.Struct, frozen=True):
    """A request as it was written."""

    kind: str
    """What is asked: see `core.runs.steering.REQUEST_KINDS`; a job refuses others by name."""
    value: Any = None
    """With what: the factor of `rate`, the value of `set`."""
    key: str = ""
    """The setting that `set` changes."""
    time: float = 0.0
    """When it was asked, seconds since the epoch, by the clock of whoever asked."""
    host: str = ""
    """The machine that asked."""
    name: str = ""
    """The file's name; empty in the file itself."""


def write_request(folder: Path, kind: str, value: Any = None, key: str = "") -> str:
    """Ask the job in `folder`; it looks at its next step. Returns the name of the request. Raises OSError."""
    requests = private_dir(folder / REQUESTS_FOLDER)
    now = time.time()
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    name = f"{stamp}-{secrets.token_hex(4)}.json"
    replace_file(requests / name, msgspec.json.encode(JobRequest(kind, value, key, now, socket.gethostname())))
    return name


def list_requests(folder: Path) -> list[JobRequest]:
    """All requests to the job, in order."""
    return RequestInbox(folder).take_new()


class RequestInbox:
    """The requests that were not taken yet. handled: names of those that an earlier process of the job has dealt
    with."""

    def __init__(self, folder: Path, handled: set[str] | None = None) -> None:
        self._folder = folder / REQUESTS_FOLDER
        self.handled = handled or set()

    def take_new(self) -> list[JobRequest]:
        """The requests since the last time, in order; one that cannot be read has the kind `unreadable` and the reason
        as its value. Raises OSError where the folder cannot be read."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        new = sorted(name for name in names if name.endswith(".json") and name not in self.handled and name[0] != ".")
        requests = [_read(self._folder / name) for name in new]
        self.handled.update(new)
        return requests


def _read(path: Path) -> JobRequest:
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            return JobRequest("unreadable", f"it is larger than {_MOST_BYTES} bytes", name=path.name)
        request = msgspec.json.decode(content, type=JobRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        return JobRequest("unreadable", str(error), name=path.name)
    return msgspec.structs.replace(request, name=path.name)
