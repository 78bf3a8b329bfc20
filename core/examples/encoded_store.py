"""Encoded rows on disk, in `<cache>/encoded/`: encoded once, memory-mapped, and found again by their content.

Keeps one record of numbers per row in memory. A row's key is made of the row's texts, its template's text and the
encoder's version; each tokenizer has its own folder. So after one row changes, only that row is encoded again, and
after the order, the mixture or the loss changes, none is. The key of a truncated row also contains the truncation.

A part is two files: `.tokens`, all ids as 32-bit numbers, and `.rows`, one record per row. Both are written under a
temporary name, flushed and renamed, `.rows` last: when a writer is killed, the part is complete or absent. Two writers
at the same time only do the work twice.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base import folders
from core.base.errors import DataError
from core.base.files import private_dir
from core.tokens.segments import SLOT_COUNT

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.encode_spans import Int32Array
    from core.tokens.tokenizer import TextTokenizer

    Array = np.ndarray[Any, np.dtype[Any]]

ENCODER = 3  # raise it whenever the same row, template and tokenizer would give other ids or spans
PART_TOKENS = 32 << 20  # ids after which a part is closed: a killed writer keeps what it has done so far
LIMIT_BYTES = 20 << 30  # of all parts; beyond it the least recently used are removed
_MERGE_FROM = 24  # small parts that are merged into one
_ABANDONED = 86_400.0  # seconds after which an unfinished file no longer has a writer
_RECORD = [("key", "<u8", (2,)), ("text", "<u8"), ("start", "<i8"), ("ends", "<i4", (SLOT_COUNT,)), ("present", "u1")]


def tokenizer_key(tokenizer: TextTokenizer) -> str:
    """A name for the tokenizer's behaviour: its rules, the library's version, its beginning and end of sequence."""
    from tokenizers import __version__ as library

    ends = f"{tokenizer.bos_ids} {tokenizer.eos_id} {sorted(tokenizer.stop_ids)}"
    content = f"{ENCODER} {library} {ends} {tokenizer.raw.to_str()}"
    return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()


def key_salt(*parts: object) -> Array:
    """The part of a key that does not come from the row: two 64-bit numbers, combined with the row's by exclusive or.
    parts: everything else that decides the row's ids."""
    import numpy as np

    return np.frombuffer(hashlib.blake2b(repr(parts).encode(), digest_size=16).digest(), "<u8")


