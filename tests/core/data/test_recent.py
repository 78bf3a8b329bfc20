"""The list of data sets opened last."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from core.base import folders
from core.data.recent import MAX_KEPT, recent_sources, remember_recent


def test_the_newest_stands_first_and_each_once() -> None:
    assert recent_sources() == []
    for source, split in (("a.jsonl", ""), ("owner/name", "train"), ("a.jsonl", ""), ("owner/name", "test")):
        remember_recent(source, split, 5)
    assert [(one.source, one.split) for one in recent_sources()] == [
        ("owner/name", "test"),
        ("a.jsonl", ""),
        ("owner/name", "train"),
    ]
    first = recent_sources()[0]
    assert first.rows == 5 and first.when >= recent_sources()[1].when > 1e9


def test_it_is_kept_short_and_survives_damage() -> None:
    for i in range(MAX_KEPT + 5):
        remember_recent(f"{i}.jsonl", "", i)
    assert [one.rows for one in recent_sources()] == list(range(MAX_KEPT + 4, 4, -1))
    (folders.home() / "recent.json").write_bytes(b'[{"source": 1')
    assert recent_sources() == []
    remember_recent("立山.jsonl", "", 1)
    remember_recent("not utf-8 \udcff.jsonl", "", 1)
    assert [one.source for one in recent_sources()] == ["立山.jsonl"]


def test_writers_at_once_lose_nothing() -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: remember_recent(f"{i}", "", i), range(20)))
    assert {one.source for one in recent_sources()} == {str(i) for i in range(20)}
