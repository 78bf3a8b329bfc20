"""The fused step: one launch of our own kernel advances all rows by a token, and feeds itself.

The kernel reads the model's tensors where they lie and keeps its own state (tokens, lengths, scores) on the device.
Prompts go through the plain forward pass, whose keys and values are then taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from core.base.errors import EngineError
from core.engine.kernels.decode_tables import nf4_pairs, parameter_struct
from core.engine.kernels.launcher import CooperativeKernel
from core.engine.kernels.nvrtc import DECODE_STEP, compile_cached, kernel_source, with_macros
from core.engine.kernels.plan import (
    MAX_CHUNKS,
    MOST_COLUMNS,
    WARPS,
    DecodeShape,
    KernelPlan,
    lora_part_values,
    make_plan,
)
from core.engine.steps.cache_copy import CacheCopy
from core.engine.steps.eligibility import decode_shape
from core.engine.steps.fused_weights import FusedWeights, adapter_of, highest_rank
from core.engine.steps.row_cache import SMALLEST, RowCache
from core.engine.steps.rows import RowStep
from core.engine.steps.step import GREEDY, TokenChoice

NO_ADAPTER = -1
"""The slot of a row that is answered by the base model."""


class FusedKernel:
    """A compiled kernel for one model's shape, and the number of rows it serves. Needs no GPU memory."""

    def __init__(self, model: Any, rows: int, *, slots: int = 1) -> None:
        """Compiles, or takes from the cache; about ten seconds the first time. Raises EngineError."""
        device: Any = torch.cuda.get_device_properties(model.device)
        self.shape: DecodeShape = decode_shape(model, highest_rank(model), slots)
        self.columns = 1 if rows == 1 else MOST_COLUMNS
        plan = make_plan(self.shape, self.columns, device.shared_memory_per_block_optin)
        if rows > MOST_COLUMNS:
            raise EngineError(f"{rows} sequences at once are more than the kernel's {MOST_COLUMNS}", "", "Ask fewer")
        if plan is None:
            raise EngineError(
                "the card has too little shared memory for this shape", device.name, "Another path answers"
            )
        self.plan: KernelPlan = plan
        self.blocks: int = device.multi_processor_count
        source = with_macros(kernel_source(DECODE_STEP), plan.macros)
        self.architecture = f"sm_{device.major}{device.minor}"
        self.cubin = compile_cached(source, self.architecture)


