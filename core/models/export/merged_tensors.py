"""The tensors of a tuned model: the base model's, with the adapter's updates added, read by rows.

W + scale * B @ A is computed in float32; whoever writes rounds it once. The base is the original weights, or, for a run
trained in 4 bit, what those were after packing to NF4.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Mapping
from typing import Literal

from core.models.export.adapter_weights import LoraUpdate
from core.models.export.model_tensors import StoredTensors
from core.models.export.nf4 import BLOCK, Nf4Scales, block_maxima, packed_scales, unpacked_values
from core.models.export.number_formats import Array, rounded_to
from core.models.export.row_blocks import row_blocks
from core.models.weights import TensorHeader

BaseWeights = Literal["original", "dequantised"]
"""The weights into which an adapter is merged."""
_LINEAR = re.compile(r"\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)\.weight$")


class MergedTensors:
    """The tuned model's tensors. compute: the format in which a 4-bit run unpacks its weights, `BF16` or `F16`."""

    def __init__(
        self,
        stored: StoredTensors,
        updates: Mapping[str, LoraUpdate],
        base: BaseWeights = "original",
        compute: str = "BF16",
    ) -> None:
        self._stored, self._updates, self._base, self._compute = stored, updates, base, compute
        self._scales: dict[str, Nf4Scales] = {}
        self._lock = threading.Lock()

    @property
    def headers(self) -> dict[str, TensorHeader]:
        """The tensors, by name."""
        return self._stored.headers

    def is_packed(self, name: str) -> bool:
        """Whether the run had this tensor in 4 bit: the linear layers of the decoder blocks."""
        return self._base == "dequantised" and _LINEAR.search(name) is not None

    def row_multiple(self, name: str) -> int:
        """Rows are read in multiples of this number."""
        if not self.is_packed(name):
            return 1
        return BLOCK // math.gcd(BLOCK, self.headers[name].shape[1])

    def rows(self, name: str, start: int, stop: int) -> Array:
        """The rows `start` to `stop` of a tensor, float32. Threads may read at the same time."""
        values = self._stored.rows(name, start, stop)
        if self.is_packed(name):
            columns = values.shape[1]
            values = rounded_to(values, self._compute)
            unpacked = unpacked_values(values, self._scales_of(name), start * columns // BLOCK)
            values = rounded_to(unpacked, self._compute)
        update = self._updates.get(name)
        return values if update is None else values + update.rows(start, stop)

    def _scales_of(self, name: str) -> Nf4Scales:
        """The scales of a tensor; those of one tensor are kept, because tensors are read one after the other."""
        with self._lock:
            if name not in self._scales:
                import numpy as np

                maxima = []
                for start, stop in row_blocks(self.headers[name].shape, self.row_multiple(name)):
                    maxima.append(block_maxima(rounded_to(self._stored.rows(name, start, stop), self._compute)))
                self._scales = {name: packed_scales(np.concatenate(maxima))}
            return self._scales[name]
