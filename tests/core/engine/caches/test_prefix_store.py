"""The longest common prefix, what of it is usable, and who is dropped first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.engine.caches.prefix_store import KeptPrefix, PrefixStore, common_prefix, usable_tokens

IDS = st.lists(st.integers(0, 2), max_size=12)
KEY = ("", "plain")


def kept(ids: list[int], size: int = 1, key: tuple[str, str] = KEY) -> KeptPrefix[str]:
    return KeptPrefix(key, ids, "somewhere", size)


@given(IDS, IDS)
def test_the_common_prefix_is_that_of_a_comparison_one_by_one(one: list[int], other: list[int]) -> None:
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    assert common_prefix(one, other) == count


@given(IDS, IDS.filter(bool), st.booleans())
def test_something_is_always_left_to_feed_and_an_uncut_cache_serves_whole(
    held: list[int], ids: list[int], cuts: bool
) -> None:
    count = usable_tokens(held, ids, cuts=cuts)
    assert count < len(ids)
    assert held[:count] == ids[:count]
    assert cuts or count in (0, len(held))


@given(st.lists(IDS, max_size=8), IDS.filter(bool), st.booleans())
def test_the_best_is_found(all_held: list[list[int]], ids: list[int], cuts: bool) -> None:
    store: PrefixStore[str] = PrefixStore(100)
    for held in all_held:
        store.put(kept(held))
    found = store.find(KEY, ids, cuts=cuts)
    most = max((usable_tokens(held, ids, cuts=cuts) for held in all_held), default=0)
    assert (found[1] if found else 0) == most
    assert store.find(("another", "plain"), ids, cuts=cuts) is None


@given(st.lists(st.integers(0, 5), max_size=10), st.integers(0, 20), st.integers(0, 10))
def test_the_oldest_go_until_the_rest_fits(sizes: list[int], budget: int, room: int) -> None:
    store: PrefixStore[str] = PrefixStore(budget)
    entries = [kept([number], size) for number, size in enumerate(sizes)]
    for entry in entries:
        store.put(entry)
    dropped = store.over_budget(room)
    assert store.bytes + room <= budget or not store.bytes
    assert dropped == [entry for entry in entries if entry.bytes][: len(dropped)]
    if dropped:
        assert store.bytes + dropped[-1].bytes + room > budget, "one too many was dropped"
