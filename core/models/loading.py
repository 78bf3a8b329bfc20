"""Loads a model for answers or training: one interface to Unsloth on CUDA and Transformers + PEFT elsewhere.

Heavy imports are inside the functions, after `prepare_imports`. Weights are read only from safetensors; code of a
model's author runs only where `trust_remote_code` allows it. Knows nothing of rows, runs or sockets.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError, SuironError
from core.models.adapter_check import ADAPTER_FILES, CheckedAdapter, check_adapter, check_adapter_files
from core.models.backend import MAKING_MODULES, Backend, choose_backend, dtype_name, prepare_imports
from core.models.checked_model import CheckedModel, check_weights, resolve_and_check
from core.models.dequantised import dequantise_weights, dequantised_bytes
from core.models.device_memory import available_bytes
from core.models.fingerprint import adapter_version
from core.models.fit.memory import FitCheck
from core.models.give_memory_back import give_memory_back
from core.models.load_form import LoadForm, TrainedBase
from core.models.lora_settings import LoraSettings, check_fits_training
from core.models.packable import why_not_packable
from core.models.resolve import OnProgress, local_model_folder, read_model_config
from core.models.tensor_comparison import some_names
from core.tokens.tokenizer import TextTokenizer

__all__ = ["ADAPTER_FILES", "LoadedModel", "attach_adapter", "load_checked", "load_for_inference"]

_DEQUANTISED_SHARE = 0.4  # of the free memory that 4-bit weights may take in 16 bit; the rest is for activations


class LoadedModel(msgspec.Struct, frozen=True):
    """A model in memory, with its tokenizer."""

    model: Any
    """A causal language model of transformers, inside a PeftModel where it has an adapter."""
    tokenizer: TextTokenizer
    """The model's tokenizer."""
    backend: Backend
    """The library that loaded it, and the device it is on."""
    name: str = ""
    """Its name, as the user wrote it."""
    folder: Path | None = None
    """The folder from which it was loaded."""
    resolved_name: str = ""
    """The loaded model's name from the library; with Unsloth this may be another repository than the user's."""
    adapter: Path | None = None
    """The folder of the active adapter."""
    gradient_checkpointing: bool = False
    """Whether activations are recomputed in training."""
    form: LoadForm = LoadForm()
    """The form in which it was loaded."""
    fingerprint: str = ""
    """See `model_fingerprint`; empty where it was not loaded for answers."""
    adapter_version: str = ""
    """The state of the active adapter, see `adapter_version`."""
    notes: tuple[str, ...] = ()
    """What the user should know of its files and its adapters, as clauses."""
    fit: FitCheck | None = None
    """What was estimated of its memory before it was loaded."""


def load_for_inference(
    name: str,
    adapter: Path | None,
    *,
    trust_remote_code: bool = False,
    four_bit: bool = True,
    dtype: str = "auto",
    trained_on: TrainedBase | None = None,
    progress: OnProgress,
) -> LoadedModel:
    """The model `name` (see `resolve`) in evaluation mode, with the adapter in the folder `adapter` active. Its weights
    are NF4 on CUDA where `four_bit`. Both halves of loading in one call, see `checked_model`.

    Raises ModelError where it does not fit, before a weight is read, and where memory runs out later.
    """
    form = LoadForm(four_bit=four_bit, dtype=dtype, trust_remote_code=trust_remote_code)
    return load_checked(resolve_and_check(name, adapter, form=form, trained_on=trained_on, progress=progress), progress)


def load_checked(checked: CheckedModel, progress: OnProgress) -> LoadedModel:
    """The second half of loading: read the weights of a model that was checked, in evaluation mode, with its adapter
    active under the name `default`. Raises ModelError; what was read of it is given back then."""
    folder = checked.folder
    prepare_imports()
    progress(f"loading {folder.name}: {checked.backend.line}")
    try:
        with MAKING_MODULES:
            model = _from_pretrained(folder, checked.backend, checked.form.trust_remote_code, checked.form.dtype)
    except Exception as error:
        refused = _loading_error(error, folder)
        error.__traceback__ = None  # its frames hold the weights read so far
        give_memory_back()
        raise refused from error
    model.eval()
    loaded = LoadedModel(
        model,
        checked.tokenizer,
        checked.backend,
        checked.name,
        folder,
        str(folder),
        form=checked.form,
        fingerprint=checked.fingerprint,
        notes=checked.notes,
        fit=checked.fit,
    )
    return attach_adapter(loaded, checked.adapter, "default") if checked.adapter is not None else loaded


