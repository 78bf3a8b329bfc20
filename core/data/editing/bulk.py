"""Edits of many rows at once: in memory row by row, in a large source column by column. Changes an `Edits`; knows no
journal."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data.columns.thinking import MARKERS, cut
from core.data.storage import row_keys
from core.data.storage.arrow_arrays import as_mask, flags, numbers
from core.data.storage.arrow_arrays import texts as array_of
from core.data.storage.edit_overlay import Edits, Replaced, Undo
from core.data.storage.memory_rows import HeldRows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.data.storage.mapped_rows import MappedRows

    Mask = np.ndarray[Any, np.dtype[np.bool_]]

FEW = 2000  # rows of a large source that are still changed one by one
_BATCH_BYTES = 1 << 30  # of one column in one batch, half of what Arrow's offsets reach
_MARKED = "|".join(re.escape(marker) for pair in MARKERS for marker in pair)

Make = Callable[[int, "Mask", "pa.Array"], "pa.Array"]


def remove(edits: Edits, indices: Sequence[int], undo: Undo) -> int:
    if _one_by_one(edits, indices):
        for index in indices:
            if not edits.has(index):
                raise IndexError(f"there is no row {index}")
        edits.remove([int(index) for index in indices], undo)
    else:
        import numpy as np

        _whole(edits, indices)
        edits.remove_many(np.asarray(indices, dtype=np.int64), undo)
    return len(indices)


def fill(edits: Edits, indices: Sequence[int], column: str, value: str, undo: Undo) -> int:
    """Sets `column` to `value`; the number of rows that had another."""
    if column not in COLUMNS:
        raise ValueError(f"there is no column {column}")
    if _one_by_one(edits, indices):
        return sum(_put(edits, edits.row(int(index)), {column: value}, undo) for index in indices)
    import pyarrow.compute as pc

    base = _mapped(edits)
    if len(value.encode()) * max(len(part) for part in base.parts) > _BATCH_BYTES:
        raise DataError("the text is too long to stand in so many rows", "", "Set it in fewer rows at once")
    patched, mask = _apart(edits, indices)
    changed = sum(_put(edits, edits.row(index), {column: value}, undo) for index in patched)

    def make(_: int, here: Mask, old: pa.Array) -> pa.Array:
        nonlocal changed
        changed += int((here & as_mask(pc.not_equal(old, value))).sum())
        return pc.if_else(flags(here), value, old)

    _rewrite(edits, {column: make}, mask, undo)
    return changed


def split(edits: Edits, indices: Sequence[int], share: float, seed: int) -> tuple[Sequence[int], Sequence[int]]:
    """The rows for the test, `share` of them, and the others. The side of a row depends on the seed, its instruction
    and its input, not on its place.

    So rows that ask the same stand on the same side, and a few more than `share` may be for the test.
    """
    wanted = round(len(indices) * share)
    if _one_by_one(edits, indices):
        drawn = [row_keys.key(edits.row(int(index)), row_keys.QUESTION, f"{seed}:") for index in indices]
        last = sorted(drawn)[wanted - 1] if wanted else -1
        test = [int(index) for index, number in zip(indices, drawn, strict=True) if number <= last]
        train = [int(index) for index, number in zip(indices, drawn, strict=True) if number > last]
        return test, train
    import numpy as np

    _whole(edits, indices)
    numbers = keys(edits, row_keys.QUESTION, f"{seed}:")[np.asarray(indices)]
    side = numbers <= np.partition(numbers, wanted - 1)[wanted - 1] if wanted else np.zeros(len(numbers), dtype=bool)
    rising = np.asarray(indices)
    return rising[side], rising[~side]


def keys(edits: Edits, columns: Sequence[str], prefix: str = "") -> np.ndarray[Any, np.dtype[np.uint64]]:
    """`row_keys.key` of every row as it stands, by index; 0 where there is none."""
    import numpy as np

    from core.data.search.row_query import Asking
    from core.data.search.sql import keys as asked

    made = np.zeros(edits.next, dtype=np.uint64)
    indices, numbers = asked(edits.base.edited(edits.overlay()), prefix, columns, Asking().ticket())  # type: ignore[arg-type]
    made[indices] = numbers
    return made


def extract_reasoning(edits: Edits, indices: Sequence[int], undo: Undo) -> int:
    """Moves what stands between markers of reasoning in `output` to `reasoning`; the number of rows changed.

    A row is left alone where its thought never ends, nothing follows it, or another reasoning stands in its column: no
    text is ever lost.
    """
    if _one_by_one(edits, indices):
        return sum(_extract(edits, int(index), undo) for index in indices)
    import numpy as np
    import pyarrow.compute as pc

    patched, mask = _apart(edits, indices)
    changed = sum(_extract(edits, index, undo) for index in patched)
    base, thoughts = _mapped(edits), edits.columns.get("reasoning")

    def answers(place: int, here: Mask, old: pa.Array) -> pa.Array:
        nonlocal changed
        marked = np.nonzero(here & as_mask(pc.match_substring_regex(old, _MARKED)))[0]
        reasonings = (
            thoughts.arrays[place] if thoughts is not None else base.parts[place].column(COLUMNS.index("reasoning"))
        )
        moved[place] = {}
        replaced = {}
        chosen = numbers(marked)
        for at, output, reasoning in zip(
            marked.tolist(), old.take(chosen).to_pylist(), reasonings.take(chosen).to_pylist(), strict=True
        ):
            if (parted := _parted(output, reasoning)) is not None:
                moved[place][at], replaced[at] = parted
        changed += len(replaced)
        return _with(old, replaced)

    moved: dict[int, dict[int, str]] = {}
    _rewrite(
        edits, {"output": answers, "reasoning": lambda place, _, old: _with(old, moved.pop(place, {}))}, mask, undo
    )
    return changed


def _extract(edits: Edits, index: int, undo: Undo) -> int:
    row = edits.row(index)
    parted = _parted(row.output, row.reasoning)
    return 0 if parted is None else _put(edits, row, {"reasoning": parted[0], "output": parted[1]}, undo)


def _parted(output: str, reasoning: str) -> tuple[str, str] | None:
    parts = cut(output)
    if (
        parts is None
        or not parts.reasoning
        or not (parts.answer or "").strip()
        or reasoning.strip() not in ("", parts.reasoning)
    ):
        return None
    return parts.reasoning, parts.answer or ""


def _with(old: pa.Array, texts: dict[int, str]) -> pa.Array:
    """The array with other texts at some places, which rise."""
    import numpy as np
    import pyarrow.compute as pc

    if not texts:
        return old
    mask = np.zeros(len(old), dtype=bool)
    mask[list(texts)] = True
    return pc.replace_with_mask(old, flags(mask), array_of(list(texts.values())))


def _put(edits: Edits, row: Row, texts: dict[str, str], undo: Undo) -> int:
    after = msgspec.structs.replace(row, **texts)
    if after == row:
        return 0
    edits.put(after, undo)
    return 1


def _one_by_one(edits: Edits, indices: Sequence[int]) -> bool:
    return isinstance(edits.base, HeldRows) or len(indices) <= FEW


def _mapped(edits: Edits) -> MappedRows:
    return edits.base  # type: ignore[return-value]  # held rows are all changed one by one


def _whole(edits: Edits, indices: Sequence[int]) -> None:
    """Raises IndexError where one of many rows is not there."""
    import numpy as np

    known = np.zeros(edits.next, dtype=bool)
    known[: edits.size] = np.frombuffer(edits.gone, dtype=np.uint8) == 0
    known[[index for index in edits.patches if index >= edits.size]] = True
    if len(indices) and (indices[0] < 0 or indices[-1] >= edits.next or not known[indices].all()):
        raise IndexError("some of these rows are not there")


def _apart(edits: Edits, indices: Sequence[int]) -> tuple[list[int], Mask]:
    """Of many rows those that were edited one by one, and a mask of the others over the rows of the source."""
    import numpy as np

    _whole(edits, indices)
    asked = np.zeros(edits.next, dtype=bool)
    asked[indices] = True
    patched = [index for index in edits.patches if asked[index]]
    asked[patched] = False
    return patched, asked[: edits.size]


def _rewrite(edits: Edits, columns: dict[str, Make], mask: Mask, undo: Undo) -> None:
    """New columns of the source's rows, each made batch by batch where the mask has rows. Columns advance together, so
    one may tell the next."""
    import numpy as np
    import pyarrow.compute as pc

    from core.data.storage.column_files import Column

    base = _mapped(edits)
    made = {name: Column(name) for name in columns}
    olds = {name: edits.columns.get(name) for name in columns}
    differs = {
        name: old.differs.copy() if old is not None else np.zeros(edits.size, dtype=bool) for name, old in olds.items()
    }
    for place in range(len(base.parts)):
        start, end = base.starts[place], base.starts[place + 1]
        here = mask[start:end]
        for name, make in columns.items():
            source, replaced = base.parts[place].column(COLUMNS.index(name)), olds[name]
            old = replaced.arrays[place] if replaced is not None else source
            new = make(place, here, old) if here.any() else old
            if new is not old:
                differs[name][start:end] = as_mask(pc.not_equal(new, source))
            try:
                made[name].put(new)
            except OSError as error:
                do = "Free space there, or set SUIRON_CACHE to another disk"
                raise DataError(
                    f"the edited column cannot be kept ({error.strerror or error})", str(error.filename or ""), do
                ) from error
    for name, column in made.items():
        edits.replace(name, Replaced(*column.arrays(), differs[name]), undo)
