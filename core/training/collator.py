"""Examples as the trainer reads them: a data set of token ids mapped from disk, and batches padded to tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from datasets.table import InMemoryTable

from core.examples.build import TrainingSet
from core.tokens.loss_mask import IGNORED_LABEL
from core.tokens.segments import EOS, MARKER, OPENING, PROMPT, REASONING, RESPONSE, SLOT_COUNT

SECTIONS = ("prompt", "reasoning", "response")
"""The sections whose losses are told apart. The markers around a reasoning belong to it, the end to the response."""
_SECTION_OF_SLOT = np.zeros(SLOT_COUNT, np.int8)
_SECTION_OF_SLOT[[PROMPT, OPENING, REASONING, MARKER, RESPONSE, EOS]] = [0, 1, 1, 1, 2, 2]


class ExampleCollator:
    """Makes tensors of shape (rows, longest) of examples, padded on the right. Padding has no label, no weight and no
    attention, so that its id does not matter.

    An item of the data set is the example's ids and its index in `prepared`, which has its labels. `rows`, of shape
    (rows,), has the row's index in its source, and `sections`, where they are wanted, the index in `SECTIONS` of each
    token.
    """

    def __init__(self, pad_id: int, prepared: TrainingSet, sections: bool = True) -> None:
        self._pad_id, self._prepared, self._sections = pad_id, prepared, sections

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        ids = [np.asarray(row["input_ids"], np.int64) for row in rows]
        numbers = [row["row"] for row in rows]
        labels = [self._prepared.labels(number) for number in numbers]
        attention = [np.ones_like(row_ids) for row_ids in ids]
        batch = {
            "input_ids": _padded(ids, self._pad_id),
            "labels": _padded(labels, IGNORED_LABEL),
            "attention_mask": _padded(attention, 0),
            "rows": torch.from_numpy(np.asarray(self._prepared.row_indices[numbers], np.int64)),
        }
        if self._sections:
            batch["sections"] = _padded([section_of_slots(self._prepared.ends[number]) for number in numbers], 0)
        if self._prepared.weighted:
            weights = [self._prepared.token_weights(number) for number in numbers]
            batch["weights"] = _padded(weights, 0.0)
        return batch


def section_of_slots(ends: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The index in `SECTIONS` of each token of a row, int8, shape (tokens,). ends: of the row's slots, shape (6,)."""
    return np.repeat(_SECTION_OF_SLOT, np.diff(ends, prepend=0))


def _padded(rows: Sequence[np.ndarray[Any, Any]], filler: float) -> torch.Tensor:
    """Rows as one tensor of shape (rows, longest): int64, or float32 where the filler is a float."""
    dtype = np.float32 if isinstance(filler, float) else np.int64
    out = np.full((len(rows), max(map(len, rows))), filler, dtype)
    for index, row in enumerate(rows):
        out[index, : len(row)] = row
    return torch.from_numpy(out)


def trainer_dataset(prepared: TrainingSet, rows: np.ndarray[Any, Any] | None = None) -> Dataset:
    """The examples as columns `input_ids` and `row`, their index in `prepared`. rows: only these, by their index in
    `prepared`.

    The ids stay memory-mapped, in the order of the store, with an index table. A training set of any size takes the
    same memory, except for a few numbers per row.
    """
    positions = prepared.store_positions
    row_by_position = np.zeros(len(prepared.store), np.int64)
    row_by_position[positions] = np.arange(len(positions))
    chunks = []
    for tokens, starts, first in prepared.store.chunks():
        ids = pa.Array.from_buffers(pa.int32(), len(tokens), [None, pa.py_buffer(tokens)])
        numbers = row_by_position[first : first + len(starts) - 1]
        chunks.append(
            pa.record_batch(
                {"input_ids": pa.LargeListArray.from_arrays(pa.array(starts), ids), "row": pa.array(numbers)}
            )
        )
    # Rows with equal text share one entry of the store; for the trainer they are the same example.
    chosen = positions if rows is None else positions[rows]
    index = pa.table({"indices": pa.array(chosen.astype(np.uint64))})
    return Dataset(pa.Table.from_batches(chunks), indices_table=InMemoryTable(index), fingerprint=prepared.hash)
