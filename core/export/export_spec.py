"""The specification of an export: the run.toml of a job of kind `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from core.base.errors import RunError

FORMAT = 2  # of the job's folder, as of a run's
KIND = "export"
ExportTarget = Literal["merged", "gguf", "ollama", "adapter", "vllm"]
"""merged: safetensors with the adapter inside; gguf: one file for llama.cpp; ollama: that with a Modelfile; adapter:
the adapter for PEFT; vllm: the adapter, checked for vLLM."""
ExportType = Literal["", "f32", "f16", "bf16", "q8_0", "q4_0"]
"""The number format of the weights; empty for the target's usual one."""
TYPES_OF_TARGET: dict[str, tuple[str, ...]] = {
    "merged": ("f16", "bf16", "f32"),
    "gguf": ("f16", "f32", "bf16", "q8_0", "q4_0"),
    "ollama": ("q8_0", "f16", "f32", "bf16", "q4_0"),
    "adapter": (),
    "vllm": (),
}
"""The formats of each target, the usual one first. Unless one is named, merged weights take the base model's
16-bit format where the run's numbers do not fit into float16, or nobody could look."""
ADAPTER_TARGETS: frozenset[str] = frozenset({"adapter", "vllm"})
"""The targets that keep the adapter beside its base model."""
QUESTIONS = 20
"""Held-out questions that are asked unless the specification says another number."""
MOST_QUESTIONS = 1000


class ExportSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to export, as what, and where to."""

    run: str
    """The training run's id."""
    to: ExportTarget
    """What is written."""
    out: str
    """The folder to write, an absolute path."""
    type: ExportType = ""
    """The number format of the weights."""
    base: Literal["auto", "original", "dequantised"] = "auto"
    """The weights into which the adapter of a run trained in 4 bit is merged; `auto`: those that agree with the run
    more often. Other runs have only the original ones."""
    overwrite: bool = False
    """Whether a folder that exists is replaced."""
    check: int = QUESTIONS
    """How many held-out questions the export is asked; 0: none."""
    name: str = "export"
    """A name for users; part of the job's id."""


def check_export_spec(spec: ExportSpec) -> ExportSpec:
    """The specification, where it makes sense. Raises RunError with the wrong key."""
    types = TYPES_OF_TARGET[spec.to]
    if spec.type and spec.type not in types:
        what = f"{spec.to} has no format {spec.type}"
        do = f"Choose one of {', '.join(types)}" if types else "Leave the type out: an adapter stays as it was trained"
        raise RunError(what, "type", do)
    if not 0 <= spec.check <= MOST_QUESTIONS:
        what = f"check must be from 0 to {MOST_QUESTIONS} questions, not {spec.check}"
        raise RunError(what, "check", "Choose another number")
    if not Path(spec.out).is_absolute():
        raise RunError("the folder of an export must be an absolute path", spec.out, "Name it from the root on")
    return spec


def dump_export_spec(spec: ExportSpec) -> bytes:
    """The specification as TOML. Raises RunError where a name in it cannot be written as UTF-8."""
    try:
        return msgspec.toml.encode({"format": FORMAT, "kind": KIND, **msgspec.to_builtins(spec)})
    except UnicodeEncodeError as error:  # a file name's bytes, which Python carries as lone surrogates
        raise RunError("a file name is not UTF-8", repr(error.object), "Rename the file or folder") from error


def load_export_spec(path: Path) -> ExportSpec:
    """The specification in the file `path`. Raises RunError."""
    try:
        content = msgspec.toml.decode(path.read_bytes())
        if not isinstance(content, dict) or content.get("kind") != KIND:
            raise RunError("this is no export", str(path), "Name the folder of an export")
        spec = msgspec.convert(
            {key: value for key, value in content.items() if key not in ("format", "kind")}, ExportSpec
        )
    except OSError as error:
        raise RunError(f"the export cannot be read ({error.strerror})", str(path), "Start it again") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RunError(f"this is not a valid export: {error}", str(path), "Start it again") from error
    return check_export_spec(spec)
