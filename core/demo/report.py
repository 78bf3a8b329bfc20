"""The figures that `python -m core demo --report` prints, made of a run's metrics and two evaluations."""

from __future__ import annotations

from typing import Any

import msgspec

from core.base.cpu_cores import available_cores
from core.export.export_result import ExportResult
from core.lab.evaluation import EvaluationReport
from core.models.embedded_model import DEMO_MODEL, REQUIREMENT
from core.runs.metrics_file import StepMetric
from core.runs.status_file import RunStatus

LOGGED = 5  # steps over which the first and the last loss are averaged


class BeforeAfter(msgspec.Struct, frozen=True):
    """A share of the questions, 0 to 1, before and after training."""

    before: float | None
    """The base model's share."""
    after: float | None
    """The tuned model's share."""


class DemoFigures(msgspec.Struct, frozen=True):
    """The demo's figures."""

    model: str
    """The embedded model and the package it comes from."""
    backend: str
    """The library that trained, and why."""
    cores: int
    """CPU cores this process may use."""
    steps: int
    """Optimizer steps of the run."""
    loss_first: float | None
    """Mean loss of the first five steps, in nats."""
    loss_last: float | None
    """Mean loss of the last five steps, in nats."""
    loss_ratio: float | None
    """The last over the first."""
    questions: int
    """Held-out questions asked."""
    share_both_sections: BeforeAfter
    """Answers with reasoning and response, in this order."""
    exact_match: BeforeAfter
    """Answers whose response is the row's output."""
    seconds: dict[str, float]
    """Wall time of each part."""
    export: ExportResult
    """The tuned model as a GGUF file, and how its answers agree with the run's."""
    evaluation: dict[str, dict[str, Any]]
    """The counts behind the shares, before and after."""
    answers: dict[str, list[dict[str, Any]]]
    """Every answer, before and after."""

    @classmethod
    def of(
        cls,
        status: RunStatus,
        metrics: list[StepMetric],
        before: EvaluationReport,
        after: EvaluationReport,
        seconds: dict[str, float],
        export: ExportResult,
    ) -> DemoFigures:
        losses = [metric.loss for metric in metrics if metric.loss is not None]
        first, last = _mean(losses[:LOGGED]), _mean(losses[-LOGGED:])
        counted = {"before": before.summary(), "after": after.summary()}
        return cls(
            model=f"{DEMO_MODEL} (SmolLM2-135M-Instruct, of {REQUIREMENT})",
            backend=status.backend,
            cores=available_cores(),
            steps=status.step,
            loss_first=first,
            loss_last=last,
            loss_ratio=last / first if first and last is not None else None,
            questions=len(after.answers),
            share_both_sections=BeforeAfter(
                counted["before"]["share_both_sections"], counted["after"]["share_both_sections"]
            ),
            exact_match=BeforeAfter(counted["before"]["exact_match"], counted["after"]["exact_match"]),
            seconds={part: round(taken, 1) for part, taken in seconds.items()},
            export=export,
            evaluation=counted,
            answers={"before": msgspec.to_builtins(before.answers), "after": msgspec.to_builtins(after.answers)},
        )


def figures_table(figures: DemoFigures) -> list[str]:
    """The figures as lines of text."""
    both, exact = figures.share_both_sections, figures.exact_match
    loss = ("-" if value is None else f"{value:.3f}" for value in (figures.loss_first, figures.loss_last))
    rows = [
        ("", "before", "after"),
        (f"loss (first and last {LOGGED} steps)", *loss),
        (f"both sections in order, of {figures.questions}", _percent(both.before), _percent(both.after)),
        (f"exact match, of {figures.questions}", _percent(exact.before), _percent(exact.after)),
    ]
    lines = [f"{label:<34}{before:>8}{after:>8}" for label, before, after in rows]
    lines.append(f"{figures.model}; {figures.backend}; {figures.cores} cores; {figures.steps} steps")
    lines.append(f"as GGUF ({figures.export.type}): {figures.export.words}")
    lines.append("seconds: " + ", ".join(f"{part} {taken:.0f}" for part, taken in figures.seconds.items()))
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
