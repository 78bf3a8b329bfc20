"""Asks the demo's held-out questions before and after training: a child process of `story`.

Before is the base model: the same weights with the adapter switched off. It is a separate process, so that the process
of the demo stays light and the model's memory is free again.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from core.base.child_main import ReportProgress, answer_parent
from core.demo.make_rows import demo_rows
from core.lab.evaluation import EvaluationReport, evaluate_rows
from core.models.embedded_model import DEMO_MODEL
from core.runs.tuned_models import run_trained_base
from core.templates.by_name import get_template

QUESTIONS = 40
MAX_TOKENS = 160  # more than twice the longest held-out row (70 tokens): a longer answer would never finish
TEMPLATE = "alpaca-reasoning"


class DemoEvaluation(msgspec.Struct, frozen=True):
    """The two evaluations."""

    before: EvaluationReport
    """The base model's."""
    after: EvaluationReport
    """The tuned model's."""
    backend: str
    """The library that answered, and why."""
    load_seconds: float
    """Time to load the model and the adapter."""


def measure_adapter(adapter: Path, report_progress: ReportProgress, questions: int = QUESTIONS) -> DemoEvaluation:
    """Load the demo model with the LoRA adapter in the folder `adapter` and ask both. Raises ModelError."""
    from core.models.loading import load_for_inference

    started = time.perf_counter()
    loaded = load_for_inference(
        DEMO_MODEL,
        adapter,
        trained_on=run_trained_base(adapter),
        progress=lambda words: report_progress(words, 0, 0),
    )
    load_seconds = time.perf_counter() - started
    rows, template = demo_rows("test")[:questions], get_template(TEMPLATE)

    def ask(part: str) -> EvaluationReport:
        def progress(done: int, total: int) -> None:
            report_progress(part, done, total)

        return evaluate_rows(
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
    return DemoEvaluation(before, ask("after"), loaded.backend.line, round(load_seconds, 2))


def measure_for_parent(request: dict[str, str], report_progress: ReportProgress) -> Any:
    """The `DemoEvaluation` of the adapter in the folder `request["adapter"]`, as JSON. Raises ModelError."""
    return msgspec.to_builtins(measure_adapter(Path(request["adapter"]), report_progress))


if __name__ == "__main__":
    answer_parent(measure_for_parent)
