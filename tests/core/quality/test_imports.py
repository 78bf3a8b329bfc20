"""What the terminal imports of this room imports nothing heavy."""

from __future__ import annotations

import subprocess
import sys

from core.base.child import environment

HEAVY = (
    "torch",
    "transformers",
    "datasets",
    "trl",
    "peft",
    "unsloth",
    "numpy",
    "pyarrow",
    "duckdb",
    "tokenizers",
    "ftfy",
    "rensa",
    "py3langid",
    "huggingface_hub",
)
LIGHT = ("core.quality.quality_job", "core.quality.fixes", "core.quality.registry")


def test_the_light_half_is_light() -> None:
    code = f"import sys, {', '.join(LIGHT)}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
