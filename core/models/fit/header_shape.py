"""The shape of a model from the headers of its files: exact counts, whatever its architecture."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import msgspec

from core.models.fit.config_shape import shape_of_config
from core.models.fit.model_shape import Matrix, ModelShape
from core.models.resolve import read_model_config
from core.models.weights import TensorHeader, read_tensors, weight_files

_STORED = re.compile(r"(U8|I8|I32|F8.*|F4|F6.*)")
"""Number formats of weights that are quantised in the file."""
_STATE = re.compile(r"\.(absmax|quant_map|nested_absmax|nested_quant_map|quant_state\..*|scales|qzeros|g_idx|SCB)$")
"""What belongs to a quantised weight."""
_EMBEDDING = re.compile(r"(^|\.)(embed_tokens|wte|word_embeddings|embed_in)\.weight$")
_HEAD = re.compile(r"(^|\.)(lm_head|embed_out)\.weight$")
_EXPERT = re.compile(r"\.experts\.")


def shape_of_folder(folder: Path) -> ModelShape:
    """The shape of the model in `folder`: of its files' headers, or of its config.json where that is all there is.

    Raises ModelError where config.json is missing or cannot be read, or a file of weights is damaged.
    """
    shape = shape_of_config(read_model_config(folder))
    has_weights = (folder / "model.safetensors").is_file() or (folder / "model.safetensors.index.json").is_file()
    return shape_of_tensors(read_tensors(folder), shape) if has_weights and weight_files(folder) else shape


def shape_of_tensors(tensors: dict[str, TensorHeader], described: ModelShape) -> ModelShape:
    """The counts of `tensors`, the widths of `described`, which is what config.json says."""
    embedding = head = others = 0
    found: Counter[tuple[str, int, int, bool]] = Counter()
    stored: Counter[str] = Counter()
    for name, tensor in tensors.items():
        begin, end = tensor.data_offsets
        if _STATE.search(name) or _STORED.fullmatch(tensor.dtype):
            stored[_module(name)] += end - begin
        elif _EMBEDDING.search(name):
            embedding += tensor.elements
        elif _HEAD.search(name):
            head += tensor.elements
        elif len(tensor.shape) == 2:
            found[_module(name), tensor.shape[0], tensor.shape[1], bool(_EXPERT.search(name))] += 1
        elif len(tensor.shape) == 3:  # the experts of a layer as one tensor
            found[_module(name), tensor.shape[1], tensor.shape[2], True] += tensor.shape[0]
        else:
            others += tensor.elements
    matrices = [
        Matrix(name, rows, columns, count, is_expert=is_expert)
        for (name, rows, columns, is_expert), count in found.items()
    ]
    # A quantised weight's own shape is that of its packed bytes: config.json says what it stands for.
    known = {matrix.name: matrix for matrix in described.matrices}
    for name, size in stored.items():
        if name in known:
            matrices.append(msgspec.structs.replace(known[name], stored_bytes=size))
        else:
            others += size // 2
    return msgspec.structs.replace(
        described,
        matrices=tuple(matrices),
        embedding=embedding or described.embedding,
        head=head,
        others=others,
        is_exact=True,
    )


def _module(name: str) -> str:
    """The module's own name: `q_proj` of `model.layers.0.self_attn.q_proj.weight.absmax`."""
    parts = _STATE.sub("", name).split(".")
    while len(parts) > 1 and parts[-1] in ("weight", "qweight", "bias"):
        parts.pop()
    return parts[-1]
