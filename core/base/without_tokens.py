"""Removes access tokens from text that is kept: logs and consoles, where errors of libraries may quote them."""

from __future__ import annotations

import os
import re

_VARIABLES = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HUGGINGFACE_HUB_TOKEN",
    "WANDB_API_KEY",
    "OPENAI_API_KEY",
    "SUIRON_API_KEY",
)
_SHORTEST = 8  # characters of a variable's value that is taken for a token
_PATTERN = re.compile(
    r"\b(?P<kind>hf_|api_org_|sk-)[A-Za-z0-9_-]{8,}"  # as the hub and OpenAI write them
    r"|(?P<header>\bbearer\s+)[^\s'\",;)]+",
    re.IGNORECASE,
)


def without_tokens(text: str) -> str:
    """`text` with `...` in place of every token of the hub, every bearer token, and the values of the variables that
    hold one."""
    for variable in _VARIABLES:
        value = os.environ.get(variable, "")
        if len(value) >= _SHORTEST:
            text = text.replace(value, "...")
    return _PATTERN.sub(lambda match: f"{match['kind'] or match['header']}...", text)
