"""The whole specification of a training run: `run.toml`. With the same data it reproduces the run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base.errors import RunError, UsageError
from core.base.row import COLUMNS, OPTIONAL
from core.tokens.loss_mask import Loss, slot_weights
from core.tokens.truncation import TooLong

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file; a key it does not know is an error, so that a misspelt setting is never silently a
    default."""


class DataSection(_Section, frozen=True):
    """source: a path or hub name; split: of a hub name or saved directory; train_flag: only rows whose `sysflag` is
    this are trained on, empty for all (a source without the column trains on all). columns: which of the source's
    columns each of the six is taken from, as `NAME` or `NAME:HOW`, left empty where it is not named; without the table
    as the person saved it, or as guessed."""

    source: str
    split: str = ""
    train_flag: str = "train"
    columns: dict[str, str] | None = None


class ModelSection(_Section, frozen=True):
    """name: a folder, a hub name, or `demo`. load_in_4bit holds on CUDA alone. trust_remote_code runs the model
    author's own code."""

    name: str
    load_in_4bit: bool = True
    trust_remote_code: bool = False


class MixturePart(_Section, frozen=True):
    """template: its name; weight: its share of the rows, after division by the sum of all weights."""

    template: str
    weight: float = 1.0


def two_templates(
    vanilla_share: float, vanilla: str = "alpaca", reasoning: str = "alpaca-reasoning"
) -> tuple[MixturePart, ...]:
    """`vanilla_share` (0 to 1) of the rows without their reasoning, the others with it."""
    return (
        MixturePart(template=vanilla, weight=vanilla_share),
        MixturePart(template=reasoning, weight=1.0 - vanilla_share),
    )


class PromptSection(_Section, frozen=True):
    """mixture: the templates that the rows are trained with, drawn by `seed` and each row's identity; a row without
    reasoning takes one of those that ask for none. drop_empty_input: as the templates say, where it is not given.
    loss_on: `completion`, `all`, `response`, or a weight for each of prompt, reasoning, response and end. too_long:
    what happens to a row of more than max_seq_length tokens: `drop`, `cut_reasoning` (its middle; prompt, answer and
    end stay) or `cut_end` (which teaches a model not to end)."""

    mixture: tuple[MixturePart, ...] = two_templates(0.15)
    seed: int = 3442
    drop_empty_input: bool | None = None
    max_seq_length: int = 2048
    too_long: TooLong = "drop"
    loss_on: Loss = "completion"

    @property
    def vanilla_share(self) -> float | None:
        """The share of the first of two templates; None where the mixture has not two."""
        if len(self.mixture) != 2:
            return None
        total = sum(part.weight for part in self.mixture)
        return self.mixture[0].weight / total if total > 0 else None


class LoraSection(_Section, frozen=True):
    """bias: `none` alone, because an adapter that changes biases cannot be taken off again to ask the base model
    beneath it."""

    r: int = 16
    alpha: int = 16
    dropout: float = 0.0
    target_modules: tuple[str, ...] = PROJECTIONS
    bias: Literal["none"] = "none"
    use_rslora: bool = False


class TrainSection(_Section, frozen=True):
    """steps: optimizer steps; 0 means `epochs` passes over the data instead. learning_rate is the peak, after
    `warmup_steps`. save_steps: a checkpoint every so many steps, 0 for none but the last. optim: a name of
    transformers; `auto` picks 8-bit AdamW on CUDA."""

    steps: int = 0
    epochs: float = 1.0
    batch_size: int = 2
    gradient_accumulation: int = 4
    learning_rate: float = 2e-4
    warmup_steps: int = 5
    scheduler: str = "linear"
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    optim: str = "auto"
    seed: int = 3442
    gradient_checkpointing: bool = True
    save_steps: int = 0


class RunSpec(_Section, frozen=True):
    """What a run does, whole. `name` is a word for people and part of the run's id."""

    data: DataSection
    model: ModelSection
    prompt: PromptSection = PromptSection()
    lora: LoraSection = LoraSection()
    train: TrainSection = TrainSection()
    name: str = "run"


