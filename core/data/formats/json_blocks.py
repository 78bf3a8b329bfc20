"""Blocks of JSON lines as Arrow arrays in one call, where that gives exactly what reading line by line gives; any doubt
refuses the block.

Twenty times as fast as line by line. A block is taken where every line is one object with known names, whose mapped
columns are texts or null, with instruction and output there and something said in one of them. That a line is one
object is seen from its ends: where each begins with a brace and ends with one, where the whole parses, and where there
are as many objects as lines, no object ends or begins inside a line.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from core.base.row import COLUMNS

if TYPE_CHECKING:
    from concurrent.futures import Future

Arrays = Sequence[Any]
"""Six string arrays without nulls, in the order of COLUMNS."""
_DEEP = 2000  # brackets opened in one line; pyarrow's parser calls itself for each, and 100,000 overflow its stack
_AHEAD, _THREADS = 4, 2
_NUMBERS = re.compile(rb"[:\[,]\s*-?(?:Inf|NaN)")  # what parsers disagree on


class QuickLines:
    """names: those known so far; sources: for each of COLUMNS the name it is taken from, empty where there is none."""

    def __init__(self, names: Sequence[str], sources: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.json as pj

        self.names = frozenset(names)
        self._sources = sources
        schema = pa.schema([pa.field(name, pa.string()) for name in dict.fromkeys(sources) if name])
        self._wanted = frozenset(schema.names)
        self._how = pj.ParseOptions(explicit_schema=schema, unexpected_field_behavior="infer", newlines_in_values=False)

    def read(self, block: bytes) -> list[Arrays] | None:
        """The rows of `block`, whole lines, as batches; None where they must be read another way. Called by several
        threads."""
        import pyarrow as pa
        import pyarrow.json as pj

        lines = object_lines(block)
        if not lines or _deep(block, lines):
            return None
        try:
            _whole_text(block).validate(full=True)
            options = pj.ReadOptions(use_threads=False, block_size=len(block) + 1)
            table = pj.read_json(pa.BufferReader(block), read_options=options, parse_options=self._how)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError):
            return None
        found = frozenset(table.schema.names)
        if table.num_rows != lines or not found <= self.names or (found != self._wanted and _NUMBERS.search(block)):
            return None
        instruction, output = (
            table.column(self._sources[COLUMNS.index(column)]) for column in ("instruction", "output")
        )
        if instruction.null_count or output.null_count:
            return None
        batches = [self._arrays(batch) for batch in table.to_batches()]
        return batches if all(_says(batch[0], batch[3]) for batch in batches) else None

    def _arrays(self, batch: Any) -> Arrays:
        import pyarrow as pa

        empty = pa.repeat(pa.scalar(""), len(batch)) if "" in self._sources else None
        return [batch.column(name).fill_null("") if name else empty for name in self._sources]


def ahead(
    blocks: Iterator[bytes], read: Callable[[bytes], list[Arrays] | None], wanted: bool
) -> Iterator[tuple[bytes, list[Arrays] | None]]:
    """Each block with what `read` makes of it, in order, the next few being read meanwhile; with None alone where that
    is not `wanted`."""
    if not wanted:
        yield from ((block, None) for block in blocks)
        return
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[tuple[bytes, Future[list[Arrays] | None]]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for block in blocks:
                waiting.append((block, pool.submit(read, block)))
                if len(waiting) >= _AHEAD:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _whole_text(block: bytes) -> Any:
    """The block as one text of Arrow, for its check of UTF-8."""
    import pyarrow as pa

    offsets = pa.py_buffer(len(block).to_bytes(8, "little").rjust(16, b"\0"))
    return pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(block)])


def object_lines(block: bytes) -> int:
    """How many lines there are, where each of them begins and ends with a brace; 0 for any other block."""
    end = len(block) - block.endswith(b"\n")
    lines = block.count(b"\n", 0, end) + 1
    within = block.count(b"}\n{", 0, end) + block.count(b"}\r\n{", 0, end)
    return (
        lines
        if within == lines - 1 and block.startswith(b"{") and block[max(0, end - 2) : end].rstrip(b"\r").endswith(b"}")
        else 0
    )


def _deep(block: bytes, lines: int) -> bool:
    """Whether a line may open more brackets than the parser's stack bears."""
    if block.count(b"{") + block.count(b"[") <= lines + _DEEP:
        return False
    import numpy as np

    text = np.frombuffer(block, dtype=np.uint8)
    starts = np.concatenate(([0], np.flatnonzero(text[:-1] == 10) + 1))
    return bool(np.add.reduceat(((text == 123) | (text == 91)).astype(np.int32), starts).max() > _DEEP)


def _says(instruction: Any, output: Any) -> bool:
    """Whether no row is blank in both. Only where a first character may be a space is a text looked at."""
    import numpy as np

    doubtful = np.flatnonzero(_may_be_blank(instruction))
    return all(instruction[place].as_py().strip() or output[place].as_py().strip() for place in doubtful.tolist())


def _may_be_blank(column: Any) -> Any:
    """True for an empty text, and for one whose first byte a space of Unicode could begin with: of E3, only with 80
    behind it, as in U+3000."""
    import numpy as np

    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    data = column.buffers()[2]
    text = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.zeros(0, dtype=np.uint8)
    text = np.append(text, np.zeros(2, dtype=np.uint8))
    first, second = text[offsets[:-1]], text[offsets[:-1] + 1]
    space = (first <= 0x20) | (first == 0xC2) | (first == 0xE1) | (first == 0xE2) | ((first == 0xE3) & (second == 0x80))
    return (offsets[1:] == offsets[:-1]) | space
