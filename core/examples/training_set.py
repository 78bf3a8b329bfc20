"""A finished training set: its rows, their ids on disk and which tokens are trained. Does not know how it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from core.examples.encoded_store import EncodedStore
from core.examples.example import trained_tokens
from core.tokens.loss_mask import loss_labels, token_weights
from core.tokens.segments import EOS

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.encode_spans import Int32Array

    Array = np.ndarray[Any, np.dtype[Any]]


class TrainingSet(msgspec.Struct, frozen=True):
    """The rows to train on, in the order of their source. Their ids stay in the store, mapped from disk."""

    store: EncodedStore
    """The store with the ids."""
    weights: tuple[float, ...]
    """How much a token of each of the six sections counts in the loss; 0 has no label."""
    weighted: bool
    """Whether trained tokens have different weights, so that a plain mean over the labels would be another loss."""
    row_indices: Any
    """Index of each row in its source, int64, shape (rows,)."""
    store_positions: Any
    """Position of each row in the store, int64, shape (rows,)."""
    ends: Any
    """End of each section in tokens from the row's start, int32, shape (rows, 6)."""
    template_indices: Any
    """Index of each row's template in the run's mixture, int16, shape (rows,)."""
    hash: str
    """Hash of all ids, labels and weights in their order: 32 hex digits."""
    build_facts: dict[str, object]
    """How many rows of the source were trained, cut or left out, as in a run's status."""

    def __len__(self) -> int:
        return len(self.store_positions)

    def ids(self, row: int) -> Int32Array:
        """The ids of a row of the training set, with beginning and end of sequence, int32."""
        return self.store.tokens(int(self.store_positions[row]))

    def labels(self, row: int) -> Int32Array:
        """The ids of a row where they are trained, IGNORED_LABEL elsewhere, int32."""
        return loss_labels(self.ids(row), self.ends[row], self.weights)

    def token_weights(self, row: int) -> Array:
        """How much each token of a row counts in the loss, float32."""
        return token_weights(self.ends[row], self.weights)

    @property
    def tokens(self) -> int:
        """Tokens per pass over the data."""
        return int(self.ends[:, EOS].sum(dtype="int64"))

    @property
    def trained_tokens(self) -> int:
        """Tokens per pass that have a label."""
        return int(trained_tokens(self.ends, self.weights).sum())

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return int(self.ends[:, EOS].max())

    def facts(self) -> dict[str, object]:
        """The facts about the rows in a run's status. Row numbers are indices in the source, from 0."""
        return {
            "rows_trained": len(self),
            **self.build_facts,
            "tokens_per_epoch": self.tokens,
            "trained_tokens_per_epoch": self.trained_tokens,
            "longest_row_tokens": self.longest,
            "encoded_hash": self.hash,
        }
