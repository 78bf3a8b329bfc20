"""All settings of run.toml as data: key, kind, choices and help of each, and their values as texts and back.

The help is the docstring of the field in `spec_sections`, so that a setting is described at one address. Pure; knows
nothing of screens.
"""

from __future__ import annotations

import ast
import functools
import json
import math
import types
import typing
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base.errors import RunError
from core.runs import spec_sections
from core.runs.known_names import CUDA_OPTIMIZERS, OPTIMIZERS, SCHEDULERS
from core.runs.prompt_texts import LOSS_NAMES, PROMPT_KEYS, loss_text, mixture_text, with_prompt_texts
from core.runs.spec_sections import RunSpec

FieldKind = Literal["whole", "number", "switch", "choice", "names", "columns", "prompt", "questions", "text"]
SECTIONS = ("data", "model", "prompt", "lora", "train", "validation", "samples")
SESSION_KEYS = ("data.source", "data.split", "data.columns", "data.names", "model.name")
"""Settings that are chosen where data and model are, not typed into the form of a run."""
BASIC_KEYS = frozenset(
    {
        "name",
        *SESSION_KEYS[:1],
        "model.name",
        "model.load_in_4bit",
        "prompt.mixture",
        "prompt.max_seq_length",
        "prompt.loss_on",
        "prompt.too_long",
        "lora.r",
        "lora.alpha",
        "lora.dropout",
        "lora.init_from",
        "train.steps",
        "train.epochs",
        "train.batch_size",
        "train.gradient_accumulation",
        "train.learning_rate",
        "train.warmup_steps",
        "train.scheduler",
        "train.seed",
        "train.save_steps",
        "validation.share",
        "validation.steps",
        "samples.steps",
        "train.on_end",
    }
)
"""Settings that a form shows before the others are unfolded."""
_REPORT_KEYS = ("train.report_to", "train.on_end")
_KNOWN_NAMES = {"train.scheduler": SCHEDULERS, "train.optim": (*OPTIMIZERS, *CUDA_OPTIMIZERS)}


class SpecField(msgspec.Struct, frozen=True):
    """One setting of run.toml."""

    key: str
    """`section.name`, or `name`."""
    group: str
    """The heading it belongs under: a section, `run`, or `report`."""
    kind: FieldKind
    """How its text is read."""
    choices: tuple[str, ...]
    """The texts it may have, where they are few; empty otherwise."""
    help: str
    """What it is, in one or two sentences, with its unit."""
    advanced: bool
    """Whether a form folds it away at first."""

    @property
    def name(self) -> str:
        """Its name within its section."""
        return self.key.rpartition(".")[2]


@functools.cache
def spec_fields() -> tuple[SpecField, ...]:
    """All settings, in the order of the file, those of one group together."""
    fields = [_field("", RunSpec, "name")]
    for section in SECTIONS:
        struct = typing.get_type_hints(RunSpec)[section]
        fields += [_field(section, struct, name) for name in struct.__struct_fields__]
    ends = [field for field in fields if field.group == "report"]
    return (*(field for field in fields if field.group != "report"), *ends)


@functools.cache
def field_of(key: str) -> SpecField:
    """Raises KeyError for a key that is no setting."""
    return {field.key: field for field in spec_fields()}[key]


