"""The memory of a training at its peak, by purpose, from first principles.

All sizes are in bytes, and what the allocator reserves: a layer's activations and the scores of the loss are never used
at once, but what is reserved for one is hardly used for the other.
"""

from __future__ import annotations

import math

import msgspec

from core.models.fit.constants import (
    GIB,
    NF4_BYTES,
    PROCESS_BYTES,
    TRANSFORMERS_4BIT,
    TRANSFORMERS_16BIT,
    UNSLOTH,
    BackendConstants,
)
from core.models.fit.model_shape import ModelShape
from core.models.fit.training_shape import Placement, TrainingShape

_STATE_BYTES = {
    "sgd": 0.0,
    "adafactor": 0.1,
    "adagrad": 4.0,
    "rmsprop": 4.0,
    "lion_32bit": 4.0,
    "lion_8bit": 1.05,
    "rmsprop_bnb": 4.0,
    "rmsprop_bnb_32bit": 4.0,
    "rmsprop_bnb_8bit": 1.05,
    "adamw_torch": 8.0,
    "adamw_torch_fused": 8.0,
    "adamw_8bit": 2.1,
    "adamw_bnb_8bit": 2.1,
    "ademamix": 12.0,
    "ademamix_8bit": 3.1,
}
"""Bytes of an optimizer's state for each trained weight; the paged ones keep theirs in main memory when it is short."""
_TILE_TOKENS, _TILE_VOCABULARY = 4096, 32768
"""TRL computes the loss over tiles of so many tokens and entries of the vocabulary."""
_UNSLOTH_PART = GIB
"""Unsloth computes the loss in one part where the scores in 32 bit take no more than this, else in a multiple of 4."""
_UNSLOTH_HIDDEN = 5
"""Vectors of the hidden width that its loss takes besides, in 16 bit."""


class MemoryParts(msgspec.Struct, frozen=True, kw_only=True):
    """Memory by purpose, in bytes, at the peak."""

    weights: int
    """The model's weights."""
    adapters: int = 0
    """The adapter's weights."""
    gradients: int = 0
    """The adapter's gradients."""
    optimizer: int = 0
    """The optimizer's state."""
    activations: int = 0
    """What is kept for the backward pass, and what comes and goes in the layer that is computed."""
    logits: int = 0
    """The scores over the vocabulary, and what else the loss takes."""
    overhead: int = 0
    """Workspaces, and memory that is reserved and not used; in main memory also the process itself."""

    @property
    def total(self) -> int:
        """The sum, in bytes."""
        return sum(msgspec.structs.astuple(self))


def constants_of(placement: Placement) -> BackendConstants:
    """The constants of the library that trains."""
    if placement.backend == "unsloth":
        return UNSLOTH
    return TRANSFORMERS_4BIT if placement.four_bit else TRANSFORMERS_16BIT


def memory_parts(shape: ModelShape, placement: Placement, training: TrainingShape | None) -> MemoryParts:
    """The memory of the model when it is trained with `training`, or only loaded. On a GPU this is what the allocator
    reserves; CUDA's own context comes on top."""
    weights = weight_bytes(shape, placement, training is not None)
    if not placement.on_gpu:
        return _in_main_memory(shape, placement, training, weights)
    constants = constants_of(placement)
    fixed = int(constants.fixed_gib * GIB)
    if training is None:
        return MemoryParts(weights=weights, overhead=fixed)
    trained = adapter_weights(shape, placement, training)
    tokens, stream = training.batch_size * training.tokens, max(placement.width, constants.stream_width)
    adapters = trained * max(placement.width, constants.adapter_width)
    return MemoryParts(
        weights=weights,
        adapters=adapters,
        gradients=adapters,
        optimizer=int(trained * state_bytes(training.optim, True)),
        activations=int(_activations(shape, placement, training, constants, tokens, stream)),
        logits=int(_scores(shape, placement, training, tokens, stream)),
        overhead=fixed,
    )


def weight_bytes(shape: ModelShape, placement: Placement, is_training: bool) -> int:
    """Bytes of the base weights. In a training in 4 bit, Transformers turns all that is not quantised into 32 bit; the
    experts of a layer, which are one tensor, are never quantised while loading."""
    width = placement.width
    if placement.four_bit and is_training:
        width = max(width, constants_of(placement).unquantised_width)
    size = (shape.embedding + shape.head + shape.others) * float(width)
    for matrix in shape.matrices:
        if matrix.stored_bytes:
            size += matrix.stored_bytes
        elif placement.four_bit and not matrix.is_expert:
            size += matrix.elements * NF4_BYTES
        else:
            size += matrix.elements * width
    return int(size)


