"""Server-sent events, cut anywhere, and never more than bounded."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import EngineError
from core.engine.remote import event_stream
from core.engine.remote.event_stream import EventReader

STREAM = b": comment\r\ndata: one\r\n\r\nevent: x\ndata:two\nid: 1\ndata: lines\n\n\n\ndata: [DONE]\n\ndata: rest"
EVENTS = [b"one", b"two\nlines", b"[DONE]", b"rest"]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_do_not_depend_on_how_the_stream_is_cut(cuts: list[int]) -> None:
    reader = EventReader("host")
    places = [0, *sorted(cuts), len(STREAM)]
    events: list[bytes] = []
    for begin, end in itertools.pairwise(places):
        events += reader.feed(STREAM[begin:end])
    assert events + reader.close() == EVENTS


@pytest.mark.parametrize("block", [b"x" * 1000, b"data: " + b"x" * 500 + b"\n"])
def test_an_event_without_an_end_is_refused(block: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "LINE_LIMIT", 10_000)
    reader = EventReader("host")
    with pytest.raises(EngineError, match="without an end"):
        for _ in range(100):
            reader.feed(block)


def test_comments_for_ever_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "STREAM_LIMIT", 10_000)
    reader = EventReader("host")
    with pytest.raises(EngineError, match="more than any answer"):
        for _ in range(10_000):
            reader.feed(b": ping\n\n")
