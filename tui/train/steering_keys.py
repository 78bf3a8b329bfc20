"""What is asked of the run in Train, and whether it was done. Writes requests; knows no widget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.base.errors import RunError
from core.base.safe_text import safe_line
from core.runs.job_requests import JobRequest
from core.runs.run_reader import RunReader
from core.runs.spec_fields import field_of, setting_values
from core.runs.steering import LIVE_KEYS, REQUEST_KINDS, check_request


class RunSteering:
    """Remembers what was asked, until the run has answered."""

    def __init__(self) -> None:
        self._asked: dict[str, str] = {}

    def ask(self, reader: RunReader, kind: str, value: Any = None, key: str = "") -> str:
        """Write a request; returns what to tell the person. Blocks on the disk. Raises RunError."""
        request = check_request(JobRequest(kind, value, key), reader.folder.spec())
        try:
            name = reader.folder.request(request.kind, request.value, request.key)
        except OSError as error:
            what = f"the run could not be asked ({error.strerror or error})"
            raise RunError(
                what, str(reader.folder.path), "Free some disk space, or end its process yourself"
            ) from error
        words = f"{key} = {request.value}" if kind == "set" else REQUEST_KINDS[kind]
        self._asked[name] = words
        return f"Requested: {words}. It is done at the next step."

    def answers(self, reader: RunReader) -> str:
        """What the run said to requests from here since the last time; empty where it said nothing."""
        words = []
        for event in reader.events if self._asked else ():
            name = event.facts.get("request")
            if isinstance(name, str) and self._asked.pop(name, ""):
                done = "Done" if event.kind == "obeyed" else "Refused"
                words.append(f"{done} at step {event.step:,}: {safe_line(event.words, 120)}.")
        return " ".join(words)


def live_values(reader: RunReader) -> dict[str, str]:
    """The settings that may change while the run works, as they are now: those of its specification, with what it
    obeyed. Raises RunError."""
    texts = {key: text for key, text in setting_values(reader.folder.spec()).items() if key in LIVE_KEYS}
    for event in reader.events:
        if event.kind == "obeyed" and event.facts.get("key") in LIVE_KEYS:
            texts[str(event.facts["key"])] = str(event.facts.get("value"))
    return texts


def check_live(reader: RunReader, texts: Mapping[str, str], now: Mapping[str, str]) -> RunError | None:
    """What is wrong with the changed settings, its `where` the key."""
    for key, text in texts.items():
        if text == now.get(key):
            continue
        try:
            check_request(JobRequest("set", text, key), reader.folder.spec())
        except RunError as error:
            return RunError(error.what, key, error.do)
    return None


LIVE_FIELDS = tuple(field_of(key) for key in LIVE_KEYS)
"""The settings that may change while a run works."""
