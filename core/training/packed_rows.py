"""Rows of an optimizer step one after the other, without padding: what a packed forward pass reads, on the host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from core.examples.build import TrainingSet
from core.tokens.loss_mask import IGNORED_LABEL
from core.training.collator import section_of_slots

Array = np.ndarray[Any, np.dtype[Any]]


class PackedRows(msgspec.Struct, frozen=True):
    """Rows one after the other. A trained token is predicted from the position before it; the first of a row, which
    nothing comes before, is never trained."""

    ids: Array
    """Token ids, int64, shape (tokens,)."""
    lengths: Array
    """Tokens of each row, int64, shape (rows,)."""
    sources: Array
    """The position from which each trained token is predicted, int64, shape (trained,), ascending."""
    targets: Array
    """The id of each trained token, int64, shape (trained,)."""
    weights: Array
    """How much each trained token counts in the loss, float32, shape (trained,)."""
    sections: Array
    """The section of each trained token (see `collator.SECTIONS`), int64, shape (trained,)."""
    rows: Array
    """Index of each row in its source, int64, shape (rows,)."""

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return len(self.ids)

    @property
    def weight(self) -> float:
        """Sum of the weights of the trained tokens: their number where all count alike."""
        return float(self.weights.sum(dtype=np.float64))

    def positions(self) -> Array:
        """The position of each token in its row, int64, shape (tokens,)."""
        starts = np.cumsum(self.lengths) - self.lengths
        positions: Array = np.arange(len(self.ids)) - np.repeat(starts, self.lengths)
        return positions

    def ends(self) -> Array:
        """0 and the end of each row, int32, shape (rows + 1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32)


class PackedCollator:
    """Packs the examples of a batch. An item of the data set is the example's ids and its index in `prepared`."""

    def __init__(self, prepared: TrainingSet) -> None:
        self._prepared = prepared

    def __call__(self, items: Sequence[dict[str, Any]]) -> dict[str, PackedRows]:
        return {"packed": join_rows([self._one(item) for item in items])}

    def _one(self, item: dict[str, Any]) -> PackedRows:
        row, prepared = item["row"], self._prepared
        ids = np.asarray(item["input_ids"], np.int64)
        trained = 1 + np.nonzero(prepared.labels(row)[1:] != IGNORED_LABEL)[0]
        weights = prepared.token_weights(row)[trained] if prepared.weighted else np.ones(len(trained), np.float32)
        return PackedRows(
            ids,
            np.array([len(ids)]),
            trained - 1,
            ids[trained],
            np.asarray(weights, np.float32),
            section_of_slots(prepared.ends[row])[trained].astype(np.int64),
            np.asarray(prepared.row_indices[[row]], np.int64),
        )


def join_rows(parts: Sequence[PackedRows]) -> PackedRows:
    """All rows of `parts`, in their order."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(part.tokens for part in parts[:-1])])

    def joined(name: str) -> Array:
        return np.concatenate([getattr(part, name) for part in parts])

    sources = np.concatenate([part.sources + start for part, start in zip(parts, starts, strict=True)])
    return PackedRows(
        joined("ids"),
        joined("lengths"),
        sources,
        joined("targets"),
        joined("weights"),
        joined("sections"),
        joined("rows"),
    )


def split_passes(rows: PackedRows, most_tokens: int) -> list[PackedRows]:
    """`rows` in as few parts of at most `most_tokens` tokens as their order allows. A row that alone has more is a part
    of its own."""
    if rows.tokens <= most_tokens:
        return [rows]
    parts, first, tokens = [], 0, 0
    for index, length in enumerate(rows.lengths.tolist()):
        if tokens and tokens + length > most_tokens:
            parts.append(rows_between(rows, first, index))
            first, tokens = index, 0
        tokens += length
    return [*parts, rows_between(rows, first, len(rows.lengths))]


def rows_between(rows: PackedRows, first: int, end: int) -> PackedRows:
    """The rows from `first` up to, not including, `end`."""
    ends = rows.ends()
    start, stop = int(ends[first]), int(ends[end])
    low, high = np.searchsorted(rows.sources, [start, stop])
    return PackedRows(
        rows.ids[start:stop],
        rows.lengths[first:end],
        rows.sources[low:high] - start,
        rows.targets[low:high],
        rows.weights[low:high],
        rows.sections[low:high],
        rows.rows[first:end],
    )
