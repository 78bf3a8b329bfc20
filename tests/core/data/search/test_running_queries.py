"""A newer query cancels the older ones, whether they ask or wait for a child process."""

from __future__ import annotations

import pytest

from core.data.search.running_queries import QueryInterrupted, RunningQueries


def test_an_interrupt_cancels_the_queries_before_it_alone() -> None:
    queries = RunningQueries()
    older = queries.ticket()
    older.check()
    queries.interrupt()
    newer = queries.ticket()
    newer.check()
    assert older.stale and not newer.stale
    with pytest.raises(QueryInterrupted):
        older.check()


def test_a_callback_is_called_once_and_at_once_if_it_comes_too_late() -> None:
    queries, called = RunningQueries(), []
    first, second, third = queries.ticket(), queries.ticket(), queries.ticket()
    first.watch(lambda: called.append("first"))
    second.watch(lambda: called.append("second"))
    second.forget()
    queries.interrupt()
    queries.interrupt()
    assert called == ["first"]
    third.watch(lambda: called.append("third"))
    assert called == ["first", "third"]
