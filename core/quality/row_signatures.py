"""Signatures for comparing rows: digests of each row's texts, and MinHash bands, for thousands of rows at once.

Texts are normalised: NFKC, case folded, runs of white space as one space. Their shingles are runs of characters, since
Chinese and Japanese have no spaces between words; NumPy hashes those of a whole block, and rensa sketches them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any
from zlib import crc32

import numpy as np
from rensa import RMinHash

from core.base.row import IDENTITY_FIELDS
from core.quality.row_blocks import RowBlock
from core.quality.text.comparable_text import (
    SHINGLE,
    SHINGLE_CJK,
    is_mostly_cjk,
    join_row_text,
    normalise_question,
    normalise_text,
    numbers_in_order,
    without_numbers,
    words_of,
)
from core.quality.text.sentence_ends import TextEnd, text_end

# Two texts of similarity s share a band with probability 1 - (1 - s^5)^12: 0.99 at 0.8, 0.32 at 0.5.
BANDS, DEPTH = 12, 5
LONGEST = 8_000
"""Characters of a text that are sketched and compared."""

_FEWEST_SHINGLES = 20  # texts with fewer are only compared exactly
_SHORTEST_HALF = 4  # words, or characters in Chinese, Japanese and Korean
_AT_ONCE = 512  # texts sketched at once: their hashes are eight bytes a character
_SEED = 3442
_TYPES: dict[str, Any] = {
    "row": np.int64,
    "flag": np.int32,
    "exact": np.uint64,
    "normalised": np.uint64,
    "question": np.uint64,
    "output": np.uint64,
    "form": np.uint64,
    "halves": np.uint32,
    "ends": np.uint8,
    "question_bands": np.uint32,
    "text_bands": np.uint32,
}
_WIDTHS = {"halves": 2, "question_bands": BANDS, "text_bands": BANDS}
"""Values of a row, where it has several."""


class RowSignatures:
    """The signatures of rows, collected block by block.

    row: indices into the data set. flag: the numbers of values of sysflag in `flag_numbers`. exact: digests of the four
    texts and the context, not normalised. normalised, question, output: digests of all texts, the question with the
    turns before it, and the output, normalised. form: a digest of the question without its numbers. halves: digests of
    its first and its second half, shape (rows, 2); 0 where it is short. ends: how instruction, reasoning and output
    end, two bits each from the lowest on, as in `TextEnd`.
    question_bands, text_bands: shape (rows, BANDS); two similar texts with the same numbers in their questions have at
    least one value in common; 0 where the text is too short.
    """

    def __init__(self) -> None:
        self._parts: dict[str, list[Any]] = {name: [] for name in _TYPES}
        self.flag_numbers: dict[str, int] = {}

    @property
    def flags(self) -> list[str]:
        """The values of sysflag, in the order of their numbers."""
        return sorted(self.flag_numbers, key=self.flag_numbers.__getitem__)

    def add_block(self, block: RowBlock) -> None:
        fields = [block[column] for column in IDENTITY_FIELDS]
        instructions, inputs, reasonings, outputs, systems, histories, tools = fields
        questions = list(map(normalise_question, instructions, inputs, histories))
        normal_outputs = list(map(normalise_text, outputs))
        texts = [
            join_row_text(question, normalise_text(reasoning), output)
            for question, reasoning, output in zip(questions, reasonings, normal_outputs, strict=True)
        ]
        contexts = [
            f"{system}\0{tool}\0" if system or tool else "" for system, tool in zip(systems, tools, strict=True)
        ]
        numbers_of_questions = list(map(numbers_in_order, questions))
        numbers = np.fromiter(map(_number_key, numbers_of_questions), np.uint64, len(questions))
        forms = list(map(_form, questions, numbers_of_questions))
        values = {
            "row": block.indices,
            "flag": [self._flag_number(flag) for flag in block["sysflag"]],
            "exact": _digests(map(_joined, zip(*fields, strict=True))),
            "normalised": _digests(map(str.__add__, contexts, texts)),
            "question": _digests(questions),
            "output": _digests(normal_outputs),
            "form": _digests(forms),
            "halves": list(map(_half_keys, forms)),
            "ends": list(map(_ends, instructions, inputs, reasonings, outputs)),
            "question_bands": _bands(questions, numbers),
            "text_bands": _bands(texts, numbers),
        }
        for name, column in values.items():
            self._parts[name].append(np.asarray(column, _TYPES[name]))

    def _flag_number(self, flag: str) -> int:
        return self.flag_numbers.setdefault(flag, len(self.flag_numbers))

    def dump(self) -> tuple[list[str], dict[str, bytes]]:
        """For another process; `add_dumped` reads it. Call it once: the parts are not kept."""
        return self.flags, {name: b"".join(self._parts.pop(name)) for name in _TYPES}

    def add_dumped(self, dumped: tuple[list[str], dict[str, memoryview]]) -> None:
        """Adds what another process dumped, without copies: its memory is kept until `finish`."""
        flags, contents = dumped
        own_numbers = np.array([self._flag_number(flag) for flag in flags], np.int32)
        for name, content in contents.items():
            values = np.frombuffer(content, _TYPES[name])
            if name == "flag" and len(values):
                values = own_numbers[values]
            self._parts[name].append(values.reshape(-1, _WIDTHS[name]) if name in _WIDTHS else values)

    def finish(self) -> dict[str, Any]:
        """Each signature as one array, in the order of the rows. Call it once: the parts are not kept."""
        empty = {name: np.zeros((0, _WIDTHS[name]) if name in _WIDTHS else 0, kind) for name, kind in _TYPES.items()}
        joined = {name: np.concatenate([empty[name], *self._parts.pop(name)]) for name in _TYPES}
        order = np.argsort(joined["row"], kind="stable")
        if (order[1:] < order[:-1]).any():
            for name in _TYPES:
                joined[name] = joined[name][order]
        return joined


def _number_key(numbers: list[str]) -> int:
    return crc32(" ".join(numbers).encode())


def _form(question: str, numbers: list[str]) -> str:
    # the numbers in words are the last ones
    return without_numbers(question, bool(numbers) and numbers[-1].isascii() and numbers[-1].isalpha())


def _half_keys(form: str) -> tuple[int, int]:
    """Keys of the first and of the second half of a question without its numbers, so that a question with one other
    word has one of them in common. The halves have a whole number of eighths, for words of other lengths."""
    words = words_of(form)
    unit = 8 if isinstance(words, str) else 1
    size = len(words) // 2 // unit * unit
    if size < _SHORTEST_HALF:
        return 0, 0
    joint = "" if isinstance(words, str) else " "
    return tuple(crc32(joint.join(half).encode("utf-8", "surrogatepass")) for half in (words[:size], words[-size:]))  # type: ignore[return-value]


def _ends(instruction: str, input_text: str, reasoning: str, output: str) -> int:
    # an instruction with an input behind it goes on there
    asked = TextEnd.UNKNOWN if input_text else text_end(instruction, output)
    return asked | text_end(reasoning, instruction) << 2 | text_end(output, instruction) << 4


def _joined(texts: tuple[str, ...]) -> str:
    """The texts as one. It begins with the lengths, so that moving text from one to the next changes it."""
    return f"{list(map(len, texts))}{''.join(texts)}"


def _digests(texts: Iterable[str]) -> Any:
    """A 64-bit digest of each text."""
    digests = (blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), np.uint64)


def _bands(texts: Sequence[str], numbers: Any) -> Any:
    """The bands of texts, uint32, shape (texts, BANDS). numbers: a key of the numbers in each question, mixed into the
    bands, so that texts with different numbers have no band in common."""
    bands = np.zeros((len(texts), BANDS), np.uint32)
    cjk = np.fromiter(map(is_mostly_cjk, texts), np.bool_, len(texts))
    for positions, size in ((np.flatnonzero(~cjk), SHINGLE), (np.flatnonzero(cjk), SHINGLE_CJK)):
        fewest = _FEWEST_SHINGLES + size - 1  # characters
        chosen = [position for position in positions.tolist() if len(texts[position]) >= fewest]
        for first in range(0, len(chosen), _AT_ONCE):
            batch = chosen[first : first + _AT_ONCE]
            bands[batch] = _sketch([texts[position][:LONGEST] for position in batch], size, numbers[batch])
    return bands


def _sketch(texts: list[str], size: int, numbers: Any) -> Any:
    """The bands of texts with shingles of `size` characters, uint32, shape (texts, BANDS); none is 0."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    # no shingle of the text begins at its last characters, so they are left out
    ends = np.cumsum(lengths)
    begins_shingle = np.ones(len(codes), np.bool_)
    for back in range(1, size):
        begins_shingle[ends - back] = False
    offsets = np.concatenate([np.zeros(1, np.uint64), np.cumsum(lengths - (size - 1)).astype(np.uint64)])
    hashes = _shingle_hashes(codes, size)[begins_shingle]
    sketch = RMinHash.digest_matrix_from_flat_token_hashes(hashes, offsets, BANDS * DEPTH, _SEED)
    slots = np.array(sketch.to_rows(), np.uint64).reshape(len(texts), BANDS, DEPTH)
    keys = np.repeat(numbers[:, None], BANDS, axis=1)
    for depth in range(DEPTH):
        keys = (keys ^ slots[:, :, depth]) * np.uint64(0x100000001B3)
        keys ^= keys >> np.uint64(29)
    return (keys >> np.uint64(32)).astype(np.uint32) | np.uint32(1)


def _shingle_hashes(codes: Any, size: int) -> Any:
    """A hash of the `size` code points that begin at each code point, uint64, shape (code points,). Mixed as in
    splitmix64."""
    hashes = np.zeros(len(codes), np.uint64)
    count = len(codes) - size + 1
    for offset in range(size):
        hashes[:count] *= np.uint64(0x9E3779B97F4A7C15)
        hashes[:count] += codes[offset : count + offset]
    hashes ^= hashes >> np.uint64(31)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(29)
    return hashes