def value_text(value: Any) -> str:
    """A value of a specification as a person types it; empty for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={column}" for name, column in value.items())
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    return str(value)


def setting_values(spec: RunSpec) -> dict[str, str]:
    """Every setting of the specification as a text, by key, in the order of the file."""
    texts = {}
    for field in spec_fields():
        section, _, name = field.key.rpartition(".")
        value = getattr(getattr(spec, section) if section else spec, name)
        if field.key == "prompt.mixture":
            texts[field.key] = mixture_text(value)
        elif field.key == "prompt.loss_on":
            texts[field.key] = loss_text(value)
        elif field.kind == "questions":
            texts[field.key] = _questions_text(value)
        else:
            texts[field.key] = value_text(value)
    return texts


def with_setting_values(spec: RunSpec, texts: typing.Mapping[str, str]) -> RunSpec:
    """`spec` with the settings in `texts`, by key; keys that are no setting are ignored. Ranges are not checked.

    Raises RunError for the first text that cannot be read, with the key as its `where`.
    """
    changes: dict[str, dict[str, Any]] = {}
    for key, text in texts.items():
        if key in PROMPT_KEYS:
            spec = with_prompt_texts(spec, {key: text})
            continue
        try:
            field = field_of(key)
        except KeyError:
            continue
        section, _, name = key.rpartition(".")
        changes.setdefault(section, {})[name] = parse_value(field, text)
    own = changes.pop("", {})
    sections = {
        section: msgspec.structs.replace(getattr(spec, section), **values) for section, values in changes.items()
    }
    return msgspec.structs.replace(spec, **own, **sections)


def parse_value(field: SpecField, text: str) -> Any:
    """The value that `text` says, by the kind of the field. Raises RunError with the key as its `where`."""
    text = text.strip()
    if field.kind in ("whole", "number"):
        return _number(field, text)
    if field.kind == "switch":
        return _switch(field, text)
    if field.kind == "names":
        words = tuple(word for word in (word.strip() for word in text.split(",")) if word)
        if field.choices and not set(words) <= set(field.choices):
            raise RunError(f"{field.key} must be of {', '.join(field.choices)}", field.key, f"Change {field.key}")
        return words
    if field.kind == "questions":
        return _questions(field, text)
    if field.kind == "columns":
        return dict(_pair(field, word) for word in text.split(",") if word.strip()) or None
    if field.choices and text not in field.choices and field.key not in _KNOWN_NAMES:
        raise RunError(f"{field.key} must be one of {', '.join(field.choices)}", field.key, f"Change {field.key}")
    return text


def _number(field: SpecField, text: str) -> int | float:
    try:
        number = int(text.replace("_", "").replace(",", "")) if field.kind == "whole" else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        kind = "a whole number" if field.kind == "whole" else "a number"
        raise RunError(f"{field.key} must be {kind}", field.key, f"Change {field.key}")
    return number


def _questions_text(value: int | tuple[int | str, ...]) -> str:
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False)


def _questions(field: SpecField, text: str) -> int | tuple[int | str, ...]:
    """A number, or a list of numbers and quoted texts in brackets."""
    try:
        return msgspec.json.decode(text.encode(), type=int | tuple[int | str, ...])
    except (msgspec.DecodeError, UnicodeError) as error:
        what = f"{field.key} must be a number, or a list like [3, 17] or"
        raise RunError(f'{what} ["Why is the sky blue?"]', field.key, f"Change {field.key}") from error


def _switch(field: SpecField, text: str) -> bool | None:
    values = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False}
    if not text and "" in field.choices:
        return None
    if text.lower() not in values:
        raise RunError(f"{field.key} must be true or false", field.key, f"Change {field.key}")
    return values[text.lower()]


def _pair(field: SpecField, word: str) -> tuple[str, str]:
    name, equals, column = word.partition("=")
    if not equals:
        raise RunError(f"{field.key} must be pairs like output=answer", field.key, f"Change {field.key}")
    return name.strip(), column.strip()


def _field(section: str, struct: type[msgspec.Struct], name: str) -> SpecField:
    key = f"{section}.{name}" if section else name
    kind, choices = _kind(key, typing.get_type_hints(struct)[name])
    group = "report" if key in _REPORT_KEYS else section or "run"
    help_words = _docstrings()[(struct.__name__, name)]
    return SpecField(key, group, kind, choices, help_words, key not in BASIC_KEYS)


def _kind(key: str, hint: Any) -> tuple[FieldKind, tuple[str, ...]]:
    """How a field with the type `hint` is read, and its choices."""
    if key == "prompt.loss_on":
        return "prompt", LOSS_NAMES
    if key == "prompt.mixture":
        return "prompt", ()
    if key == "samples.questions":
        return "questions", ()
    if key in _KNOWN_NAMES:
        return "choice", _KNOWN_NAMES[key]
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    may_be_none = type(None) in parts
    hint = next(part for part in parts if part is not type(None))
    origin = typing.get_origin(hint)
    if origin is Literal:
        return ("prompt" if key in PROMPT_KEYS else "choice"), typing.get_args(hint)
    if origin is tuple:
        return "names", typing.get_args(typing.get_args(hint)[0])
    if origin is dict:
        return "columns", ()
    if hint is bool:
        return "switch", ("", "true", "false") if may_be_none else ("true", "false")
    return {int: "whole", float: "number"}.get(hint, "text"), ()  # type: ignore[return-value]


@functools.cache
def _docstrings() -> dict[tuple[str, str], str]:
    """The docstring below each field of the sections, by class and field, as one line."""
    tree = ast.parse(Path(spec_sections.__file__).read_text(encoding="utf-8"))
    found: dict[tuple[str, str], str] = {}
    for definition in tree.body:
        if not isinstance(definition, ast.ClassDef):
            continue
        for field, below in zip(definition.body, definition.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(below):
                words = " ".join(below.value.value.split())  # type: ignore[attr-defined]
                found[(definition.name, field.target.id)] = words
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
