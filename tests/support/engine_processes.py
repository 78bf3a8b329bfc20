"""A client whose engines are real processes, which all end with the test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from core.engine import launch
from core.engine.client import EngineClient

SLOW = 120.0
"""Seconds before a test that waits for a process gives up."""


@contextmanager
def process_client() -> Iterator[EngineClient]:
    """The client; at the end, every engine that was started is killed and reaped."""
    yield EngineClient()
    for process in launch._children.values():
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
    launch._children.clear()
