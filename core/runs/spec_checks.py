"""Checks a specification before anything is started: ranges, names, and settings that contradict each other."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from typing import Any

import msgspec

from core.base.errors import RunError, UsageError
from core.base.plural import counted
from core.base.row import COLUMNS, FIELDS, OPTIONAL
from core.runs.known_names import CUDA_OPTIMIZERS, OPTIMIZERS, SCHEDULERS, did_you_mean
from core.runs.spec_sections import RunSpec, SamplesSection
from core.tokens.loss_mask import slot_weights

MOST_QUESTIONS = 100
"""Probe questions that a run is asked at most."""
_MOST = 10**12  # above any number of steps, rows or tokens that can be meant


def check_run_spec(spec: RunSpec, where: str = "") -> None:
    """Raises RunError for the first setting outside its range, unknown by name, or at odds with another."""
    for holds, key, rule in _ranges(spec):
        if not holds:
            raise RunError(f"{key} must be {rule}", where, f"Change {key}")
    try:
        slot_weights(spec.prompt.loss_on)
    except UsageError as error:
        raise RunError(f"prompt.{error.where}: {error.what}", where, error.do) from error
    if spec.data.columns is not None:
        _check_columns(spec.data.columns, where)
    _check_names(spec, where)
    if spec.train.steps:
        check_warmup(spec, spec.train.steps, where)


def check_warmup(spec: RunSpec, steps: int, where: str = "") -> None:
    """Raises RunError where the warm-up is longer than the run of `steps` optimizer steps: it would end before it has
    reached its learning rate."""
    warmup = spec.train.warmup_steps
    if warmup > steps:
        what = f"train.warmup_steps must be at most the run's {counted(steps, 'step')}, not {warmup}"
        raise RunError(what, where, f"Set train.warmup_steps to {steps // 10} or so, or train longer")


def check_for_device(spec: RunSpec, has_cuda: bool, where: str = "") -> list[str]:
    """What of the specification does nothing on this device, as clauses for the user. Raises RunError for what cannot
    work there."""
    train = spec.train
    if has_cuda:
        return [f"train.threads = {train.threads} does nothing with CUDA"] if train.threads else []
    if train.optim in CUDA_OPTIMIZERS:
        what = f"train.optim = {train.optim} needs CUDA, which is not there"
        raise RunError(what, where, "Set train.optim to auto, which takes AdamW here")
    if train.dtype == "float16":
        raise RunError(
            "train.dtype = float16 needs CUDA, which is not there", where, "Set train.dtype to auto, or to float32"
        )
    return ["model.load_in_4bit does nothing without CUDA"] if spec.model.load_in_4bit else []


def _ranges(spec: RunSpec) -> Iterator[tuple[bool, str, str]]:
    """Whether each rule holds, the key that it is about, and the rule in words."""
    yield from _finite_numbers(spec)
    yield from _sample_rules(spec.samples)
    data, prompt, lora, train, validation = spec.data, spec.prompt, spec.lora, spec.train, spec.validation
    weights = [part.weight for part in prompt.mixture]
    names = [part.template for part in prompt.mixture]
    yield bool(data.source.strip()), "data.source", "a path or a hub name"
    yield bool(spec.model.name.strip()), "model.name", "a folder, a hub name, or demo"
    yield len(names) > 0, "prompt.mixture", "at least one template"
    yield all(name.strip() for name in names), "prompt.mixture.template", "the name of a template"
    yield len(set(names)) == len(names), "prompt.mixture", "different templates"
    yield all(0.0 <= weight < math.inf for weight in weights), "prompt.mixture.weight", "above 0"
    yield any(weight > 0.0 for weight in weights), "prompt.mixture.weight", "above 0 for at least one template"
    yield prompt.max_seq_length >= 16, "prompt.max_seq_length", "at least 16 tokens"
    yield 0 <= prompt.seed < 2**32, "prompt.seed", "from 0 to 4294967295"
    yield lora.r >= 1, "lora.r", "at least 1"
    yield lora.alpha >= 1, "lora.alpha", "at least 1"
    yield 0.0 <= lora.dropout < 1.0, "lora.dropout", "from 0 up to, not including, 1"
    yield len(lora.target_modules) > 0, "lora.target_modules", "at least one module"
    yield train.steps >= 0, "train.steps", "0 or more"
    yield train.steps > 0 or train.epochs > 0, "train.epochs", "above 0 where train.steps is 0"
    yield train.epochs >= 0, "train.epochs", "0 or more"
    yield train.batch_size >= 1, "train.batch_size", "at least 1"
    yield train.gradient_accumulation >= 1, "train.gradient_accumulation", "at least 1"
    yield 0.0 < train.learning_rate < 1.0, "train.learning_rate", "between 0 and 1"
    yield train.warmup_steps >= 0, "train.warmup_steps", "0 or more"
    yield 0.0 <= train.weight_decay < 1.0, "train.weight_decay", "from 0 up to, not including, 1"
    yield train.max_grad_norm >= 0.0, "train.max_grad_norm", "0 (no clipping) or more"
    yield train.save_steps >= 0, "train.save_steps", "0 or more"
    yield train.keep_checkpoints >= 0, "train.keep_checkpoints", "0 (all) or more"
    yield 0 <= train.threads <= 1024, "train.threads", "from 0 to 1024"
    yield 0 <= train.seed < 2**32, "train.seed", "from 0 to 4294967295"
    yield 0.0 <= validation.share <= 0.5, "validation.share", "from 0 to 0.5"
    yield 0 <= validation.seed < 2**32, "validation.seed", "from 0 to 4294967295"
    yield validation.steps >= 0, "validation.steps", "0 or more"
    yield validation.patience >= 0, "validation.patience", "0 (never) or more"
    has_share = validation.share > 0
    yield has_share or not validation.steps, "validation.share", "above 0 where validation.steps is"
    yield has_share or not validation.use_best, "validation.share", "above 0 where validation.use_best is true"
    yield not validation.patience or validation.steps > 0, "validation.steps", "above 0 where validation.patience is"


def _sample_rules(samples: SamplesSection) -> Iterator[tuple[bool, str, str]]:
    asked = samples.questions
    yield samples.steps >= 0, "samples.steps", "0 (only where asked) or more"
    yield 1 <= samples.max_tokens <= 32768, "samples.max_tokens", "from 1 to 32768"
    if isinstance(asked, int):
        yield 1 <= asked <= MOST_QUESTIONS, "samples.questions", f"from 1 to {MOST_QUESTIONS}, or a list"
        return
    yield 1 <= len(asked) <= MOST_QUESTIONS, "samples.questions", f"a list of 1 to {MOST_QUESTIONS} questions"
    yield len(set(asked)) == len(asked), "samples.questions", "different questions"
    for question in asked:
        is_row = isinstance(question, int)
        holds = 0 <= question < _MOST if isinstance(question, int) else bool(question.strip())
        yield holds, "samples.questions", "row numbers from 0" if is_row else "questions that are not empty"


def _finite_numbers(spec: RunSpec) -> Iterator[tuple[bool, str, str]]:
    for section in ("prompt", "lora", "train", "validation", "samples"):
        for name, value in msgspec.structs.asdict(getattr(spec, section)).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield math.isfinite(value) and abs(value) < _MOST, f"{section}.{name}", "a number that can be meant"


def _check_names(spec: RunSpec, where: str) -> None:
    train = spec.train
    tables: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        ("train.scheduler", train.scheduler, SCHEDULERS),
        ("train.optim", train.optim, (*OPTIMIZERS, *CUDA_OPTIMIZERS)),
    )
    for key, name, known in tables:
        if name not in known:
            raise RunError(f"{key} is not a name that is known: {name!r}", where, did_you_mean(name, known))
    if len(set(train.report_to)) != len(train.report_to):
        raise RunError("train.report_to must be different programs", where, "Change train.report_to")
    for program in train.report_to:
        if importlib.util.find_spec(program) is None:
            what = f"train.report_to names {program}, which is not installed"
            raise RunError(what, where, f"Install it with `pip install {program}`, or take it out")


def _check_columns(columns: dict[str, str], where: str) -> None:
    for column in columns:
        if column not in (*FIELDS, "marks"):
            what = f"data.columns.{column} is not one of the columns"
            raise RunError(what, where, f"Name one of {', '.join(FIELDS)}, or marks")
    for column in COLUMNS:
        if column not in OPTIONAL and not columns.get(column):
            raise RunError(
                f"data.columns.{column} must be the name of a column",
                where,
                f"Change data.columns.{column}, or leave data.columns out",
            )


def check_keys(table: Any, struct: type[msgspec.Struct], where: str, path: str = "") -> None:
    """Raises RunError for the first key of `table` that is no setting, with the nearest one, at any depth."""
    if not isinstance(table, dict):
        return  # its type is judged elsewhere
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in table.items():
        if key not in fields:
            nearest = did_you_mean(key, fields)
            raise RunError(f"{path}{key} is not a setting", where, nearest)
        section = fields[key]
        if isinstance(section, type) and issubclass(section, msgspec.Struct):
            check_keys(value, section, where, f"{path}{key}.")
