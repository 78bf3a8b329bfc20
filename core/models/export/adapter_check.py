"""Checks that an adapter's folder works in PEFT and vLLM, and says how to load it there. Reads headers, no weights."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.models.export.adapter_weights import ADAPTER_WEIGHTS, check_mergeable, read_adapter_config
from core.models.weights import read_header

VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes for --max-lora-rank."""
_VLLM_MODULES = frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"})
_MERGE = "Export it with `--to merged`, which every server loads"


class AdapterFacts(msgspec.Struct, frozen=True):
    """What a server needs to know about an adapter."""

    rank: int
    """The largest rank of its modules."""
    modules: tuple[str, ...]
    """The names of its modules, without their layers."""
    weights: int
    """Numbers in its factors."""


def check_peft_folder(folder: Path) -> AdapterFacts:
    """Whether PEFT can load the adapter in `folder`. Raises ModelError."""
    config = read_adapter_config(folder)
    path = folder / ADAPTER_WEIGHTS
    if not path.is_file():
        raise ModelError("there is no complete adapter here", str(path), "Name a run that has saved its adapter")
    headers = read_header(path)
    if not headers:
        raise ModelError("the adapter has no weights", str(path), "Name a run that has saved its adapter")
    ranks = [header.shape[0] for name, header in headers.items() if ".lora_A." in name and header.shape]
    modules = {name.partition(".lora_")[0].rpartition(".")[2] for name in headers if ".lora_" in name}
    weights = sum(header.elements for header in headers.values())
    return AdapterFacts(max(ranks, default=int(config.get("r", 0))), tuple(sorted(modules)), weights)


def check_for_vllm(folder: Path) -> AdapterFacts:
    """Whether vLLM can serve the adapter in `folder`. Raises ModelError with what it refuses."""
    facts = check_peft_folder(folder)
    config = read_adapter_config(folder)
    try:
        check_mergeable(config, str(folder))
    except ModelError as error:
        raise ModelError(f"vLLM refuses this adapter: {error.what}", str(folder), _MERGE) from error
    refused = sorted(set(facts.modules) - _VLLM_MODULES)
    if refused:
        what = f"vLLM refuses an adapter on {', '.join(safe_line(name, 40) for name in refused)}"
        raise ModelError(what, str(folder), _MERGE)
    if facts.rank > VLLM_RANKS[-1]:
        what = f"the adapter has rank {facts.rank}, and vLLM serves {VLLM_RANKS[-1]} at most"
        raise ModelError(what, str(folder), _MERGE)
    return facts


def vllm_rank(rank: int) -> int:
    """The least value of --max-lora-rank that serves an adapter of this rank, at most `VLLM_RANKS[-1]`."""
    return next(allowed for allowed in VLLM_RANKS if allowed >= rank)


def vllm_command(base: str, name: str, folder: Path, facts: AdapterFacts) -> str:
    """The line that serves the adapter beside its base model."""
    return shlex.join(
        [
            "vllm",
            "serve",
            base,
            "--enable-lora",
            "--lora-modules",
            f"{name}={folder}",
            "--max-lora-rank",
            str(vllm_rank(facts.rank)),
        ]
    )


def portable_adapter_config(config: Mapping[str, Any], base: str) -> bytes:
    """The adapter's settings for other machines: the base model by its name, in inference mode."""
    made = {**config, "base_model_name_or_path": base, "inference_mode": True}
    return json.dumps(made, indent=2, ensure_ascii=False, sort_keys=True).encode() + b"\n"
