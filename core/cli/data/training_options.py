"""Options that describe how rows would be trained: a run's specification, or its settings one by one."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from core.base.errors import RunError, UsageError
from core.data.column_names_file import parse_names
from core.quality.quality_job import QualityOptions
from core.runs.prompt_texts import mixture_text, parse_mixture
from core.runs.spec import load_run_spec

_DEFAULT = QualityOptions()


def add_training_arguments(parser: argparse.ArgumentParser, model_help: str) -> None:
    """model_help: what the command uses a model for."""
    parser.add_argument(
        "--spec", type=Path, metavar="SPEC.toml", help="as this run would train them; the other options override it"
    )
    parser.add_argument("--model", help=model_help)
    parser.add_argument(
        "--max-length", type=int, metavar="N", help=f"tokens a row may have (default {_DEFAULT.max_length})"
    )
    mixture = f"templates and their weights, as prompts list names them (default: {mixture_text(_DEFAULT.mixture)})"
    parser.add_argument("--mixture", metavar="'NAME WEIGHT, ...'", help=mixture)
    parser.add_argument("--seed", type=int, metavar="N", help=f"of the mixture (default {_DEFAULT.seed})")
    drop = "leave out the heading of an empty input, or keep it (default: each template's setting)"
    parser.add_argument("--drop-empty-input", action=argparse.BooleanOptionalAction, help=drop)
    parser.add_argument(
        "--train-flag", metavar="FLAG", help=f"sysflag of the rows that are trained (default {_DEFAULT.train_flag})"
    )


def training_options(arguments: argparse.Namespace) -> QualityOptions:
    """The options from the arguments. Raises UsageError for values that no run can have, RunError for a specification
    that cannot be read."""
    base = QualityOptions.of(load_run_spec(arguments.spec)) if arguments.spec is not None else _DEFAULT
    mixture = base.mixture
    if arguments.mixture is not None:
        try:
            mixture = parse_mixture(arguments.mixture)
        except RunError as error:
            raise UsageError(error.what, "--mixture", error.do) from error
    values = {key: getattr(arguments, key) for key in ("model", "max_length", "seed", "drop_empty_input", "train_flag")}
    overrides = {key: value for key, value in values.items() if value is not None}
    if names := parse_names(arguments.names):
        overrides["names"] = names
    options = msgspec.structs.replace(base, mixture=mixture, **overrides)
    if options.max_length < 1:
        what = f"a maximum of {options.max_length} tokens leaves no row"
        raise UsageError(what, "--max-length", "Give a number above 0")
    return options
