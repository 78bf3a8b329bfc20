"""Refuses a config that cannot belong to its weights before anything is made of it: counts of layers, experts and words
that no file of that size can hold. Arithmetic over config.json and headers, without a heavy library.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.models.weights import TensorHeader

_LAYER_COUNTS = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_decoder_layers", "decoder_layers")
_EXPERT_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts", "num_routed_experts")
_SIZES = (
    *("vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size", "n_embd", "d_model", "n_inner"),
    *("d_ff", "ffn_dim", "head_dim", "num_attention_heads", "num_key_value_heads", "n_head"),
)
_NUMBERED = re.compile(r"(.*?\.)?(\d+)\.")
_SAME_VERSION = "Copy or download the model folder again, config.json and weights of the same version"


def layers_in_file(names: Iterable[str]) -> int:
    """How many numbered layers the tensors `names` are of: one more than the largest number, in the list that has the
    most; 0 where no name has a number."""
    counts: dict[str, int] = {}
    for name in names:
        if match := _NUMBERED.match(name):
            prefix = match[1] or ""
            counts[prefix] = max(counts.get(prefix, 0), int(match[2][:12]) + 1)
    return max(counts.values(), default=0)


def check_config_bounds(config: Mapping[str, Any], tensors: Mapping[str, TensorHeader], folder: Path) -> None:
    """Raise ModelError where `config` (config.json of `folder`) names more than its `tensors` can hold. What passes is
    not proved right, only small enough to be looked at more closely."""
    layers = layers_in_file(tensors)
    # Far beyond, so that no way of sharing layers is refused here; a few missing ones are named by the full comparison.
    most_layers = 4 * layers + 64 if layers else max(64, len(tensors))
    most_experts = max([len(tensors), *(size for tensor in tensors.values() for size in tensor.shape)])
    most_values = 8 * sum(tensor.data_offsets[1] - tensor.data_offsets[0] for tensor in tensors.values())
    for key, value in _whole_numbers(config):
        if key in _LAYER_COUNTS and value > most_layers:
            raise _too_many(key, value, f"its weights have {layers} layers", folder)
        if key in _EXPERT_COUNTS and value > most_experts:
            raise _too_many(key, value, f"its weights have {len(tensors)} tensors", folder)
        if key in _SIZES and value > most_values:
            raise _too_many(key, value, f"all its weights together have {most_values // 8:,} bytes", folder)


def _whole_numbers(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The whole numbers of the config itself and of its text model, by key."""
    parts = [config, config.get("text_config")]
    for part in parts:
        if isinstance(part, Mapping):
            for key, value in part.items():
                if isinstance(value, int) and not isinstance(value, bool):
                    yield key, value


def _too_many(key: str, value: int, has: str, folder: Path) -> ModelError:
    return ModelError(f"config.json says {key} = {value:,}, and {has}", str(folder), _SAME_VERSION)
