"""The complete specification of a training run: `run.toml`. With the same data it reproduces the run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base.errors import RunError, UsageError
from core.base.paths import absolute_name
from core.base.row import COLUMNS, FIELDS, OPTIONAL
from core.data.locate.source_name import resolve_source_name
from core.tokens.loss_mask import LossOn, slot_weights
from core.tokens.truncation import TooLong

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The seven linear layers of a decoder block, by the names that Llama, Qwen and Mistral share."""


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the file. An unknown key is an error: a misspelt setting must not silently keep its default."""


class DataSection(_Section, frozen=True):
    """[data]: the rows of the run."""

    source: str
    """A path, a pattern, a folder, a hub name, or `demo`."""
    split: str = ""
    """The split of a hub name or of a directory that `datasets` saved; empty for its default."""
    train_flag: str = "train"
    """Only rows with this `sysflag` are trained on. Empty: all rows. A source without that column trains on all."""
    columns: dict[str, str] | None = None
    """The source column for each of the six, as `NAME` or `NAME:HOW`; a column that is not listed stays empty. None:
    the mapping that the user saved beside the data, or a guess."""
    names: tuple[str, ...] = ()
    """The columns of a CSV or TSV file that has no header. Empty: those that the user saved beside the data, or the
    header."""


class ModelSection(_Section, frozen=True):
    """[model]: the model to train."""

    name: str
    """A folder, a hub name, or `demo`."""
    load_in_4bit: bool = True
    """Load the base weights in 4 bit. Only CUDA does; elsewhere it has no effect."""
    trust_remote_code: bool = False
    """Run the model author's own code."""


class MixturePart(_Section, frozen=True):
    """One template of the mixture and its weight."""

    template: str
    """The template's name."""
    weight: float = 1.0
    """Its share of the rows, relative to the sum of all weights."""


def mixture_of_two(
    vanilla_share: float, vanilla: str = "alpaca", reasoning: str = "alpaca-reasoning"
) -> tuple[MixturePart, ...]:
    """A mixture of two: `vanilla_share` (0 to 1) of the rows without their reasoning, the others with it."""
    return (
        MixturePart(template=vanilla, weight=vanilla_share),
        MixturePart(template=reasoning, weight=1.0 - vanilla_share),
    )


class PromptSection(_Section, frozen=True):
    """[prompt]: how a row becomes text, which tokens are trained, and what happens to long rows."""

    mixture: tuple[MixturePart, ...] = mixture_of_two(0.15)
    """The templates, drawn for each row by `seed` and the row's identity. A row without reasoning only draws from the
    templates without reasoning."""
    seed: int = 3442
    """Seed of the draw."""
    drop_empty_input: bool | None = None
    """Leave out the input block of a row with an empty input. None: each template's setting."""
    max_seq_length: int = 2048
    """The most tokens of a row, including its end of sequence."""
    too_long: TooLong = "drop"
    """What happens to a longer row: `drop`, `cut_reasoning` (its middle; prompt, answer and end stay) or `cut_end`
    (which teaches the model not to end)."""
    loss_on: LossOn = "completion"
    """Which tokens are trained: `completion`, `all`, `response`, or a weight for each of prompt, reasoning, response
    and end."""

    @property
    def vanilla_share(self) -> float | None:
        """The share of the first of two templates, 0 to 1; None where the mixture does not have two."""
        if len(self.mixture) != 2:
            return None
        total = sum(part.weight for part in self.mixture)
        return self.mixture[0].weight / total if total > 0 else None


class LoraSection(_Section, frozen=True):
    """[lora]: the adapter."""

    r: int = 16
    """Rank of the LoRA matrices."""
    alpha: int = 16
    """The adapter's output is scaled by alpha / r (alpha / sqrt(r) with rsLoRA)."""
    dropout: float = 0.0
    """Dropout on the adapter's input, 0 up to 1."""
    target_modules: tuple[str, ...] = PROJECTIONS
    """Names of the linear layers that get an adapter."""
    bias: Literal["none"] = "none"
    """Only `none`: an adapter that changes biases cannot be switched off again to use the base model."""
    use_rslora: bool = False
    """Rank-stabilised LoRA (arXiv 2312.03732)."""