def attach_adapter(
    loaded: LoadedModel, adapter: Path | CheckedAdapter, label: str, *, trained_on: TrainedBase | None = None
) -> LoadedModel:
    """The same model with a LoRA adapter active under the name `label`. Other adapters stay loaded. A folder is checked
    first, before the model is touched (see `check_adapter`, also for `trained_on`).

    `loaded.model.set_adapter(label)` switches between them; `with loaded.model.disable_adapter()` uses the base model.
    Raises ModelError: from the check, with the model as it was; later (a disk that fails, an adapter that is written
    anew meanwhile), with the adapter's layers possibly in it.
    """
    checked = adapter if isinstance(adapter, CheckedAdapter) else _check(loaded, adapter, trained_on)
    folder = checked.folder
    from peft import PeftModel

    # Only training needs factors in float32 on a bfloat16 base. Here they would cost two conversions a layer and token.
    options = {"adapter_name": label, "is_trainable": False, "autocast_adapter_dtype": False}
    try:
        with MAKING_MODULES:
            if isinstance(loaded.model, PeftModel):
                model = loaded.model
                model.load_adapter(str(folder), **options)
                model.set_adapter(label)
            else:
                model = PeftModel.from_pretrained(loaded.model, str(folder), **options)
    except Exception as error:
        what = f"the adapter does not fit {loaded.name or 'this model'}: {_first_line(error)}"
        do = "Choose the model it was trained on; if it is that one, the adapter's files are damaged"
        raise ModelError(what, str(folder), do) from error
    if adapter_version(folder) != checked.version:
        what = "the adapter was written anew while it was being loaded"
        raise ModelError(what, str(folder), "Load it again once its training has saved it")
    model.eval()
    notes = (*loaded.notes, checked.note) if checked.note and checked.note not in loaded.notes else loaded.notes
    return msgspec.structs.replace(loaded, model=model, adapter=folder, adapter_version=checked.version, notes=notes)


def _check(loaded: LoadedModel, adapter: Path, trained_on: TrainedBase | None) -> CheckedAdapter:
    if loaded.folder is None:  # made in memory: there is no config to compare with
        check_adapter_files(adapter)
        return CheckedAdapter(adapter, adapter_version(adapter))
    return check_adapter(
        adapter,
        loaded.name,
        loaded.folder,
        trained_on=trained_on,
        trust_remote_code=loaded.form.trust_remote_code,
    )


def load_for_training(
    name: str,
    lora: LoraSettings,
    *,
    four_bit: bool,
    trust_remote_code: bool,
    progress: OnProgress,
    insist: bool = False,
) -> LoadedModel:
    """The model `name` with a new LoRA adapter, in training mode: only the adapter's parameters get gradients. Its
    weights are NF4 on CUDA where `four_bit`. insist: go on although the weights alone take more than the device has.

    Raises ModelError.
    """
    folder = local_model_folder(name, progress, trust_remote_code=trust_remote_code)
    tokenizer = TextTokenizer.from_folder(folder)
    prepare_imports()
    packed = lora.packed and not why_not_packable(read_model_config(folder))
    lora = msgspec.structs.replace(lora, packed=packed)
    backend = choose_backend(four_bit, lora.dtype, packed)
    progress(f"checking {folder.name}")
    notes = check_weights(folder, trust_remote_code=trust_remote_code)
    lora, fit = check_fits_training(folder, backend, lora, insist)
    if fit.warning:
        progress(fit.warning)
    progress(f"loading {folder.name}: {backend.line}")
    load = _with_unsloth if backend.kind == "unsloth" else _with_peft
    try:
        model = load(folder, backend, lora, trust_remote_code)
    except Exception as error:
        raise _loading_error(error, folder) from error
    model.train()
    resolved = str(getattr(model.config, "_name_or_path", "") or folder)
    return LoadedModel(
        model,
        tokenizer,
        backend,
        name,
        folder,
        resolved,
        gradient_checkpointing=lora.gradient_checkpointing,
        form=LoadForm(four_bit=four_bit, dtype=lora.dtype, trust_remote_code=trust_remote_code),
        notes=notes,
        fit=fit,
    )


