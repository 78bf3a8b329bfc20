"""The pass over a source that makes a training set of it. Knows nothing of models or trainers.

Rows are drawn for a template, looked up in the store of encoded rows, encoded where they are not there, cut where the
run says so, checked, and hashed as they will be trained; two batches are with the tokenizer while others are on their
way. Python keeps a line of numbers a row.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from core.base.errors import RunError
from core.base.row import COLUMNS, Row
from core.examples.checks import Checker, Found, learnt
from core.examples.encoded_store import Store, salt, text_hash
from core.examples.mixture import Realised
from core.examples.run_mixture import bound_mixture, drops
from core.examples.training_set import Prepared
from core.runs.spec import RunSpec
from core.templates.chat_template import ChatTemplate
from core.tokens.encode import Batch, encode_batch
from core.tokens.loss_mask import is_weighted, slot_weights
from core.tokens.segments import EOS, OPENING, REASONING, SLOTS, Segment
from core.tokens.tokenizer import TextTokenizer
from core.tokens.truncation import cut_end, cut_reasoning

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.spans import Ints

    Array = np.ndarray[Any, np.dtype[Any]]

_BATCH = 1024  # rows encoded together
_AHEAD = 3  # batches on their way
_NAMED = 10  # row numbers given as examples in facts


class Source(Protocol):
    """What this room needs of an open data set."""

    columns: tuple[str, ...]

    def batches(self, flag: str = "") -> Iterator[list[Row]]: ...


class _Chunk(msgspec.Struct):
    """Some rows on their way. identities, keys: shape (rows, 2); found: their places in the store or -1; encoding: of
    those that were not there."""

    rows: list[Row]
    template: Any
    identities: Any
    keys: Any
    found: Any
    encoding: Future[tuple[Batch, Any]] | None


class Preparation:
    """The pass over the source, and what it counts."""

    def __init__(self, source: Source, spec: RunSpec, tokenizer: TextTokenizer, store: Store) -> None:
        prompt = spec.prompt
        self.spec, self.tokenizer, self.store = spec, tokenizer, store
        self.flag = spec.data.train_flag if "sysflag" in source.columns else ""
        self.mixture = bound_mixture(prompt.mixture, prompt.seed, spec.data.source, tokenizer)
        self.drops = [drops(prompt.drop_empty_input, template) for template in self.mixture.templates]
        self.weights, self.weighted = slot_weights(prompt.loss_on), is_weighted(prompt.loss_on)
        self.checker = Checker(tokenizer, self.weights)
        self.too_long, self.cut, self.not_drawn, self.unlearnt = Found(), Found(), Found(), Found()
        self.unreadable: list[tuple[int, str]] = []
        self.without_reasoning = self.done = 0
        self._salts: dict[tuple[int, str], Array] = {}
        self._cut_salt = salt("cut", prompt.too_long, prompt.max_seq_length)
        self._hashes = [hashlib.blake2b(digest_size=16) for _ in range(4)]  # lengths, ids, labels, weights
        self._kept: list[tuple[Array, ...]] = []  # numbers, template, keys, ends, text hashes, identities
        self._held: list[tuple[Array, ...]] = []  # numbers, identities, text hashes

    def run(self, source: Source, progress: Callable[[int], None]) -> Prepared | None:
        waiting: deque[_Chunk] = deque()
        with ThreadPoolExecutor(2, thread_name_prefix="encode") as pool:
            try:
                for rows in _chunks(source):
                    trained = [row for row in rows if row.sysflag == self.flag] if self.flag else rows
                    if len(trained) < len(rows):
                        self._hold_out([row for row in rows if row.sysflag != self.flag])
                    if trained:
                        waiting.append(self._start(trained, pool))
                    while len(waiting) > _AHEAD:
                        self._finish(waiting.popleft())
                        progress(self.done)
                while waiting:
                    self._finish(waiting.popleft())
                    progress(self.done)
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return self._prepared()

    # -- one chunk --

    def _start(self, rows: list[Row], pool: ThreadPoolExecutor) -> _Chunk:
        import numpy as np

        identities = [row.identity() for row in rows]
        places = [self.mixture.place(row, identity) for row, identity in zip(rows, identities, strict=True)]
        if None in places:
            for row, place in zip(rows, places, strict=True):
                if place is None:
                    self.not_drawn.add(row.index)
            rows, identities = (
                _where(several, [place is not None for place in places]) for several in (rows, identities)
            )
        template = np.array([place for place in places if place is not None], np.uint8)
        halves = keys = _halves(identities)
        if len(rows):
            keys = halves ^ np.stack(
                [self._salt(place, row.syslang) for place, row in zip(template.tolist(), rows, strict=True)]
            )
        found = self.store.find(keys)
        missing = np.nonzero(found < 0)[0].tolist()
        encoding = (
            pool.submit(self._encode, [rows[at] for at in missing], template[missing].tolist()) if missing else None
        )
        return _Chunk(rows, template, halves, keys, found, encoding)

    def _salt(self, place: int, language: str) -> Array:
        """Of all that decides a row's ids besides the row."""
        if (place, language) not in self._salts:
            self._salts[place, language] = salt(self.mixture.templates[place].content(language), self.drops[place])
        return self._salts[place, language]

    def _segments(self, row: Row, place: int) -> list[Segment]:
        return self.mixture.templates[place].segments(row, self.drops[place])

    def _encode(self, rows: list[Row], places: list[int]) -> tuple[Batch, Any]:
        import numpy as np

        segments = [self._segments(row, place) for row, place in zip(rows, places, strict=True)]
        texts = np.array([_hash(of_row) for of_row in segments], np.uint64)
        return encode_batch(segments, self.tokenizer, [row.index for row in rows]), texts

    def _finish(self, chunk: _Chunk) -> None:
        """Gather the rows' ids from the store and from the tokenizer, cut what is too long, check and hash what is
        left."""
        import numpy as np

        count = len(chunk.rows)
        self.done += count
        if not count:
            return
        ends, present, texts = np.zeros((count, SLOTS), np.int32), np.zeros(count, np.uint8), np.zeros(count, np.uint64)
        there = np.nonzero(chunk.found >= 0)[0]
        for field, array in (("ends", ends), ("present", present), ("text", texts)):
            array[there] = self.store.gather(field, chunk.found[there])
        flat = self.store.many(chunk.found[there])
        order = there
        if chunk.encoding is not None:
            new, here = self._take_new(chunk, chunk.encoding, ends, present, texts)
            flat, order = (np.concatenate([flat, new]), np.concatenate([there, here])) if len(there) else (new, here)
        limit = self.spec.prompt.max_seq_length
        kept, cut = np.sort(order), np.zeros(count, bool)
        if (len(there) and chunk.encoding is not None) or (ends[:, EOS] > limit).any():
            flat, kept = self._one_by_one(chunk, flat, order, ends, present, texts, cut)
        if not len(kept):
            return
        rows = chunk.rows if len(kept) == count else [chunk.rows[at] for at in kept.tolist()]
        self.without_reasoning += sum(not row.reasoning or row.reasoning.isspace() for row in rows)
        self.checker.check(rows, flat, ends[kept], present[kept], cut[kept])
        self._hash(flat, ends[kept])
        numbers = np.array([row.index for row in rows], np.int64)
        self._kept.append(
            (numbers, chunk.template[kept], chunk.keys[kept], ends[kept], texts[kept], chunk.identities[kept])
        )

    def _one_by_one(
        self, chunk: _Chunk, flat: Ints, order: Array, ends: Array, present: Array, texts: Array, cut: Array
    ) -> tuple[Ints, Array]:
        """The ids of `order` in the order of the rows, those that are too long cut or left out; and which rows these
        are."""
        import numpy as np

        until = np.cumsum(ends[order, EOS], dtype=np.int64)
        pieces = {at: flat[end - ends[at, EOS] : end] for at, end in zip(order.tolist(), until.tolist(), strict=True)}
        kept = []
        for at in sorted(pieces):
            if ends[at, EOS] > self.spec.prompt.max_seq_length:
                shorter = self._shorten(chunk, at, pieces[at], ends, present, texts)
                if shorter is None:
                    continue
                pieces[at], cut[at] = shorter, True
            kept.append(at)
        return np.concatenate([np.empty(0, np.int32), *(pieces[at] for at in kept)]), np.array(kept, np.int64)

    def _take_new(
        self, chunk: _Chunk, encoding: Future[tuple[Batch, Any]], ends: Array, present: Array, texts: Array
    ) -> tuple[Ints, Array]:
        """What the tokenizer made: ids, and the rows they are of. It goes into the store; rows that cannot be encoded
        are named."""
        import numpy as np

        batch, hashes = encoding.result()
        missing = np.nonzero(chunk.found < 0)[0]
        for at, error in sorted(batch.errors.items()):
            self.unreadable.append((chunk.rows[int(missing[at])].index, error.what))
        good = np.array([at for at in range(len(missing)) if at not in batch.errors], np.int64)
        here = missing[good]
        ends[here], present[here], texts[here] = batch.ends[good], batch.present[good], hashes[good]
        if len(good):
            self.store.put(chunk.keys[here], texts[here], batch.ids, ends[here], present[here])
        return batch.ids, here

    def _shorten(self, chunk: _Chunk, at: int, ids: Ints, ends: Array, present: Array, texts: Array) -> Ints | None:
        """A row that is too long, as the run says: cut, or None. Its key becomes that of the cut row."""
        number, how, limit = chunk.rows[at].index, self.spec.prompt.too_long, self.spec.prompt.max_seq_length
        shorter = None
        if how == "cut_end":
            shorter = cut_end(ids, ends[at], limit)
        elif how == "cut_reasoning" and ends[at, REASONING] > ends[at, OPENING]:
            shorter = cut_reasoning(ids, ends[at], limit, self.tokenizer)
        if shorter is None:
            self.too_long.add(number)
            return None
        cut, ends[at] = shorter
        if not learnt(ends[at : at + 1], self.weights)[0]:
            self.unlearnt.add(number)
            return None
        self.cut.add(number)
        chunk.keys[at] ^= self._cut_salt
        if self.store.find(chunk.keys[at : at + 1])[0] < 0:
            self.store.put(chunk.keys[at : at + 1], texts[at : at + 1], cut, ends[at : at + 1], present[at : at + 1])
            self.store.encoded -= 1  # the row itself was counted
        return cut

    def _hash(self, ids: Ints, ends: Array) -> None:
        """Into the hash of all that is trained, which does not depend on how rows are grouped on the way."""
        import numpy as np

        sizes = np.diff(ends, prepend=0, axis=1)
        of_token = np.repeat(np.tile(np.asarray(self.weights, np.float32), len(ends)), sizes.ravel())
        labels = np.where(of_token > 0, ids, np.int32(-100)).astype("<i4")
        for hash, array in zip(
            self._hashes, (ends[:, EOS].astype("<i8"), ids.astype("<i4", copy=False), labels), strict=False
        ):
            hash.update(np.ascontiguousarray(array).data)
        if self.weighted:
            self._hashes[3].update(of_token.astype("<f4").data)

    def _hold_out(self, rows: list[Row]) -> None:
        """Remember what these rows say, and what they would say as training texts."""
        import numpy as np

        numbers = np.array([row.index for row in rows], np.int64)
        texts = np.array(
            [[_hash(self._segments(row, place)) for place in range(len(self.mixture.templates))] for row in rows],
            np.uint64,
        )
        self._held.append((numbers, _halves([row.identity() for row in rows]), texts))

    # -- the end --

    def _prepared(self) -> Prepared | None:
        import numpy as np

        self.store.flush()
        self.store.close()
        if not self._kept:
            return None
        numbers, template, keys, ends, texts, identities = (
            np.concatenate(list(column)) for column in zip(*self._kept, strict=True)
        )
        if self._held:
            held = tuple(np.concatenate(list(column)) for column in zip(*self._held, strict=True))
            self.checker.compare((numbers, identities, texts[:, None]), held)
        places = self.store.find(keys)
        if (places < 0).any():
            raise RunError(
                "an encoded row is not in the store it was put into", str(self.store.folder), "Start the run again"
            )
        hash = hashlib.blake2b(b"".join(one.digest() for one in self._hashes), digest_size=16).hexdigest()
        columns = {"numbers": numbers, "places": places, "ends": ends, "template": template}
        return Prepared(self.store, self.weights, self.weighted, columns, hash, self._told(template))

    def realised(self, template: Array) -> Realised:
        names = [one.name for one in self.mixture.templates]
        return Realised(
            {name: int((template == place).sum()) for place, name in enumerate(names)},
            self.without_reasoning,
            self.not_drawn.count,
        )

    def _told(self, template: Array) -> dict[str, object]:
        realised, report = self.realised(template), self.checker.report
        reasoned = sum(realised.rows[one.name] for one in self.mixture.templates if one.has_reasoning)
        kept_out = [
            one.name for one in self.mixture.templates if isinstance(one, ChatTemplate) and one.leaves_out_reasoning
        ]
        return {
            "rows_left_out_too_long": self.too_long.count,
            "rows_too_long": self.too_long.rows[:_NAMED],
            "rows_cut_reasoning": self.cut.count if self.spec.prompt.too_long == "cut_reasoning" else 0,
            "rows_cut_end": self.cut.count if self.spec.prompt.too_long == "cut_end" else 0,
            "rows_left_out_nothing_learnt": self.unlearnt.count,
            "rows_left_out_unreadable": len(self.unreadable),
            "rows_unreadable": [{"row": index, "why": why} for index, why in self.unreadable[:_NAMED]],
            "rows_left_out_no_template": self.not_drawn.count,
            "rows_empty_reasoning": realised.without_reasoning,
            "rows_vanilla": realised.total - reasoned - realised.without_reasoning,
            "rows_reasoning": reasoned,
            "rows_by_template": realised.rows,
            "templates": {one.name: one.content() for one in self.mixture.templates},
            "templates_without_place_for_reasoning": kept_out,
            "rows_checked": report.rows,
            "rows_with_trained_reasoning": report.reasonings,
            "rows_reasoning_changed_by_tokenizer": report.reasoning_changed.count,
            "last_token_is_eos": not (
                report.no_end.count or (self.spec.prompt.too_long == "cut_end" and self.cut.count)
            ),
        }

    def nothing_left(self) -> RunError:
        source, limit = self.spec.data.source, self.spec.prompt.max_seq_length
        if self.too_long.count:
            what = f"no row is left to train on: {self.too_long.count} are longer than {limit} tokens"
            return RunError(what, source, "Raise prompt.max_seq_length")
        if self.unreadable:
            index, why = self.unreadable[0]
            return RunError(
                f"no row is left to train on: {len(self.unreadable)} cannot be encoded, the first (row {index}) because {why}",
                source,
                "Mend them",
            )
        if self.not_drawn.count:
            what = f"no row is left to train on: {self.not_drawn.count} have no reasoning, and every template of the mixture asks for one"
            return RunError(what, source, "Add a template without reasoning to prompt.mixture, such as alpaca")
        if self.unlearnt.count:
            return RunError(
                "no row is left to train on: cut to the length, none has a token to learn",
                source,
                "Raise prompt.max_seq_length",
            )
        if self.flag:
            return RunError(
                f"no row has the sysflag {self.flag!r}",
                source,
                "Change data.train_flag, or leave it empty to train on all rows",
            )
        return RunError("there are no rows to train on", source, "Name a source with rows")


def _chunks(source: Source) -> Iterator[list[Row]]:
    """All rows, as many at once as are encoded together; by columns where the source has them, which is three times as
    fast."""
    if (by_columns := getattr(source, "record_batches", None)) is not None:
        for batch in by_columns():
            for first in range(0, batch.num_rows, _BATCH):
                part = batch.slice(first, _BATCH)
                yield [
                    Row(*values)
                    for values in zip(*(part.column(name).to_pylist() for name in (*COLUMNS, "row")), strict=True)
                ]
        return
    rows = (row for batch in source.batches() for row in batch)
    while chunk := list(islice(rows, _BATCH)):
        yield chunk


def _where(several: list[Any], chosen: Sequence[bool]) -> list[Any]:
    return [one for one, yes in zip(several, chosen, strict=True) if yes]


def _halves(identities: list[str]) -> Array:
    """Identities as pairs of 64-bit numbers."""
    import numpy as np

    return np.frombuffer(bytes.fromhex("".join(identities)), "<u8").reshape(-1, 2)


def _hash(segments: list[Segment]) -> int:
    return text_hash("".join([one.text for one in segments]))
