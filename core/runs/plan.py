"""What a run will take, before it is started: steps, tokens, and time where an earlier run tells the speed."""

from __future__ import annotations

import math

import msgspec

from core.base.errors import RunError
from core.base.plural import counted
from core.runs.run_folder import RunFolder, list_training_runs
from core.runs.run_summary import last_metrics
from core.runs.spec_sections import RunSpec
from core.runs.watch_run import duration_words

_RUNS_ASKED = 20  # the newest runs that are looked at for a speed


class RunPace(msgspec.Struct, frozen=True):
    """What earlier runs tell about the next one."""

    tokens_per_row: float | None = None
    """Of the newest run on the same data; None where there is none."""
    tokens_per_second: float | None = None
    """Of the newest run of the same model; None where there is none."""
    run: str = ""
    """The id of the run that told the speed."""


def plan_words(spec: RunSpec, rows: int, pace: RunPace) -> str:
    """`378 steps over 504 rows · 69,000 tokens · about 4 min 10 s`; what is not known is left out. rows: those that may
    be trained, before any is kept out."""
    trained = rows - round(rows * spec.validation.share)
    steps = planned_steps(trained, spec)
    parts = [f"{counted(steps, 'step')} over {counted(trained, 'row')}"]
    if pace.tokens_per_row:
        seen = steps * spec.train.batch_size * spec.train.gradient_accumulation
        seen = seen if spec.train.steps else round(trained * spec.train.epochs)
        tokens = seen * min(pace.tokens_per_row, spec.prompt.max_seq_length)
        parts.append(f"about {_rounded(tokens):,} tokens")
        if pace.tokens_per_second:
            parts.append(f"about {duration_words(tokens / pace.tokens_per_second)}")
    return " · ".join(parts)


def planned_steps(rows: int, spec: RunSpec) -> int:
    """Optimizer steps of a run over `rows` training rows: `train.steps`, else as many as its epochs need."""
    train = spec.train
    if train.steps:
        return train.steps
    batches = math.ceil(rows / train.batch_size)
    return max(1, math.ceil(train.epochs * math.ceil(batches / train.gradient_accumulation)))


def read_pace(spec: RunSpec) -> RunPace:
    """The pace of earlier runs like `spec`. Reads the disk."""
    pace = RunPace()
    for run in list_training_runs()[:_RUNS_ASKED]:
        try:
            other = run.spec()
        except RunError:
            continue
        if pace.tokens_per_row is None and other.data.source == spec.data.source:
            pace = msgspec.structs.replace(pace, tokens_per_row=_tokens_per_row(run))
        if pace.tokens_per_second is None and other.model == spec.model and (speed := _speed(run)):
            pace = msgspec.structs.replace(pace, tokens_per_second=speed, run=run.id)
    return pace


def _tokens_per_row(run: RunFolder) -> float | None:
    facts = run.facts()
    tokens, rows = facts.get("tokens_per_epoch"), facts.get("rows_trained")
    return tokens / rows if isinstance(tokens, int) and isinstance(rows, int) and rows else None


def _speed(run: RunFolder) -> float | None:
    try:
        speeds = [metric.tokens_per_second for metric in last_metrics(run) if metric.tokens_per_second]
    except OSError:
        return None
    return sorted(speeds)[len(speeds) // 2] if speeds else None


def _rounded(tokens: float) -> int:
    """To two digits: it is an estimate."""
    digits = max(0, len(str(int(tokens))) - 2)
    return int(round(tokens, -digits))
