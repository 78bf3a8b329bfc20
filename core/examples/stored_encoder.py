"""Token ids of rows from the store of encoded rows; only missing rows are tokenised, in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.row import Row
from core.examples.encoded_store import EncodedStore, hash_text, key_salt
from core.examples.example import AnyTemplate, EncodedRows, RowEncoder, joined_text
from core.tokens.segments import EOS, SLOT_COUNT

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.encode_spans import Int32Array

    Array = np.ndarray[Any, np.dtype[Any]]


class _NewRows(msgspec.Struct, frozen=True):
    """Rows that were encoded because the store did not have them."""

    encoded: EncodedRows
    text_hashes: Any
    """64-bit hash of each row's training text, uint64, shape (rows,)."""


class StoredEncoder:
    """Encodes rows through a store: looks each row up, encodes the missing ones in `pool`, and adds them to the store.

    Only the thread that calls `start` and the function it returns uses the store.
    """

    def __init__(self, encoder: RowEncoder[AnyTemplate], store: EncodedStore, pool: ThreadPoolExecutor) -> None:
        self._encoder, self._store, self._pool = encoder, store, pool
        self._salts: dict[tuple[int, str], Array] = {}

    def start(
        self, rows: Sequence[Row], template_indices: Array, identities: Sequence[str]
    ) -> Callable[[], EncodedRows]:
        import numpy as np

        indices = template_indices.tolist()
        keys = identity_numbers(identities)
        if len(rows):
            keys = keys ^ np.stack([self._salt(index, row.syslang) for index, row in zip(indices, rows, strict=True)])
        positions = self._store.find(keys)
        missing = np.nonzero(positions < 0)[0].tolist()
        new: Future[_NewRows] | None = None
        if missing:
            new = self._pool.submit(
                self._encode, [rows[position] for position in missing], [indices[position] for position in missing]
            )
        return lambda: self._result(keys, positions, new)

    def _salt(self, template_index: int, language: str) -> Array:
        """The part of a row's key for everything besides the row that decides its ids."""
        if (template_index, language) not in self._salts:
            template = self._encoder.templates[template_index]
            drops = self._encoder.drops_empty_input[template_index]
            self._salts[template_index, language] = key_salt(template.content_hash(language), drops)
        return self._salts[template_index, language]

    def _encode(self, rows: list[Row], template_indices: list[int]) -> _NewRows:
        import numpy as np

        encoded, segments = self._encoder.encode(rows, template_indices)
        hashes = [hash_text(joined_text(row_segments)) for row_segments in segments]
        return _NewRows(encoded, np.array(hashes, np.uint64))

    def _result(self, keys: Array, positions: Array, new: Future[_NewRows] | None) -> EncodedRows:
        """The rows of the store and the new ones, in the order of the batch."""
        import numpy as np

        ends = np.zeros((len(keys), SLOT_COUNT), np.int32)
        present = np.zeros(len(keys), np.uint8)
        known = np.nonzero(positions >= 0)[0]
        ends[known] = self._store.gather("ends", positions[known])
        present[known] = self._store.gather("present", positions[known])
        ids = self._store.tokens_of(positions[known])
        if new is None:
            return EncodedRows(ids, ends, present, {}, keys)
        missing = np.nonzero(positions < 0)[0]
        rows = new.result()
        ends[missing], present[missing] = rows.encoded.ends, rows.encoded.present
        self._put(keys[missing], rows)
        errors = {int(missing[position]): error for position, error in sorted(rows.encoded.errors.items())}
        if not len(known):
            return EncodedRows(rows.encoded.ids, ends, present, errors, keys)
        ids = _in_order(np.concatenate([ids, rows.encoded.ids]), np.concatenate([known, missing]), ends[:, EOS])
        return EncodedRows(ids, ends, present, errors, keys)

    def _put(self, keys: Array, rows: _NewRows) -> None:
        import numpy as np

        encoded = rows.encoded
        readable = np.ones(len(keys), bool)
        readable[list(encoded.errors)] = False
        if readable.any():
            self._store.put(
                keys[readable],
                rows.text_hashes[readable],
                encoded.ids,
                encoded.ends[readable],
                encoded.present[readable],
            )


def identity_numbers(identities: Sequence[str]) -> Array:
    """Identities as pairs of 64-bit numbers, uint64, shape (rows, 2)."""
    import numpy as np

    return np.frombuffer(bytes.fromhex("".join(identities)), "<u8").reshape(-1, 2)


def _in_order(ids: Int32Array, order: Array, lengths: Array) -> Int32Array:
    """`ids`, which has the rows in the order `order`, sorted into the order of the rows. lengths: of each row."""
    import numpy as np

    starts = np.empty(len(order), np.int64)
    starts[order] = np.cumsum(lengths[order], dtype=np.int64) - lengths[order]
    new_starts = np.cumsum(lengths, dtype=np.int64) - lengths
    return ids[np.repeat(starts - new_starts, lengths) + np.arange(int(lengths.sum()))]