def hash_text(text: str) -> int:
    """A 64-bit hash of the text that is encoded."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class EncodedStore:
    """The encoded rows of one tokenizer. `find` returns positions; `tokens` and `gather` read them. For one thread.

    Positions stay valid as long as the store is open, also while other processes write or remove parts. Raises
    DataError where the folder cannot be written to.
    """

    def __init__(self, tokenizer: TextTokenizer, folder: Path | None = None) -> None:
        parent = folders.cache() / "encoded" if folder is None else folder
        try:
            self.folder = private_dir(parent / tokenizer_key(tokenizer))
        except OSError as error:
            raise _unwritable(error) from error
        self._tokens: list[Array] = []
        self._records: list[Array] = []
        self._starts = [0]  # the first position of each part
        self._sorted_keys: Array | None = None  # the first halves of all keys
        self._order: Array | None = None  # their positions
        self._waiting: list[tuple[Array, Array, Array, Array, Array]] = []
        self._waiting_tokens = 0
        self.encoded = 0  # rows that were put
        self._remove_leftovers()
        for path in sorted(self.folder.glob("*.rows")):
            self._open(path)

    def __len__(self) -> int:
        return self._starts[-1]

    # -- reading --

    def find(self, keys: Array) -> Array:
        """The position of each key, int64, -1 where the store does not have it. keys: uint64, shape (rows, 2)."""
        import numpy as np

        if self._sorted_keys is None or self._order is None:
            first_halves = np.concatenate([np.empty(0, np.uint64), *(part["key"][:, 0] for part in self._records)])
            self._order = np.argsort(first_halves, kind="stable")
            self._sorted_keys = first_halves[self._order]
        positions = np.full(len(keys), -1, np.int64)
        if not len(self._sorted_keys) or not len(keys):
            return positions
        nearest = np.minimum(np.searchsorted(self._sorted_keys, keys[:, 0]), len(self._sorted_keys) - 1)
        same_first_half = self._sorted_keys[nearest] == keys[:, 0]
        positions[same_first_half] = self._order[nearest[same_first_half]]
        candidates = np.nonzero(same_first_half)[0]
        # two keys that share only their first half: the row counts as not stored
        differs = self.gather("key", positions[candidates])[:, 1] != keys[candidates, 1]
        positions[candidates[differs]] = -1
        return positions

    def gather(self, field: str, positions: Array) -> Array:
        """One field of the records at `positions`: `key` (shape (rows, 2)), `text`, `ends` (shape (rows, 6)) or
        `present`."""
        import numpy as np

        parts = np.searchsorted(self._starts, positions, side="right") - 1
        dtype = np.dtype(_RECORD)[field]
        out = np.empty((len(positions), *dtype.shape), dtype.base)
        for part in np.unique(parts):
            chosen = parts == part
            out[chosen] = self._records[part][field][positions[chosen] - self._starts[part]]
        return out

    def tokens(self, position: int) -> Int32Array:
        """The ids of the row at `position`, int32, not copied."""
        part = bisect_right(self._starts, position) - 1
        record = self._records[part][position - self._starts[part]]
        start = int(record["start"])
        return self._tokens[part][start : start + int(record["ends"][-1])]

    def tokens_of(self, positions: Array) -> Int32Array:
        """The ids of the rows at `positions`, one row after the other, int32; not copied where the store has them in
        this order."""
        import numpy as np

        if not len(positions):
            return np.empty(0, np.int32)
        parts = np.searchsorted(self._starts, positions, side="right") - 1
        breaks = np.nonzero((np.diff(positions) != 1) | (np.diff(parts) != 0))[0] + 1
        pieces = []
        for first, last in zip([0, *breaks.tolist()], [*(breaks - 1).tolist(), len(positions) - 1], strict=True):
            part = int(parts[first])
            records, start = self._records[part], self._starts[part]
            begin = int(records["start"][int(positions[first]) - start])
            last_row = records[int(positions[last]) - start]
            pieces.append(self._tokens[part][begin : int(last_row["start"]) + int(last_row["ends"][-1])])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def chunks(self) -> Iterator[tuple[Array, Array, int]]:
        """Each part as its ids, where its rows start in them (with the end of the last), and its first position."""
        import numpy as np

        for tokens, records, first in zip(self._tokens, self._records, self._starts, strict=False):
            yield tokens, np.concatenate((records["start"], [len(tokens)])), first

    # -- writing --

    def put(self, keys: Array, texts: Array, ids: Int32Array, ends: Array, present: Array) -> None:
        """Adds rows that the store does not have; `find` finds them after `flush`.

        keys: uint64, shape (rows, 2); texts: hashes of the training texts, uint64; ids: of all rows, one row after the
        other; ends: shape (rows, 6); present: uint8.
        """
        self._waiting.append((keys, texts, ids, ends, present))
        self._waiting_tokens += len(ids)
        self.encoded += len(keys)
        if self._waiting_tokens >= PART_TOKENS:
            self.flush()

    def flush(self) -> None:
        """Writes the rows that were put. Raises DataError where they cannot be written."""
        import numpy as np

        if not self._waiting:
            return
        keys, texts, ids, ends, present = (np.concatenate(list(column)) for column in zip(*self._waiting, strict=True))
        self._waiting, self._waiting_tokens = [], 0
        records = np.zeros(len(keys), np.dtype(_RECORD))
        records["key"], records["text"], records["ends"], records["present"] = keys, texts, ends, present
        records["start"] = np.cumsum(ends[:, -1], dtype=np.int64) - ends[:, -1]
        self._open(self._write(ids.astype("<i4", copy=False), records))
        self._sorted_keys = None

    def _write(self, ids: Int32Array, records: Array) -> Path:
        import numpy as np

        name = self.folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}"
        unfinished = [name.with_suffix(".tokens.new"), name.with_suffix(".rows.new")]
        try:
            for path, array in zip(unfinished, (ids, records), strict=True):
                with open(path, "xb") as file:
                    if array is ids:
                        ids.tofile(file)
                    else:
                        np.save(file, records, allow_pickle=False)
                    file.flush()
                    os.fsync(file.fileno())
            for path in unfinished:
                path.rename(path.with_suffix(""))
        except OSError as error:
            for path in (*unfinished, name.with_suffix(".tokens")):
                path.unlink(missing_ok=True)
            raise _unwritable(error) from error
        return name.with_suffix(".rows")

    def close(self) -> None:
        """Writes the rows that were put, merges small parts, and removes the least recently used parts where all of
        them take too much space."""
        self.flush()
        with suppress(OSError, ValueError, DataError):  # all rows are written already: tidying up may fail
            self._merge_small_parts()
            _prune(self.folder.parent, {path.with_suffix("").name for path in self.folder.glob("*.rows")})

    def _merge_small_parts(self) -> None:
        """Merges small parts into one, since each edit of a row adds a part."""
        import numpy as np

        small = [
            path
            for path in sorted(self.folder.glob("*.rows"))
            if path.with_suffix(".tokens").stat().st_size < PART_TOKENS * 4 // 10
        ]
        if len(small) < _MERGE_FROM:
            return
        tokens = [np.fromfile(path.with_suffix(".tokens"), "<i4") for path in small]
        records = [np.load(path, allow_pickle=False) for path in small]
        for before, part in zip(np.cumsum([0, *map(len, tokens)])[:-1], records, strict=True):
            part["start"] += before
        self._write(np.concatenate(tokens), np.concatenate(records))
        for path in small:  # processes that have them open keep them
            path.unlink(missing_ok=True)
            path.with_suffix(".tokens").unlink(missing_ok=True)

    def _open(self, path: Path) -> None:
        """Removes an incomplete part (a damaged disk); skips one that cannot be read at the moment."""
        import numpy as np

        try:
            records = np.load(path, allow_pickle=False)
            size = path.with_suffix(".tokens").stat().st_size // 4
            if (
                records.dtype != np.dtype(_RECORD)
                or not len(records)
                or int(records["start"][-1]) + int(records["ends"][-1, -1]) != size
            ):
                raise ValueError
            tokens = np.memmap(path.with_suffix(".tokens"), "<i4", mode="r").view(np.ndarray)
            with suppress(OSError):
                os.utime(path)  # the time of its last use
        except OSError as error:
            if isinstance(error, FileNotFoundError):  # its other half is missing
                _remove(path)
            return
        except (ValueError, EOFError):
            _remove(path)
            return
        self._tokens.append(tokens)
        self._records.append(records)
        self._starts.append(self._starts[-1] + len(records))

    def _remove_leftovers(self) -> None:
        """Removes the unfinished files of killed writers."""
        rows = {path.stem for path in self.folder.glob("*.rows")}
        for path in self.folder.iterdir():
            with suppress(OSError):
                without_rows = path.suffix == ".tokens" and path.stem not in rows
                if (path.suffix == ".new" or without_rows) and time.time() - path.stat().st_mtime > _ABANDONED:
                    path.unlink()


def _remove(path: Path) -> None:
    """Removes a part, its records first: tokens without records do not count as a part."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.with_suffix(".tokens").unlink(missing_ok=True)


def _prune(folder: Path, used_parts: set[str]) -> None:
    """Removes parts of all tokenizers, the least recently used first, until they are below the limit. used_parts:
    names of parts that stay."""
    parts = [(path.stat().st_mtime, path) for path in folder.glob("*/*.rows")]
    sizes = {path: path.with_suffix(".tokens").stat().st_size + path.stat().st_size for _, path in parts}
    total = sum(sizes.values())
    for _, path in sorted(parts):
        if total <= LIMIT_BYTES:
            return
        if path.stem not in used_parts:
            path.unlink(missing_ok=True)
            path.with_suffix(".tokens").unlink(missing_ok=True)
            total -= sizes[path]


def _unwritable(error: OSError) -> DataError:
    where = str(error.filename or "")
    return DataError(
        f"the encoded rows cannot be written ({error.strerror or error})",
        where,
        "Free some space there, or set SUIRON_CACHE to another folder",
    )
