"""Compares the headers of a model's files with the model that its config describes, without reading a weight.

The model is made on torch's device `meta`, where tensors have shapes and no memory, and transformers' own loading is
run over tensors of that device: its renames, conversions and ties are exactly those of the load that follows. Heavy
imports are inside the functions, after `prepare_imports`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.models.backend import MAKING_MODULES, prepare_imports
from core.models.config_bounds import check_config_bounds, layers_in_file
from core.models.resolve import read_model_config
from core.models.tensor_comparison import TensorComparison, WrongShape, count_missing_layers
from core.models.weights import TensorHeader, read_tensors

_TORCH_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
_BNB_COMPANIONS = (
    *(".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", ".SCB", ".weight_format"),
    *(".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4"),
)


def model_without_weights(folder: Path, *, trust_remote_code: bool = False) -> Any:
    """The model that config.json in `folder` describes, on the device `meta`: modules and shapes, no memory. Not
    quantised. Raises ModelError where no model can be made of it.

    Its number format is torch's default one: another would be set for the whole process while the model is made, and
    another thread may be decoding.
    """
    prepare_imports()
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(str(folder), trust_remote_code=trust_remote_code, local_files_only=True)
        with MAKING_MODULES, torch.device("meta"):
            return AutoModelForCausalLM.from_config(
                config, dtype=torch.get_default_dtype(), trust_remote_code=trust_remote_code
            )
    except Exception as error:  # each architecture raises its own kinds on a config that does not suit it
        raise _no_model(error, folder) from error


def compare_with_config(folder: Path, *, trust_remote_code: bool = False) -> TensorComparison:
    """The tensors in the files of `folder` beside those of the model that its config describes. Reads headers and
    configs only. Raises ModelError where the config cannot belong to the files, or no model can be made of it.

    Weights that another program than bitsandbytes has quantised are only counted by their layers: their tensors have
    names and shapes of their own, which the load itself checks.
    """
    config = read_model_config(folder)
    tensors = read_tensors(folder)
    check_config_bounds(config, tensors, folder)
    method = _quantisation(config)
    with MAKING_MODULES:
        model = model_without_weights(folder, trust_remote_code=trust_remote_code)
        if method not in ("", "bitsandbytes"):
            return _compare_layers(model, tensors)
        if method:
            tensors = _unpacked(tensors, model.state_dict())
        try:
            return _dry_load(model, tensors)
        except Exception as error:  # as many kinds as the library has conversions
            raise _no_model(error, folder) from error


def empty_tensors(tensors: Mapping[str, TensorHeader]) -> dict[str, Any]:
    """Tensors on the device `meta` with the shapes and number formats of `tensors`, by name."""
    import torch

    return {
        name: torch.empty(tensor.shape, dtype=getattr(torch, _TORCH_NAMES.get(tensor.dtype, "bfloat16")), device="meta")
        for name, tensor in tensors.items()
    }


def _no_model(error: Exception, folder: Path) -> ModelError:
    words = " ".join(str(error).split()) or "no message"
    what = f"the model cannot be loaded: config.json cannot be made into one ({type(error).__name__}: "
    do = "Check that transformers knows this architecture, and that config.json is the one of these weights"
    return ModelError(f"{what}{safe_line(words, 200)})", str(folder), do)


def _quantisation(config: Mapping[str, Any]) -> str:
    """The method by which the weights in the files are quantised, in transformers' words; empty where they are not."""
    section = config.get("quantization_config")
    return str(section.get("quant_method") or "unknown") if isinstance(section, Mapping) else ""


def _dry_load(model: Any, tensors: Mapping[str, TensorHeader]) -> TensorComparison:
    import torch
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import convert_and_load_state_dict_in_model
    from transformers.modeling_utils import LoadStateDictConfig

    names = list(model.state_dict())
    settings = LoadStateDictConfig(
        device_map={"": "meta"},
        dtype=torch.get_default_dtype(),
        weight_mapping=get_model_conversion_mapping(model, None, None),
    )
    with _without_progress_bars():
        info, _ = convert_and_load_state_dict_in_model(
            model=model, state_dict=empty_tensors(tensors), load_config=settings
        )
    model.mark_tied_weights_as_initialized(info)
    model.tie_weights(missing_keys=info.missing_keys, recompute_mapping=False)
    model._adjust_missing_and_unexpected_keys(info)
    return TensorComparison(
        expected=len(set(names) - set(model.all_tied_weights_keys)),
        missing=_in_order(info.missing_keys),
        wrong_shapes=tuple(
            sorted(WrongShape(name, tuple(found), tuple(wanted)) for name, found, wanted in info.mismatched_keys)
        ),
        unexpected=_in_order(info.unexpected_keys),
        failures=tuple(str(words) for words in info.conversion_errors.values()),
        layers=layers_in_file(names),
        missing_layers=count_missing_layers(names, info.missing_keys),
    )


def _compare_layers(model: Any, tensors: Mapping[str, TensorHeader]) -> TensorComparison:
    """Only which layers have no tensor at all."""
    state = model.state_dict()
    wanted, found = layers_in_file(state), layers_in_file(tensors)
    missing = [name for name in state if any(f".{layer}." in name for layer in range(found, wanted))]
    lost = max(0, wanted - found)
    return TensorComparison(expected=len(state), missing=_in_order(missing), layers=wanted, missing_layers=lost)


def _unpacked(tensors: Mapping[str, TensorHeader], state: Mapping[str, Any]) -> dict[str, TensorHeader]:
    """The tensors as they were before bitsandbytes packed them: two 4-bit weights are one byte of a column, and the
    scales stand beside it under longer names."""
    unpacked: dict[str, TensorHeader] = {}
    for name, tensor in tensors.items():
        if name.endswith(_BNB_COMPANIONS):
            continue
        wanted = state.get(name)
        is_packed = tensor.dtype == "U8" and tensor.shape[1:] == [1]
        if is_packed and wanted is not None and tensor.shape[0] == math.ceil(wanted.numel() / 2):
            tensor = TensorHeader("BF16", list(wanted.shape), tensor.data_offsets)
        elif tensor.dtype in ("U8", "I8"):
            tensor = TensorHeader("BF16", tensor.shape, tensor.data_offsets)
        unpacked[name] = tensor
    return unpacked


def _in_order(names: Any) -> tuple[str, ...]:
    """By name, numbers by their size: layer 2 comes before layer 10."""
    return tuple(
        sorted(names, key=lambda name: [part.zfill(12) if part.isdigit() else part for part in name.split(".")])
    )


@contextlib.contextmanager
def _without_progress_bars() -> Iterator[None]:
    """A bar that says the weights are being loaded would be wrong here."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