def _with_unsloth(folder: Path, backend: Backend, lora: LoraSettings, trust_remote_code: bool) -> Any:
    from unsloth import FastLanguageModel

    # Every field is set: Unsloth's defaults differ from those of PEFT, and change between versions.
    checkpointing = "unsloth" if lora.gradient_checkpointing else False
    model, _ = FastLanguageModel.from_pretrained(
        model_name=str(folder),
        max_seq_length=lora.max_seq_length,
        dtype=None if lora.dtype == "auto" else _torch_dtype(lora.dtype, backend),
        load_in_4bit=backend.four_bit,
        load_in_8bit=False,
        load_in_16bit=not backend.four_bit,
        full_finetuning=False,
        trust_remote_code=trust_remote_code,
        use_gradient_checkpointing=checkpointing,
        use_exact_model_name=True,  # otherwise load_in_4bit silently replaces some names by Unsloth's repositories
        fix_tokenizer=True,  # only affects the tokenizer that it returns, which is not used, since rows are ids
        fast_inference=False,
        random_state=lora.seed,
        max_lora_rank=max(64, lora.r),
        local_files_only=True,
    )
    return FastLanguageModel.get_peft_model(
        model,
        r=lora.r,
        target_modules=list(lora.target_modules),
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        bias=lora.bias,
        use_gradient_checkpointing=checkpointing,
        random_state=lora.seed,
        max_seq_length=lora.max_seq_length,
        use_rslora=lora.use_rslora,
        loftq_config={},
        modules_to_save=None,
    )


def _with_peft(folder: Path, backend: Backend, lora: LoraSettings, trust_remote_code: bool) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import set_seed

    model = _from_pretrained(folder, backend, trust_remote_code, lora.dtype)
    model.config.use_cache = False
    if backend.four_bit and lora.packed:
        # The library's preparation would put head and embeddings into 32 bit, and every layer's input with them.
        if dequantised_bytes(model) < _DEQUANTISED_SHARE * available_bytes(backend.device):
            dequantise_weights(model)
    elif backend.four_bit:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=lora.gradient_checkpointing)
    set_seed(lora.seed)  # for the adapter's first weights, drawn next
    return get_peft_model(
        model,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=lora.r,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=list(lora.target_modules),
            bias=lora.bias,
            use_rslora=lora.use_rslora,
        ),
    )


def _from_pretrained(folder: Path, backend: Backend, trust_remote_code: bool, dtype_or_auto: str = "auto") -> Any:
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {}
    dtype = _torch_dtype(dtype_or_auto, backend)
    if backend.four_bit:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    if backend.device.startswith("cuda"):
        options["device_map"] = {"": backend.device}
    model, info = AutoModelForCausalLM.from_pretrained(
        str(folder),
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        local_files_only=True,
        output_loading_info=True,
        **options,
    )
    invented = tuple(sorted(info["missing_keys"]))
    if invented:  # a second net: what the headers could not tell
        what = f"{len(invented)} tensors were not in the weights, and would be drawn at random: {some_names(invented)}"
        raise ModelError(what, str(folder), "Copy or download the model folder again")
    return model


def _torch_dtype(name: str, backend: Backend) -> Any:
    import torch

    return getattr(torch, dtype_name(backend.device) if name == "auto" else name)


def _loading_error(error: Exception, folder: Path) -> SuironError:
    if isinstance(error, SuironError):
        return error
    out_of_memory = (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # of torch
        or "can't allocate memory" in str(error)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    )
    if out_of_memory:
        do = "Choose a smaller model, or end other programs that use the memory"
        return ModelError("memory ran out while the model was being loaded", str(folder), do)
    what = f"the model cannot be loaded ({type(error).__name__}: {_first_line(error)})"
    return ModelError(what, str(folder), "Check that transformers knows this architecture")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