class TrainSection(_Section, frozen=True):
    """[train]: the optimizer and its steps."""

    steps: int = 0
    """Optimizer steps; 0: as many as `epochs` need."""
    epochs: float = 1.0
    """Passes over the rows, where `steps` is 0."""
    batch_size: int = 2
    """Rows of one forward pass."""
    gradient_accumulation: int = 4
    """Forward passes of one optimizer step."""
    learning_rate: float = 2e-4
    """The peak, reached after `warmup_steps`."""
    warmup_steps: int = 5
    """Optimizer steps until the peak."""
    scheduler: str = "linear"
    """A learning rate schedule of transformers, by name."""
    weight_decay: float = 0.01
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm."""
    optim: str = "auto"
    """An optimizer of transformers, by name; `auto`: 8-bit AdamW on CUDA, AdamW elsewhere."""
    seed: int = 3442
    """Seed of the row order, the first adapter weights and dropout."""
    gradient_checkpointing: bool = True
    """Compute activations again in the backward pass instead of keeping them: less memory, more time."""
    save_steps: int = 0
    """Optimizer steps between checkpoints; 0: only the last one."""


class RunSpec(_Section, frozen=True):
    """The complete specification of a run."""

    data: DataSection
    """[data]"""
    model: ModelSection
    """[model]"""
    prompt: PromptSection = PromptSection()
    """[prompt]"""
    lora: LoraSection = LoraSection()
    """[lora]"""
    train: TrainSection = TrainSection()
    """[train]"""
    name: str = "run"
    """A name for users; part of the run's id."""


def load_run_spec(path: Path) -> RunSpec:
    """The specification in the TOML file `path`. A relative pattern, and a relative `data.source` or `model.name` that
    exists beside the file, are resolved from the file's folder.

    Raises RunError with the file and any wrong key.
    """
    try:
        spec = msgspec.convert(_migrated(msgspec.toml.decode(path.read_bytes())), RunSpec)
    except OSError as error:
        what = f"the run's specification cannot be read ({error.strerror})"
        raise RunError(what, str(path), "Name a TOML file that exists") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        advice = "Fix that key; `python -m core train --example` prints a complete specification"
        raise RunError(f"this is not a valid run specification: {error}", str(path), advice) from error
    check_run_spec(spec, str(path))
    return msgspec.structs.replace(
        spec,
        data=msgspec.structs.replace(spec.data, source=resolve_source_name(spec.data.source, path.parent).address),
        model=msgspec.structs.replace(spec.model, name=absolute_name(spec.model.name, path.parent)),
    )


def _migrated(content: Any) -> Any:
    """The file's content, with the keys `vanilla`, `reasoning` and `vanilla_share` of earlier versions replaced by a
    mixture of two. Raises ValueError."""
    prompt = content.get("prompt") if isinstance(content, dict) else None
    old = {"vanilla": "alpaca", "reasoning": "alpaca-reasoning", "vanilla_share": 0.15}
    if not isinstance(prompt, dict) or old.keys().isdisjoint(prompt):
        return content
    if "mixture" in prompt:
        raise ValueError(
            "prompt.mixture cannot be combined with the old keys prompt.vanilla, prompt.reasoning and "
            "prompt.vanilla_share: keep only prompt.mixture"
        )
    vanilla, reasoning, share = (prompt.get(key, value) for key, value in old.items())
    if not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
        raise ValueError(f"prompt.vanilla_share must be between 0 and 1, not {share!r}")
    mixture = [{"template": vanilla, "weight": float(share)}, {"template": reasoning, "weight": 1.0 - share}]
    other_keys = {key: value for key, value in prompt.items() if key not in old}
    return {**content, "prompt": {"mixture": mixture, **other_keys}}


def dump_run_spec(spec: RunSpec) -> bytes:
    """The specification as TOML. Raises RunError where a name in it cannot be written as UTF-8."""
    try:
        return msgspec.toml.encode(_without_none(msgspec.to_builtins(spec)))
    except UnicodeEncodeError as error:  # a file name's bytes, which Python carries as lone surrogates
        raise RunError("a file name is not UTF-8", repr(error.object), "Rename the file or folder") from error


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """The table without keys whose value is None, because TOML has no null."""
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def check_run_spec(spec: RunSpec, where: str = "") -> None:
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
        if column not in (*FIELDS, "marks"):
            raise RunError(
                f"data.columns.{column} is not one of the columns",
                where,
                f"Name one of {', '.join(FIELDS)}, or marks",
            )
    for column in COLUMNS:
        if column not in OPTIONAL and not columns.get(column):
            raise RunError(
                f"data.columns.{column} must be the name of a column",
                where,
                f"Change data.columns.{column}, or leave data.columns out",
            )
