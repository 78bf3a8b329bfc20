"""Checks a LoRA adapter against the base model it is asked with, before either is in memory: its files, its settings,
the base model it was trained on, and names and shapes of all its tensors.

As in `expected_tensors`, the library's own loading is run on the device `meta`. Heavy imports are inside the functions.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError
from core.base.plural import counted
from core.base.safe_text import safe_line
from core.models.backend import MAKING_MODULES
from core.models.config_bounds import layers_in_file
from core.models.expected_tensors import empty_tensors, model_without_weights
from core.models.fingerprint import adapter_version, model_fingerprint
from core.models.load_form import TrainedBase
from core.models.tensor_comparison import shape_words, some_names
from core.models.weights import read_header

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
_WRONG_SHAPE = re.compile(
    r"size mismatch for (\S+): copying a param with shape torch\.Size\(\[([\d, ]*)\]\).*"
    r"current model is torch\.Size\(\[([\d, ]*)\]\)"
)
_CHOOSE = "Choose the model it was trained on; if it is that one, the adapter's files are damaged"
_LABEL = "default"


class CheckedAdapter(msgspec.Struct, frozen=True):
    """An adapter that fits its base model."""

    folder: Path
    """Its folder."""
    version: str
    """See `fingerprint.adapter_version`: the state that was checked."""
    note: str = ""
    """What the user should know of it, as a clause; empty for nothing."""


class _AdapterConfig(msgspec.Struct, frozen=True):
    """The fields of adapter_config.json that are checked before PEFT reads the folder."""

    base_model_name_or_path: str | None = None
    """The base model's name or folder where it was trained."""

    peft_type: str = ""
    """LORA for a LoRA adapter."""
    bias: str = "none"
    """Which of the base model's biases the adapter changes."""


def check_adapter(
    adapter: Path, model: str, folder: Path, *, trained_on: TrainedBase | None = None, trust_remote_code: bool = False
) -> CheckedAdapter:
    """The adapter in the folder `adapter`, where it fits the base model `model` in `folder` in every tensor and was
    trained on that one. trained_on: what its training recorded; None where nothing is known. Raises ModelError."""
    version = adapter_version(adapter)
    named = check_adapter_files(adapter)
    note = ""
    if trained_on is not None and trained_on.fingerprint:
        _check_base(adapter, model, folder, trained_on)
    elif named and _last_word(named) not in (_last_word(model), folder.name):
        note = f"the adapter names {safe_line(named, 200)} as its base; whether {safe_line(model, 200)} is the same "
        note += "model is not known, only that all shapes fit"
    _check_tensors(adapter, model, model_without_weights(folder, trust_remote_code=trust_remote_code))
    return CheckedAdapter(adapter, version, note)


def check_adapter_files(adapter: Path) -> str:
    """The name or folder that the adapter in the folder `adapter` gives for its base model; empty for none. Raises
    ModelError unless it is a complete LoRA adapter that can be switched off again."""
    where = str(adapter)
    missing = [file for file in ADAPTER_FILES if not (adapter / file).is_file()]
    if missing:
        what = f"there is no complete adapter here: {' and '.join(missing)} missing"
        raise ModelError(what, where, "Name a run that has saved its adapter")
    try:
        config = msgspec.json.decode((adapter / ADAPTER_FILES[0]).read_bytes(), type=_AdapterConfig)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        what = f"the adapter's configuration cannot be read ({safe_line(str(error), 200)})"
        raise ModelError(what, str(adapter / ADAPTER_FILES[0]), "Train it again, or copy its folder again") from error
    if config.peft_type != "LORA":
        raise ModelError(f"the adapter is {safe_line(config.peft_type, 40)}, not LORA", where, "Name a LoRA adapter")
    if config.bias != "none":
        what = "the adapter also changes the base model's biases, so the base model could not be used without it"
        raise ModelError(what, where, 'Train it with bias = "none"')
    read_header(adapter / ADAPTER_FILES[1])
    return config.base_model_name_or_path or ""


def _last_word(name: str) -> str:
    """The name of a model without its owner or its parent folders; of a snapshot in the hub's cache, the model's."""
    path = Path(name)
    return path.parents[1].name.rpartition("--")[2] if path.parent.name == "snapshots" else path.name


def _check_base(adapter: Path, model: str, folder: Path, trained_on: TrainedBase) -> None:
    try:
        same = model_fingerprint(folder, like=trained_on.fingerprint) == trained_on.fingerprint
    except OSError as error:
        raise ModelError(
            f"the file cannot be read ({error.strerror})", str(error.filename), "Check the disk"
        ) from error
    if same:
        return
    name, trained_name = safe_line(model, 200), safe_line(trained_on.name, 200)
    if _last_word(model) == _last_word(trained_on.name):  # the path to it may be written in several ways
        what = f"the model {name} is not the one that this adapter was trained on: its files were replaced since"
        do = "Bring the files of the training back, or train again on the new ones"
    else:
        what = f"this adapter was trained on {trained_name}, and {name} is another model"
        do = f"Ask it with {trained_name}"
    raise ModelError(what, str(adapter), do)


def _check_tensors(adapter: Path, model: str, base: Any) -> None:
    """Raise ModelError unless the adapter fills exactly the places that its settings make in `base`, a model on the
    device `meta`."""
    import torch
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    tensors = read_header(adapter / ADAPTER_FILES[1])
    layers = layers_in_file(base.state_dict())
    try:
        settings = LoraConfig.from_pretrained(str(adapter))
        settings.init_lora_weights = False  # some first weights are computed from those of the base
        settings.inference_mode = True
        # not by peft's low_cpu_mem_usage, which changes the making of parameters in every thread
        with MAKING_MODULES, torch.device("meta"):
            empty = get_peft_model(base, settings, autocast_adapter_dtype=False)
            found = set_peft_model_state_dict(empty, empty_tensors(tensors))
    except Exception as error:  # the library raises many kinds: unknown modules, shapes, names it cannot map
        raise _does_not_fit(adapter, model, _failure_words(error)) from error
    missing = tuple(sorted(name for name in found.missing_keys if "lora_" in name))
    unexpected = tuple(sorted(found.unexpected_keys))
    if not missing and not unexpected:
        return
    parts = []
    has = layers_in_file(tensors)
    if has != layers and has > 0 and (has > layers or _beyond(missing, has)):
        parts.append(f"it is for {counted(has, 'layer')}, and the model has {layers}")
    if unexpected:
        parts.append(f"{counted(len(unexpected), 'tensor')} of it have no place there: {some_names(unexpected)}")
    if missing:
        parts.append(f"{counted(len(missing), 'tensor')} are missing: {some_names(missing)}")
    raise _does_not_fit(adapter, model, "; ".join(parts))


def _beyond(missing: tuple[str, ...], layers: int) -> bool:
    return any(layers_in_file((name,)) > layers for name in missing)


def _failure_words(error: Exception) -> str:
    words = str(error).strip()
    wrong = _WRONG_SHAPE.findall(words)
    if wrong:
        name, in_file, in_model = wrong[0]
        shapes = [shape_words(tuple(int(size) for size in text.split(",") if size)) for text in (in_file, in_model)]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return f"{safe_line(name, 120)} has the shape {shapes[0]} in it, and {shapes[1]} by its settings there{more}"
    return safe_line(words.splitlines()[0] if words else type(error).__name__, 200)


def _does_not_fit(adapter: Path, model: str, why: str) -> ModelError:
    return ModelError(f"the adapter does not fit {safe_line(model, 200)}: {why}", str(adapter), _CHOOSE)
