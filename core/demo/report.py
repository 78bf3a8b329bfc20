"""The demo's figures: what `python -m core demo --report` prints.

Knows how they are made of a run's metrics and two evaluations; measures nothing itself.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec

from core.lab.evaluation import Report
from core.models.embedded_model import DEMO, REQUIREMENT
from core.runs.folder import Metric, Status

LOGGED = 5  # steps whose mean loss stands for the beginning, and for the end


class BeforeAfter(msgspec.Struct, frozen=True):
    before: float | None
    after: float | None


class Figures(msgspec.Struct, frozen=True):
    """loss_first, loss_last: the mean loss of the first and last five logged steps. Shares are of `questions`, 0 to 1.

    seconds: of each part, wall clock. evaluation: the counts behind the shares; answers: every one, so that each figure
    can be looked into.
    """

    model: str
    backend: str
    cores: int
    steps: int
    loss_first: float | None
    loss_last: float | None
    loss_ratio: float | None
    questions: int
    share_both_sections: BeforeAfter
    exact_match: BeforeAfter
    seconds: dict[str, float]
    evaluation: dict[str, dict[str, Any]]
    answers: dict[str, list[dict[str, Any]]]

    @classmethod
    def of(
        cls, status: Status, metrics: list[Metric], before: Report, after: Report, seconds: dict[str, float]
    ) -> Figures:
        losses = [metric.loss for metric in metrics if metric.loss is not None]
        first, last = _mean(losses[:LOGGED]), _mean(losses[-LOGGED:])
        counted = {"before": before.summary(), "after": after.summary()}
        return cls(
            model=f"{DEMO} (SmolLM2-135M-Instruct, of {REQUIREMENT})",
            backend=status.backend,
            cores=cores(),
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
            evaluation=counted,
            answers={"before": msgspec.to_builtins(before.answers), "after": msgspec.to_builtins(after.answers)},
        )


def cores() -> int:
    """The cores this process may use, which a container may have made fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def table(figures: Figures) -> list[str]:
    """The figures for people, as lines."""
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
    lines.append("seconds: " + ", ".join(f"{part} {taken:.0f}" for part, taken in figures.seconds.items()))
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