class FusedStep(RowStep):
    """Serves models of which `fused_verdict` approves."""

    path = "fused"

    def __init__(self, model: Any, kernel: FusedKernel, rows: int = 1, capacity: int = SMALLEST) -> None:
        """kernel: made for this model and number of rows. The active adapter goes into slot 0."""
        super().__init__(model, rows)
        self._shape, self._columns = kernel.shape, kernel.columns
        self._launcher = CooperativeKernel(
            kernel.cubin,
            "decode_step",
            blocks=kernel.blocks,
            threads=WARPS * 32,
            shared_bytes=kernel.plan.shared_bytes,
        )
        self.cache = RowCache(self.model, self._columns, capacity)
        self.weights = FusedWeights(self.model, self._shape)
        self._buffers = self._make_buffers(kernel.blocks)
        self._slots = [NO_ADAPTER] * self._columns
        adapter = adapter_of(self.model)
        self._loaded: list[str | None] = [adapter] + [None] * (self._shape.slots - 1)
        if adapter is not None:
            self.weights.fill_slot(0, adapter)
        self._row_slots = [NO_ADAPTER if adapter is None else 0] * self._columns
        self._parameters = parameter_struct(self._shape.slots)()
        self._address()

    def prefill(
        self,
        row: int,
        ids: Sequence[int],
        choice: TokenChoice = GREEDY,
        *,
        answered: int = 0,
        slot: int | None = None,
    ) -> None:
        """See `Step`. slot: the LoRA slot whose adapter answers (None: that of `set_adapter`, else the active one). The
        prompt goes through the model itself, so that adapter must be the active one meanwhile."""
        if 0 <= row < self.rows:
            self._slots[row] = self._row_slots[row] if slot is None else slot
        super().prefill(row, ids, choice, answered=answered)

    def feed_prompt(self, row: int, ids: torch.Tensor) -> torch.Tensor:
        """See `RowStep`."""
        return self.cache.feed_prompt(row, ids, self.lengths[row])

    def feed_tokens(self, live: list[int]) -> None:
        """See `RowStep`."""
        self._launcher.launch(self._parameters, torch.cuda.current_stream(self.device))

    def cut_cache(self, row: int, length: int) -> int:
        """See `RowStep`."""
        return length

    def copy_cache(self, row: int) -> CacheCopy:
        """See `RowStep`."""
        return self.cache.copy_row(row, self.lengths[row])

    def paste_cache(self, row: int, copy: CacheCopy) -> None:
        """See `RowStep`."""
        self.cache.paste_row(row, copy)

    def set_adapter(self, row: int, adapter: str | None) -> None:
        """See `Step`. The adapter is put into a slot that no live row answers through."""
        super().set_adapter(row, adapter)
        if adapter is not None and adapter not in self._loaded:
            used = {self._slots[other] for other in range(self.rows) if self.live[other]}
            free = [slot for slot in range(self._shape.slots) if slot not in used]
            if not free:
                raise EngineError("every LoRA slot of the kernel is in use", adapter, "Wait until an answer ends")
            slot = next((slot for slot in free if self._loaded[slot] is None), free[0])
            self.load_slot(slot, adapter)
        self._row_slots[row] = NO_ADAPTER if adapter is None else self._loaded.index(adapter)

    def row_changed(self, row: int) -> None:
        """See `RowStep`."""
        self._buffers["lengths"][row] = self.lengths[row]
        self._buffers["live"][row] = int(self.live[row])
        self._buffers["slots"][row] = self._slots[row]
        self._use_lora()

    def check_room(self, length: int) -> None:
        """See `RowStep`."""
        super().check_room(length)
        if self.cache.grow(length):
            self._address()

    def load_slot(self, slot: int, adapter: str | None) -> None:
        """Put the model's adapter of this name into a slot, in place; None empties it. Rows that answer through it
        go on with the new one."""
        self.weights.fill_slot(slot, adapter)
        self._loaded[slot] = adapter
        self._address()

    def launch_other(self, kernel: CooperativeKernel) -> None:
        """Launch another kernel over this step's model and buffers, for the bench."""
        kernel.launch(self._parameters, torch.cuda.current_stream(self.device))

    def buffer(self, name: str) -> torch.Tensor:
        """One of the kernel's buffers by its name in the parameter, for a look at what a launch left there."""
        return self._buffers[name]

    def _address(self) -> None:
        """Fill the table and the parameter with the tensors' present addresses."""
        cosines, sines = _angles(self.model, self.cache.capacity, self._shape.head_dim)
        self._buffers |= {"cosines": cosines, "sines": sines}
        self.weights.upload(self.cache)
        model, parameters = self.model, self._parameters
        addresses = {
            "layers": self.weights.table,
            "embedding": model.model.embed_tokens.weight,
            "head": model.lm_head.weight,
            "final_norm": model.model.norm.weight,
            "code": self.weights.code,
            **self._buffers,
        }
        for name, tensor in addresses.items():
            setattr(parameters, name, tensor.data_ptr())
        parameters.capacity = self.cache.capacity
        for slot, rank in enumerate(self.weights.ranks):
            parameters.ranks[slot] = rank
        self._use_lora()

    def _use_lora(self) -> None:
        lora = any(self.live[row] and self._slots[row] != NO_ADAPTER for row in range(self.rows))
        self._parameters.use_lora = int(lora)

    def _make_buffers(self, blocks: int) -> dict[str, torch.Tensor]:
        shape, columns = self._shape, self._columns
        group_width = shape.group * shape.head_dim
        rows = columns * shape.kv_heads
        half = torch.int16

        def zeros(*size: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.zeros(*size, dtype=dtype, device=self.device)

        buffers = {
            "hidden": zeros(columns, shape.hidden),
            "qkv": zeros(columns, (shape.heads + 2 * shape.kv_heads) * shape.head_dim),
            "mixed": zeros(columns * shape.heads * shape.head_dim, dtype=half),
            "inner": zeros(columns * shape.inner, dtype=half),
            "logits": zeros(columns, shape.vocabulary),
            "tails": zeros(blocks, 32 * columns, dtype=torch.int64),
            "lora_parts": zeros(lora_part_values(shape, columns), dtype=torch.int64),
            "chunk_sums": zeros(rows * MAX_CHUNKS, group_width),
            "chunk_norms": zeros(rows * MAX_CHUNKS, shape.group * 2),
            "chunk_counts": zeros(rows, dtype=torch.int32),
            "best_scores": zeros(blocks, columns),
            "best_tokens": zeros(blocks, columns, dtype=torch.int32),
            "counters": zeros(128, dtype=torch.int32),
            "tokens": zeros(columns, dtype=torch.int32),
            "lengths": zeros(columns, dtype=torch.int32),
            "live": zeros(columns, dtype=torch.int32),
            "slots": torch.full((columns,), NO_ADAPTER, dtype=torch.int32, device=self.device),
            "pairs": torch.tensor(nf4_pairs(), dtype=torch.int64, device=self.device).to(torch.int32),
        }
        self.logits, self.tokens = buffers["logits"][: self.rows], buffers["tokens"][: self.rows]
        return buffers


def _angles(model: Any, length: int, head_dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of the rotary embedding by position, float32, each of shape (length, head width / 2)."""
    device = model.device
    with torch.inference_mode():
        positions = torch.arange(length, device=device)[None]
        cosines, sines = model.model.rotary_emb(torch.zeros(1, 1, device=device), positions)
    if cosines.shape[-1] != head_dim:
        raise EngineError("only a part of each head is rotated", "", "Answers go on without the fused step")
    half = head_dim // 2
    return cosines[0, :, :half].contiguous(), sines[0, :, :half].contiguous()
