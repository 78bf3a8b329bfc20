"""Asks the demo's held-out questions before and after training, as a child process: `python -m core.demo.measure
ADAPTER`.

Before is the base model: the same weights with the adapter switched off. It prints JSON lines on standard output:
`{"says"}` and `{"part", "done", "total"}` while it goes, and last a `Measured`. On its own so that the process that
tells the story stays light, and its memory is given back.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import SuironError
from core.demo.make_rows import demo_rows
from core.lab.evaluation import Report, evaluate
from core.models.embedded_model import DEMO
from core.templates.by_name import get_template

QUESTIONS = 40
MAX_TOKENS = 160  # more than twice the longest held-out row (70 tokens): a longer answer will not arrive any more
TEMPLATE = "alpaca-reasoning"


class Measured(msgspec.Struct, frozen=True):
    """The two evaluations."""

    before: Report
    """Of the base model."""
    after: Report
    """Of the tuned model."""
    backend: str
    """Which library answered, and why."""
    load_seconds: float
    """Time to load the model and the adapter."""


def measure(adapter: Path, questions: int = QUESTIONS) -> Measured:
    """Loads the demo model with the LoRA adapter in the folder `adapter`. Raises ModelError."""
    from core.models.loading import load_for_inference

    started = time.perf_counter()
    loaded = load_for_inference(DEMO, adapter, progress=lambda words: _print({"says": words}))
    load_seconds = time.perf_counter() - started
    rows, template = demo_rows("test")[:questions], get_template(TEMPLATE)

    def ask(part: str) -> Report:
        def progress(done: int, total: int) -> None:
            _print({"part": part, "done": done, "total": total})

        return evaluate(
            loaded.model,
            loaded.tokenizer,
            rows,
            template,
            max_tokens=MAX_TOKENS,
            batch_size=questions,
            progress=progress,
        )

    with loaded.model.disable_adapter():
        before = ask("before")
    return Measured(before, ask("after"), loaded.backend.line, round(load_seconds, 2))


def _print(value: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(value) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    words = argparse.ArgumentParser("python -m core.demo.measure", description=__doc__)
    words.add_argument("adapter", type=Path)
    words.add_argument("--questions", type=int, default=QUESTIONS)
    asked = words.parse_args()
    # Before torch is loaded: spinning threads starve each other where cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        _print(measure(asked.adapter, asked.questions))
    except SuironError as error:
        _print({"error": [error.what, error.where, error.do]})
        sys.exit(error.exit_code)
