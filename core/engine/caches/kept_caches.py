"""What ended answers left, in rows and beside them: puts it into the store, and empties its places when it goes."""

from __future__ import annotations

from collections.abc import Callable

from core.engine.caches.lane import Kept, Lane, RowPlace
from core.engine.caches.prefix_store import KeptPrefix, PrefixKey, PrefixStore, common_prefix
from core.engine.steps.cache_copy import CacheCopy

_SNAPSHOT_EVERY = 256  # tokens between two snapshots of a cache that cannot be cut


class KeptCaches:
    """The kept caches of one loaded model. What is in the store has a place, and a place in a row knows it."""

    def __init__(self, budget: int, fixed_bytes: Callable[[], int], *, cuts: bool) -> None:
        """budget: bytes that they may take. fixed_bytes: memory of all rows' preallocated caches, which counts too.
        cuts: whether a cache can be cut to a part of its tokens."""
        self.store: PrefixStore[RowPlace | CacheCopy] = PrefixStore(budget)
        self._fixed_bytes, self._cuts = fixed_bytes, cuts

    def put(self, key: PrefixKey, ids: list[int], place: RowPlace | CacheCopy, size: int) -> None:
        """Keep a cache that holds `ids` and takes `size` bytes, as the one used last."""
        kept: Kept = KeptPrefix(key, ids, place, size)
        if self._cuts:  # a copy of its beginning is of no more use
            for other in self.store.all():
                is_copy = not isinstance(other.place, RowPlace)
                if is_copy and other.key == key and common_prefix(other.ids, ids) == len(other.ids):
                    self.store.remove(other)
        self.store.put(kept)
        if isinstance(place, RowPlace):
            place.lane.kept[place.row] = kept
        self.drop_over_budget()

    def snapshot_places(self, key: PrefixKey, prompt: list[int], fed: int) -> list[int]:
        """Where a copy of a cache that cannot be cut is kept: now and then, where an earlier prompt began to differ,
        and one token before the prompt's end, from where another answer to the same prompt goes on. fed: tokens of the
        prompt that the row holds already."""
        last = len(prompt) - 1
        places = {*range(_SNAPSHOT_EVERY, last, _SNAPSHOT_EVERY), last}
        places.add(self.store.longest_common(key, prompt))
        return sorted(place for place in places if fed < place <= last)

    def evict(self, lane: Lane, row: int) -> None:
        """Make a row empty; what it keeps goes beside the rows, where the budget has room for it."""
        kept = lane.kept[row]
        lane.kept[row] = None
        if kept is not None:
            self.store.remove(kept)
            copy = lane.step.copy_out(row)
            kept.place, kept.bytes = copy, copy.bytes
            self.store.put_back(kept)
            self.drop_over_budget()
        lane.step.release(row)

    def drop_over_budget(self, room: int = 0) -> None:
        """Drop the oldest, until the rest and `room` more bytes fit the budget."""
        for kept in self.store.over_budget(room + self._fixed_bytes()):
            _empty_place(kept)

    def model_changed(self, adapters: tuple[str, ...]) -> None:
        """Other adapters are loaded and all rows go: what those that remain have left is kept beside the rows."""
        labels = {"", *adapters}
        for kept in self.store.all():
            place = kept.place
            if kept.key[0] not in labels:
                self.store.remove(kept)
            elif isinstance(place, RowPlace):
                copy = place.lane.step.copy_out(place.row)
                kept.place, kept.bytes = copy, copy.bytes
        self.drop_over_budget()

    def lane_lost(self, lane: Lane) -> None:
        """Forget what a lane's rows keep."""
        for kept in self.store.all():
            if isinstance(kept.place, RowPlace) and kept.place.lane is lane:
                self.store.remove(kept)

    def forget(self) -> None:
        """Drop everything."""
        for kept in self.store.all():
            self.store.remove(kept)
            _empty_place(kept)


def _empty_place(kept: Kept) -> None:
    if isinstance(kept.place, RowPlace):
        lane, row = kept.place.lane, kept.place.row
        lane.kept[row] = None
        lane.step.release(row)
