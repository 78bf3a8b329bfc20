"""What each row is compared by: short digests of what it says, and MinHashes of its question and of the whole, for
thousands of rows at once.

Texts are normalised: NFKC, case folded, white space as single blanks. Their shingles are runs of characters, since
Chinese and Japanese have no blanks between words; they are hashed by NumPy over the whole block, and sketched by rensa.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
from rensa import RMinHash

from core.base.row import COLUMNS
from core.quality.blocks import Block
from core.quality.wording import SHINGLE, SHINGLE_WIDE, normal, numerals, question, whole, wide

BANDS, DEPTH = (
    12,
    5,
)  # two texts of similarity s share a band with probability 1 - (1 - s^5)^12: 0.99 at 0.8, 0.32 at 0.5
FEWEST = 20  # shingles; shorter texts are compared exactly alone
LONGEST = 8_000  # characters of a text that are sketched and compared
_AT_ONCE = 512  # texts sketched at once: their hashes are eight bytes a character
_SEED = 3442
_TYPES: dict[str, Any] = {
    "row": np.int64, "flag": np.int32, "same": np.uint64, "alike": np.uint64, "asked": np.uint64, "said": np.uint64,
    "asked_bands": np.uint32, "whole_bands": np.uint32,
}  # fmt: skip


class Signatures:
    """Of all rows, block by block. flag: a number of `flags`; same: the row to the letter, without its flag and
    language; alike: the row normalised; asked: its question; said: its output; the bands: arrays (rows, BANDS), of
    which two near texts with the same numbers in their questions share one; 0 where the text is too short."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Any]] = {name: [] for name in _TYPES}
        self.flags: dict[str, int] = {}

    def take(self, block: Block) -> None:
        texts = [block[column] for column in COLUMNS[:4]]
        questions = [question(instruction, given) for instruction, given in zip(texts[0], texts[1], strict=True)]
        outputs = [normal(output) for output in texts[3]]
        wholes = [
            whole(asked, normal(reasoning), said)
            for asked, reasoning, said in zip(questions, texts[2], outputs, strict=True)
        ]
        numbers = np.fromiter(
            (crc32(" ".join(numerals(asked)).encode()) for asked in questions), np.uint64, len(questions)
        )
        made = {
            "row": block.rows,
            "flag": [self.flags.setdefault(flag, len(self.flags)) for flag in block["sysflag"]],
            "same": _digests(zip(*texts, strict=True)),
            "alike": _digests((one,) for one in wholes),
            "asked": _digests((asked,) for asked in questions),
            "said": _digests((said,) for said in outputs),
            "asked_bands": _bands(questions, numbers),
            "whole_bands": _bands(wholes, numbers),
        }
        for name, values in made.items():
            self._parts[name].append(np.asarray(values, _TYPES[name]))

    def dump(self) -> tuple[list[str], dict[str, bytes]]:
        flags = sorted(self.flags, key=self.flags.__getitem__)
        return flags, {name: b"".join(part.tobytes() for part in parts) for name, parts in self._parts.items()}

    def add_dumped(self, dumped: tuple[list[str], dict[str, bytes]]) -> None:
        flags, contents = dumped
        numbers = np.array([self.flags.setdefault(flag, len(self.flags)) for flag in flags], np.int32)
        for name, content in contents.items():
            values = np.frombuffer(content, _TYPES[name])
            if name == "flag" and len(values):
                values = numbers[values]
            self._parts[name].append(values.reshape(-1, BANDS) if name.endswith("bands") else values)

    def finish(self) -> dict[str, Any]:
        """Each kind as one array, in the order of the rows; nothing is left here."""
        empty = {name: np.zeros((0, BANDS) if name.endswith("bands") else 0, kind) for name, kind in _TYPES.items()}
        joined = {name: np.concatenate([empty[name], *self._parts.pop(name)]) for name in _TYPES}
        order = np.argsort(joined["row"], kind="stable")
        if (order[1:] < order[:-1]).any():
            for name in _TYPES:
                joined[name] = joined[name][order]
        return joined


def _digests(rows: Any) -> Any:
    """Of each tuple of texts a number of 64 bits; the lengths are part of it, so that no text can end where another
    begins."""
    made = bytearray()
    for row in rows:
        digest = hashlib.blake2b(digest_size=8)
        for text in row:
            content = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(content) + content)
        made += digest.digest()
    return np.frombuffer(bytes(made), np.uint64)


def _bands(texts: Sequence[str], numbers: Any) -> Any:
    """numbers: what the bands are mixed with, so that texts about other numbers share none."""
    keys = np.zeros((len(texts), BANDS), np.uint32)
    wides = np.fromiter(map(wide, texts), np.bool_, len(texts))
    for places, size in ((np.flatnonzero(~wides), SHINGLE), (np.flatnonzero(wides), SHINGLE_WIDE)):
        chosen = [place for place in places.tolist() if len(texts[place]) >= FEWEST + size - 1]
        for first in range(0, len(chosen), _AT_ONCE):
            some = chosen[first : first + _AT_ONCE]
            keys[some] = _sketch([texts[place][:LONGEST] for place in some], size, numbers[some])
    return keys


def _sketch(texts: list[str], size: int, numbers: Any) -> Any:
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    hashes = np.zeros(len(codes), np.uint64)
    count = len(codes) - size + 1
    for offset in range(size):
        hashes[:count] *= np.uint64(0x9E3779B97F4A7C15)
        hashes[:count] += codes[offset : count + offset]
    hashes ^= hashes >> np.uint64(31)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(29)
    # the last characters of a text begin no shingle of its own: they are left out
    ends = np.cumsum(lengths)
    kept = np.ones(len(codes), np.bool_)
    for back in range(1, size):
        kept[ends - back] = False
    offsets = np.concatenate([np.zeros(1, np.uint64), np.cumsum(lengths - (size - 1)).astype(np.uint64)])
    sketch = RMinHash.digest_matrix_from_flat_token_hashes(hashes[kept], offsets, BANDS * DEPTH, _SEED)
    slots = np.array(sketch.to_rows(), np.uint64).reshape(len(texts), BANDS, DEPTH)
    keys = np.repeat(numbers[:, None], BANDS, axis=1)
    for depth in range(DEPTH):
        keys = (keys ^ slots[:, :, depth]) * np.uint64(0x100000001B3)
        keys ^= keys >> np.uint64(29)
    return (keys >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
