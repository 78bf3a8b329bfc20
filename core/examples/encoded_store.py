"""Encoded rows on disk, in `<cache>/encoded/`: made once, memory-mapped, found again by what was encoded. Python holds
a line of numbers a row.

A row's key is made of what the row says, its template's text and the encoder's version, within a folder for each
tokenizer; so a change of one row encodes one row, and a new order, another mixture or loss policy none. The length
policy is part of the key of rows that it cut.

A part is two files: `.tokens`, all ids as 32-bit numbers, and `.rows`, one record a row. Both are written under a name
of their own, flushed and then put in place, `.rows` last: whatever is killed, a part is whole or absent. Whoever writes
at the same time only works twice.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base import folders
from core.base.errors import DataError
from core.base.files import private_dir
from core.tokens.segments import SLOTS

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.spans import Ints
    from core.tokens.tokenizer import TextTokenizer

    Array = np.ndarray[Any, np.dtype[Any]]

ENCODER = 1  # to be raised whenever the same row, template and tokenizer would give other ids or spans
PART_TOKENS = 32 << 20  # ids after which a part is closed: what a killed writer has done is kept up to there
LIMIT_BYTES = 20 << 30  # of all parts; beyond, those unused for longest go
_MANY = 24  # parts below a tenth of their size from which they are put together
_OLD = 86_400.0  # seconds after which an unfinished file has no writer any more
_RECORD = [("key", "<u8", (2,)), ("text", "<u8"), ("start", "<i8"), ("ends", "<i4", (SLOTS,)), ("present", "u1")]


def key_of(tokenizer: TextTokenizer) -> str:
    """A name for what this tokenizer does: its rules and the library that follows them, what it puts in front and what
    it ends with."""
    from tokenizers import __version__ as library

    said = f"{ENCODER} {library} {tokenizer.bos_ids} {tokenizer.eos_id} {sorted(tokenizer.stop_ids)} {tokenizer.raw.to_str()}"
    return hashlib.blake2b(said.encode(), digest_size=12).hexdigest()


def salt(*said: object) -> Array:
    """What the key of a row gets from all that is not the row: two 64-bit numbers, to be combined with the row's by
    exclusive or."""
    import numpy as np

    return np.frombuffer(hashlib.blake2b(repr(said).encode(), digest_size=16).digest(), "<u8")


def text_hash(text: str) -> int:
    """64 bits of what the encoded text says."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class Store:
    """The parts of one tokenizer. `find` gives places; `tokens`, `ends` and the rest read them. Read only but for `put`
    and `flush`; one thread.

    Places stay valid as long as the store is open, also while others write or remove parts.
    """

    def __init__(self, tokenizer: TextTokenizer, folder: Path | None = None) -> None:
        try:
            self.folder = private_dir((folders.cache() / "encoded" if folder is None else folder) / key_of(tokenizer))
        except OSError as error:
            raise _unwritable(error) from error
        self._tokens: list[Array] = []
        self._records: list[Array] = []
        self._starts = [0]  # the first place of each part
        self._firsts: Array | None = None  # the first halves of all keys, sorted, and their places
        self._order: Array | None = None
        self._waiting: list[tuple[Array, Array, Array, Array, Array]] = []
        self._waiting_tokens = 0
        self.encoded = 0  # rows that were put
        self._sweep()
        for path in sorted(self.folder.glob("*.rows")):
            self._open(path)

    def __len__(self) -> int:
        return self._starts[-1]

    # -- reading --

    def find(self, keys: Array) -> Array:
        """The place of each key (an array of shape (rows, 2)), -1 where it is not there."""
        import numpy as np

        if self._firsts is None or self._order is None:
            firsts = np.concatenate([np.empty(0, np.uint64), *(part["key"][:, 0] for part in self._records)])
            self._order = np.argsort(firsts, kind="stable")
            self._firsts = firsts[self._order]
        places = np.full(len(keys), -1, np.int64)
        if not len(self._firsts) or not len(keys):
            return places
        at = np.minimum(np.searchsorted(self._firsts, keys[:, 0]), len(self._firsts) - 1)
        same = self._firsts[at] == keys[:, 0]
        places[same] = self._order[at[same]]
        found = np.nonzero(same)[0]
        wrong = (
            self.gather("key", places[found])[:, 1] != keys[found, 1]
        )  # two keys with the same first half: as if it were not there
        places[found[wrong]] = -1
        return places

    def gather(self, field: str, places: Array) -> Array:
        """One field of the records at `places`: `key`, `text`, `ends` (shape (rows, 6)) or `present`."""
        import numpy as np

        parts = np.searchsorted(self._starts, places, side="right") - 1
        dtype = np.dtype(_RECORD)[field]
        out = np.empty((len(places), *dtype.shape), dtype.base)
        for part in np.unique(parts):
            chosen = parts == part
            out[chosen] = self._records[part][field][places[chosen] - self._starts[part]]
        return out

    def tokens(self, place: int) -> Ints:
        """The ids of the row at `place`, not copied."""
        part = self._part(place)
        record = self._records[part][place - self._starts[part]]
        start = int(record["start"])
        return self._tokens[part][start : start + int(record["ends"][-1])]

    def many(self, places: Array) -> Ints:
        """The ids of the rows at `places`, one after the other; not copied where they lie so."""
        import numpy as np

        if not len(places):
            return np.empty(0, np.int32)
        parts = np.searchsorted(self._starts, places, side="right") - 1
        breaks = np.nonzero((np.diff(places) != 1) | (np.diff(parts) != 0))[0] + 1
        pieces = []
        for first, last in zip([0, *breaks.tolist()], [*(breaks - 1).tolist(), len(places) - 1], strict=True):
            part = int(parts[first])
            records, start = self._records[part], self._starts[part]
            end = records[int(places[last]) - start]
            pieces.append(
                self._tokens[part][
                    int(records["start"][int(places[first]) - start]) : int(end["start"]) + int(end["ends"][-1])
                ]
            )
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def chunks(self) -> Iterator[tuple[Array, Array, int]]:
        """Each part as (ids, where its rows start among them with the end of the last, the first place)."""
        import numpy as np

        for tokens, records, first in zip(self._tokens, self._records, self._starts, strict=False):
            yield tokens, np.concatenate((records["start"], [len(tokens)])), first

    def _part(self, place: int) -> int:
        from bisect import bisect_right

        return bisect_right(self._starts, place) - 1

    # -- writing --

    def put(self, keys: Array, texts: Array, ids: Ints, ends: Array, present: Array) -> None:
        """Add rows that are not there. ids: of all of them, one after the other; ends: shape (rows, 6). They are found
        after `flush`."""
        self._waiting.append((keys, texts, ids, ends, present))
        self._waiting_tokens += len(ids)
        self.encoded += len(keys)
        if self._waiting_tokens >= PART_TOKENS:
            self.flush()

    def flush(self) -> None:
        """Write what was put. Raises DataError where there is no room for it."""
        import numpy as np

        if not self._waiting:
            return
        keys, texts, ids, ends, present = (np.concatenate(list(column)) for column in zip(*self._waiting, strict=True))
        self._waiting, self._waiting_tokens = [], 0
        records = np.zeros(len(keys), np.dtype(_RECORD))
        records["key"], records["text"], records["ends"], records["present"] = keys, texts, ends, present
        records["start"] = np.cumsum(ends[:, -1], dtype=np.int64) - ends[:, -1]
        self._open(self._write(ids.astype("<i4", copy=False), records))
        self._firsts = None

    def _write(self, ids: Ints, records: Array) -> Path:
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
        """Write what waits, put many small parts together, and remove what was unused for longest where all parts take
        too much room."""
        self.flush()
        with suppress(OSError, ValueError, DataError):  # all rows are kept already: no room for tidying up is no fault
            self._put_together()
            _prune(self.folder.parent, {path.with_suffix("").name for path in self.folder.glob("*.rows")})

    def _put_together(self) -> None:
        """Of many small parts, one: each edit of a row adds a part."""
        import numpy as np

        small = [
            path
            for path in sorted(self.folder.glob("*.rows"))
            if path.with_suffix(".tokens").stat().st_size < PART_TOKENS * 4 // 10
        ]
        if len(small) < _MANY:
            return
        tokens = [np.fromfile(path.with_suffix(".tokens"), "<i4") for path in small]
        records = [np.load(path, allow_pickle=False) for path in small]
        for before, part in zip(np.cumsum([0, *map(len, tokens)])[:-1], records, strict=True):
            part["start"] += before
        self._write(np.concatenate(tokens), np.concatenate(records))
        for path in small:  # whoever has them open keeps them
            path.unlink(missing_ok=True)
            path.with_suffix(".tokens").unlink(missing_ok=True)

    def _open(self, path: Path) -> None:
        """A part that is not whole (a damaged disk) is as if it were not there, and goes; one that only cannot be read
        now stays for others."""
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
                os.utime(path)  # used now
        except OSError as error:
            if isinstance(error, FileNotFoundError):  # its other half is gone
                _remove(path)
            return
        except (ValueError, EOFError):
            _remove(path)
            return
        self._tokens.append(tokens)
        self._records.append(records)
        self._starts.append(self._starts[-1] + len(records))

    def _sweep(self) -> None:
        """Remove what killed writers left."""
        rows = {path.stem for path in self.folder.glob("*.rows")}
        for path in self.folder.iterdir():
            with suppress(OSError):
                orphan = path.suffix == ".tokens" and path.stem not in rows
                if (path.suffix == ".new" or orphan) and time.time() - path.stat().st_mtime > _OLD:
                    path.unlink()


def _remove(path: Path) -> None:
    """A part, its records first: without them its tokens are no part."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.with_suffix(".tokens").unlink(missing_ok=True)


def _prune(folder: Path, kept: set[str]) -> None:
    parts = [(path.stat().st_mtime, path) for path in folder.glob("*/*.rows")]
    sizes = {path: path.with_suffix(".tokens").stat().st_size + path.stat().st_size for _, path in parts}
    total = sum(sizes.values())
    for _, path in sorted(parts):
        if total <= LIMIT_BYTES:
            return
        if path.stem not in kept:
            path.unlink(missing_ok=True)
            path.with_suffix(".tokens").unlink(missing_ok=True)
            total -= sizes[path]


def _unwritable(error: OSError) -> DataError:
    where = str(error.filename or "")
    return DataError(
        f"the encoded rows cannot be kept ({error.strerror or error})",
        where,
        "Free some space there, or set SUIRON_CACHE elsewhere",
    )


__all__ = ["Store", "key_of", "salt", "text_hash"]