def adapter_weights(shape: ModelShape, placement: Placement, training: TrainingShape) -> int:
    """Weights of a LoRA adapter: rank times inputs and outputs of every layer that gets one. PEFT finds no experts,
    which are no layers of their own."""
    return sum(
        (matrix.inputs + matrix.outputs) * matrix.count * training.r
        for matrix in shape.matrices
        if matrix.name in training.target_modules and not (matrix.is_expert and placement.backend == "transformers")
    )


def state_bytes(optim: str, on_gpu: bool) -> float:
    """Bytes of the optimizer's state for each trained weight."""
    if optim == "auto":
        optim = "adamw_8bit" if on_gpu else "adamw_torch"
    return _STATE_BYTES.get(optim.removeprefix("paged_").replace("adamw_32bit", "adamw_torch"), 8.0)


def _activations(
    shape: ModelShape,
    placement: Placement,
    training: TrainingShape,
    constants: BackendConstants,
    tokens: int,
    stream: int,
) -> float:
    """Bytes on a GPU. stream: bytes of an element of the hidden states between layers."""
    number = placement.width / 2  # of 16 bits
    kept = tokens * number * _kept_of_layer(shape, training, constants)
    passing = tokens * number * 2 * (constants.passing_inner * shape.inner + constants.passing_hidden * shape.hidden)
    if placement.four_bit:
        passing += constants.dequantised * 2 * shape.largest
    inputs = tokens * stream * shape.hidden
    if training.gradient_checkpointing:
        return inputs * (constants.offloaded_inputs or shape.layers) + kept + passing
    # Inputs in 16 bit are no longer needed once they are in 32 bit, which a layer keeps.
    return shape.layers * (kept + (inputs if stream > placement.width else 0)) + passing


def _kept_of_layer(shape: ModelShape, training: TrainingShape, constants: BackendConstants) -> float:
    """Bytes that one layer keeps of one token for its backward pass, in 16 bit."""
    vectors = (
        constants.kept_hidden * shape.hidden
        + constants.kept_inner * shape.inner
        + constants.kept_query * shape.query
        + constants.kept_narrow * shape.narrow
        + training.r * len(training.target_modules)
    )
    return 2 * vectors


def _all_scores(shape: ModelShape, placement: Placement, tokens: int) -> float:
    """Bytes of the scores of all tokens: as they come, those with labels, and three times in 32 bit."""
    return tokens * shape.vocabulary * (2 * placement.width + 12)


def _scores(shape: ModelShape, placement: Placement, training: TrainingShape, tokens: int, stream: int) -> float:
    """Bytes at the loss, which either library computes in parts unless it is weighted; and the gradient of the last
    hidden states."""
    if training.weighted:
        return _all_scores(shape, placement, tokens)
    if placement.backend == "unsloth":
        whole = tokens * shape.vocabulary * 4
        parts = 1 if whole <= _UNSLOTH_PART else 4 * math.ceil(whole / (4 * _UNSLOTH_PART))
        return whole / parts + _UNSLOTH_HIDDEN * tokens * shape.hidden * stream
    tile = 2 * min(tokens, _TILE_TOKENS) * min(shape.vocabulary, _TILE_VOCABULARY)
    head = 2 * shape.hidden * min(shape.vocabulary, _TILE_VOCABULARY) if placement.four_bit else 0
    return tile + head + tokens * shape.hidden * (4 + 2 * stream)


def _in_main_memory(
    shape: ModelShape, placement: Placement, training: TrainingShape | None, weights: int
) -> MemoryParts:
    if training is None:
        return MemoryParts(weights=weights, overhead=PROCESS_BYTES)
    constants, trained = TRANSFORMERS_16BIT, adapter_weights(shape, placement, training)
    tokens, number = training.batch_size * training.tokens, placement.width / 2
    kept = tokens * number * _kept_of_layer(shape, training, constants)
    passing = tokens * number * 2 * constants.passing_inner * shape.inner
    inputs = tokens * placement.width * shape.hidden
    held = shape.layers * (inputs if training.gradient_checkpointing else kept)
    in_layer = (kept if training.gradient_checkpointing else 0) + passing
    scores = _all_scores(shape, placement, tokens)
    activations, logits = (held + in_layer, 0.0) if in_layer >= scores else (held, scores)
    return MemoryParts(
        weights=weights,
        adapters=trained * 4,
        gradients=trained * 4,
        optimizer=int(trained * state_bytes(training.optim, False)),
        activations=int(activations),
        logits=int(logits),
        overhead=PROCESS_BYTES,
    )
