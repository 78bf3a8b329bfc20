"""A training set once it is made: which rows, where their ids lie on disk, what is learnt of them. Knows nothing of how
it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.examples.checks import learnt
from core.examples.encoded_store import Store
from core.tokens.loss_mask import labels_of, weights_of
from core.tokens.segments import EOS

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.spans import Ints

    Array = np.ndarray[Any, np.dtype[Any]]


class Prepared:
    """The rows to train on, in the source's order, and what became of the others. The ids lie in the store, mapped from
    disk.

    numbers: the rows' own; places: where they lie in the store; ends: shape (rows, 6), the ends of their slots;
    template: of each, its place in `mixture.templates`. weights: of the six slots. hash: of all ids, labels and
    weights, in order.
    """

    def __init__(
        self,
        store: Store,
        weights: tuple[float, ...],
        weighted: bool,
        columns: dict[str, Array],
        hash: str,
        told: dict[str, object],
    ) -> None:
        self.store, self.weights, self.weighted, self.hash = store, weights, weighted, hash
        self.numbers, self.places, self.ends, self.template = (
            columns[name] for name in ("numbers", "places", "ends", "template")
        )
        self._told = told

    def __len__(self) -> int:
        return len(self.places)

    def ids(self, row: int) -> Ints:
        """The ids of the row at this place of the training set, beginning and end of sequence with them."""
        return self.store.tokens(int(self.places[row]))

    def labels(self, row: int) -> Ints:
        return labels_of(self.ids(row), self.ends[row], self.weights)

    def token_weights(self, row: int) -> Array:
        return weights_of(self.ends[row], self.weights)

    @property
    def tokens(self) -> int:
        """Tokens per pass over the data."""
        return int(self.ends[:, EOS].sum(dtype="int64"))

    @property
    def trained_tokens(self) -> int:
        """Those of them that have a label."""
        return int(learnt(self.ends, self.weights).sum())

    @property
    def longest(self) -> int:
        return int(self.ends[:, EOS].max())

    def facts(self) -> dict[str, object]:
        """As they stand in the run's status; row numbers are the source's, from 0."""
        return {
            "rows_trained": len(self),
            **self._told,
            "tokens_per_epoch": self.tokens,
            "trained_tokens_per_epoch": self.trained_tokens,
            "longest_row_tokens": self.longest,
            "encoded_hash": self.hash,
        }