def load_spec(path: Path) -> RunSpec:
    """The specification in the TOML file `path`. A relative `data.source` or `model.name` that exists beside the file
    is taken from there.

    Raises RunError naming the file and, where one is wrong, the key.
    """
    try:
        spec = msgspec.convert(_migrated(msgspec.toml.decode(path.read_bytes())), RunSpec)
    except OSError as error:
        raise RunError(
            f"the run's specification cannot be read ({error.strerror})", str(path), "Name a TOML file that exists"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise RunError(
            f"this is no run specification: {error}",
            str(path),
            "Mend the key it names; `python -m core train --example` prints a whole one",
        ) from error
    check(spec, str(path))
    return msgspec.structs.replace(
        spec,
        data=msgspec.structs.replace(spec.data, source=_beside(path, spec.data.source)),
        model=msgspec.structs.replace(spec.model, name=_beside(path, spec.model.name)),
    )


def _migrated(content: Any) -> Any:
    """The file's content with the keys `vanilla`, `reasoning` and `vanilla_share` of earlier versions as a mixture of
    two. Raises ValueError."""
    prompt = content.get("prompt") if isinstance(content, dict) else None
    old = {"vanilla": "alpaca", "reasoning": "alpaca-reasoning", "vanilla_share": 0.15}
    if not isinstance(prompt, dict) or old.keys().isdisjoint(prompt):
        return content
    if "mixture" in prompt:
        raise ValueError(
            "prompt.mixture stands beside prompt.vanilla, prompt.reasoning or prompt.vanilla_share, its old words: keep it alone"
        )
    vanilla, reasoning, share = (prompt.get(key, value) for key, value in old.items())
    if not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
        raise ValueError(f"prompt.vanilla_share must be between 0 and 1, not {share!r}")
    mixture = [{"template": vanilla, "weight": float(share)}, {"template": reasoning, "weight": 1.0 - share}]
    return {
        **content,
        "prompt": {"mixture": mixture, **{key: value for key, value in prompt.items() if key not in old}},
    }


def _beside(path: Path, name: str) -> str:
    found = path.parent / name
    try:
        return str(found.absolute()) if found.exists() else name
    except (
        OSError,
        ValueError,
    ):  # too long for a file's name, or in a folder that may not be looked into: whoever opens it says so
        return name


def dump_spec(spec: RunSpec) -> bytes:
    """Raises RunError where a name in it cannot be written as UTF-8."""
    try:
        return msgspec.toml.encode(_without_none(msgspec.to_builtins(spec)))
    except UnicodeEncodeError as error:  # bytes of a file's name, which Python carries as lone surrogates
        raise RunError("a file's name is no UTF-8", repr(error.object), "Rename the file or folder") from error


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """TOML has no null: what is not given is left out."""
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def check(spec: RunSpec, where: str = "") -> None:
    """Raises RunError for the first setting outside its range."""
    train, prompt, lora = spec.train, spec.prompt, spec.lora
    for holds, key, rule in (
        (bool(spec.data.source.strip()), "data.source", "a path or a hub name"),
        (bool(spec.model.name.strip()), "model.name", "a folder, a hub name, or demo"),
        (len(prompt.mixture) > 0, "prompt.mixture", "at least one template"),
        (all(part.template.strip() for part in prompt.mixture), "prompt.mixture.template", "the name of a template"),
        (
            len({part.template for part in prompt.mixture}) == len(prompt.mixture),
            "prompt.mixture",
            "different templates",
        ),
        (all(0.0 <= part.weight < math.inf for part in prompt.mixture), "prompt.mixture.weight", "above 0"),
        (
            any(part.weight > 0.0 for part in prompt.mixture),
            "prompt.mixture.weight",
            "above 0 for at least one template",
        ),
        (prompt.max_seq_length >= 16, "prompt.max_seq_length", "at least 16 tokens"),
        (lora.r >= 1, "lora.r", "at least 1"),
        (lora.alpha >= 1, "lora.alpha", "at least 1"),
        (0.0 <= lora.dropout < 1.0, "lora.dropout", "from 0 up to, not including, 1"),
        (len(lora.target_modules) > 0, "lora.target_modules", "at least one module"),
        (train.steps >= 0, "train.steps", "0 or more"),
        (train.steps > 0 or train.epochs > 0, "train.epochs", "above 0 where train.steps is 0"),
        (train.batch_size >= 1, "train.batch_size", "at least 1"),
        (train.gradient_accumulation >= 1, "train.gradient_accumulation", "at least 1"),
        (0.0 < train.learning_rate < 1.0, "train.learning_rate", "between 0 and 1"),
        (train.warmup_steps >= 0, "train.warmup_steps", "0 or more"),
        (train.save_steps >= 0, "train.save_steps", "0 or more"),
        (0 <= train.seed < 2**32, "train.seed", "from 0 to 4294967295"),
        (0 <= prompt.seed < 2**32, "prompt.seed", "from 0 to 4294967295"),
    ):
        if not holds:
            raise RunError(f"{key} must be {rule}", where, f"Change {key}")
    try:
        slot_weights(prompt.loss_on)
    except UsageError as error:
        raise RunError(f"prompt.{error.where}: {error.what}", where, error.do) from error
    if spec.data.columns is not None:
        _check_columns(spec.data.columns, where)


def _check_columns(columns: dict[str, str], where: str) -> None:
    for column in columns:
        if column not in COLUMNS:
            raise RunError(
                f"data.columns.{column} is none of the six columns", where, f"Name one of {', '.join(COLUMNS)}"
            )
    for column in COLUMNS:
        if column not in OPTIONAL and not columns.get(column):
            raise RunError(
                f"data.columns.{column} must be the name of a column",
                where,
                f"Change data.columns.{column}, or leave data.columns out",
            )
