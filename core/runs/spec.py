"""The complete specification of a training run: `run.toml`. With the same data it reproduces the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import RunError
from core.base.paths import absolute_name
from core.data.locate.source_name import resolve_source_name
from core.runs.spec_checks import check_keys, check_run_spec
from core.runs.spec_sections import (
    PROJECTIONS,
    DataSection,
    LoraSection,
    MixturePart,
    ModelSection,
    PromptSection,
    RunSpec,
    SamplesSection,
    TrainSection,
    ValidationSection,
    mixture_of_two,
)

__all__ = [
    "PROJECTIONS",
    "DataSection",
    "LoraSection",
    "MixturePart",
    "ModelSection",
    "PromptSection",
    "RunSpec",
    "SamplesSection",
    "TrainSection",
    "ValidationSection",
    "check_run_spec",
    "decode_run_spec",
    "dump_run_spec",
    "load_run_spec",
    "mixture_of_two",
    "with_absolute_names",
]

FORMAT = 2  # of the run's folder; folders without a number are of format 1
KIND = "train"
_ADVICE = "Fix that key; `python -m core train --example` prints a complete specification"


def load_run_spec(path: Path) -> RunSpec:
    """The specification in the TOML file `path`. A relative pattern, and a relative `data.source` or `model.name` that
    exists beside the file, are resolved from the file's folder.

    Raises RunError with the file and any wrong key.
    """
    try:
        spec = decode_run_spec(path.read_bytes(), str(path))
    except OSError as error:
        what = f"the run's specification cannot be read ({error.strerror})"
        raise RunError(what, str(path), "Name a TOML file that exists") from error
    check_run_spec(spec, str(path))
    return with_absolute_names(spec, path.parent)


def with_absolute_names(spec: RunSpec, folder: Path) -> RunSpec:
    """The specification with the names of its rows, model and first adapter resolved from `folder`."""
    return msgspec.structs.replace(
        spec,
        data=msgspec.structs.replace(spec.data, source=resolve_source_name(spec.data.source, folder).address),
        model=msgspec.structs.replace(spec.model, name=absolute_name(spec.model.name, folder)),
        lora=msgspec.structs.replace(spec.lora, init_from=_near(spec.lora.init_from, folder)),
    )


def decode_run_spec(written: bytes, where: str) -> RunSpec:
    """The specification in the bytes of a file, as it is written: names are not resolved, ranges not checked. Raises
    RunError with `where` and any wrong key."""
    try:
        content = _migrated(_without_head(msgspec.toml.decode(written), where))
        check_keys(content, RunSpec, where)
        return msgspec.convert(content, RunSpec)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise RunError(f"this is not a valid run specification: {error}", where, _ADVICE) from error


def _near(name: str, folder: Path) -> str:
    return absolute_name(name, folder) if name else ""


def _without_head(content: Any, where: str) -> Any:
    """The file's content without `format` and `kind`, which say what it is. Raises RunError for those of another
    program."""
    if not isinstance(content, dict):
        return content
    number, kind = content.get("format", 1), content.get("kind", KIND)
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= FORMAT:
        what = f"format = {number!r} was written by another version, this one knows up to {FORMAT}"
        raise RunError(what, where, "Use that version, or start the run again with this one")
    if kind != KIND:
        raise RunError(f"this is no training run but a job of kind {kind!r}", where, "Name a training run")
    return {key: value for key, value in content.items() if key not in ("format", "kind")}


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
        head = {"format": FORMAT, "kind": KIND, "name": spec.name}
        return msgspec.toml.encode({**head, **_without_none(msgspec.to_builtins(spec))})
    except UnicodeEncodeError as error:  # a file name's bytes, which Python carries as lone surrogates
        raise RunError("a file name is not UTF-8", repr(error.object), "Rename the file or folder") from error


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """The table without keys whose value is None, because TOML has no null."""
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }
