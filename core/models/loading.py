"""A model in memory, ready to answer or to be trained: one interface over Unsloth on CUDA and Transformers + PEFT
elsewhere.

Heavy imports happen inside the functions, after `prepare_imports`. Weights come from safetensors alone; a model
author's code runs only where `trust_remote_code` says so. Knows nothing of rows, runs or sockets.
"""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError, SuironError
from core.models.backend import Backend, choose_backend, choose_inference_backend, dtype_name, prepare_imports
from core.models.fit.memory import Training, check_fits
from core.models.resolve import Progress, local_folder
from core.tokens.tokenizer import TextTokenizer

ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")


class LoadedModel(msgspec.Struct, frozen=True):
    """model: a causal language model of transformers, within a PeftModel where it has an adapter. resolved_name: what
    the library says it has loaded, which for Unsloth may be another repository than the one named. adapter: the active
    one's folder. gradient_checkpointing: whether its activations are recomputed in training."""

    model: Any
    tokenizer: TextTokenizer
    backend: Backend
    name: str = ""
    folder: Path | None = None
    resolved_name: str = ""
    adapter: Path | None = None
    gradient_checkpointing: bool = False


class Lora(msgspec.Struct, frozen=True, kw_only=True):
    """The adapter to be trained, and what its first weights and its memory depend on. tokens: the longest row's
    length."""

    r: int
    alpha: int
    dropout: float
    target_modules: tuple[str, ...]
    bias: str
    use_rslora: bool
    seed: int
    batch_size: int
    tokens: int
    max_seq_length: int
    gradient_checkpointing: bool


def load_for_inference(
    name: str, adapter: Path | None, *, trust_remote_code: bool = False, four_bit: bool = True, progress: Progress
) -> LoadedModel:
    """The model `name` (see `resolve`), in evaluation mode, with the adapter in the folder `adapter` active; NF4 where
    CUDA is there and `four_bit`.

    Raises ModelError, also where it does not fit: before a weight is read, and when memory runs out all the same.
    """
    folder = local_folder(name, progress, trust_remote_code=trust_remote_code)
    tokenizer = TextTokenizer.from_folder(folder)
    prepare_imports()
    backend = choose_inference_backend(four_bit)
    check_fits(folder, backend.device, four_bit=backend.four_bit, width=_width(backend.device))
    progress(f"loading {folder.name}: {backend.line}")
    try:
        model = _from_pretrained(folder, backend, trust_remote_code)
    except Exception as error:
        raise _loading_error(error, folder) from error
    model.eval()
    loaded = LoadedModel(model, tokenizer, backend, name, folder, str(folder))
    return put_on(loaded, adapter, "default") if adapter is not None else loaded


def put_on(loaded: LoadedModel, adapter: Path, label: str) -> LoadedModel:
    """The same model with the LoRA adapter in the folder `adapter` active, as `label`; adapters put on before stay
    beside it.

    `loaded.model.set_adapter(label)` switches between them, `with loaded.model.disable_adapter()` is the base model.
    Raises ModelError.
    """
    missing = [file for file in ADAPTER_FILES if not (adapter / file).is_file()]
    if missing:
        raise ModelError(
            f"there is no whole adapter here: {' and '.join(missing)} missing",
            str(adapter),
            "Name a run that has saved its adapter",
        )
    from peft import PeftModel

    try:
        if isinstance(loaded.model, PeftModel):
            model = loaded.model
            model.load_adapter(str(adapter), adapter_name=label, is_trainable=False, autocast_adapter_dtype=False)
            model.set_adapter(label)
        else:
            # Factors in float32 on a bfloat16 base are for training; here they would cost two conversions per layer and
            # token.
            model = PeftModel.from_pretrained(
                loaded.model, str(adapter), adapter_name=label, is_trainable=False, autocast_adapter_dtype=False
            )
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        do = "Choose the model it was trained on; if it is that one, its files are damaged"
        raise ModelError(
            f"the adapter does not go onto {loaded.name or 'this model'}: {line}", str(adapter), do
        ) from error
    model.eval()
    return msgspec.structs.replace(loaded, model=model, adapter=adapter)


def load_for_training(
    name: str, lora: Lora, *, four_bit: bool, trust_remote_code: bool, progress: Progress
) -> LoadedModel:
    """The model `name` with a new LoRA adapter, in training mode: only the adapter's numbers get gradients. NF4 on CUDA
    where `four_bit`.

    Raises ModelError, also where it does not fit.
    """
    folder = local_folder(name, progress, trust_remote_code=trust_remote_code)
    tokenizer = TextTokenizer.from_folder(folder)
    prepare_imports()
    backend = choose_backend(four_bit)
    lora = _fitted(folder, backend, lora)
    progress(f"loading {folder.name}: {backend.line}")
    make = _with_unsloth if backend.kind == "unsloth" else _with_peft
    try:
        model = make(folder, backend, lora, trust_remote_code)
    except Exception as error:
        raise _loading_error(error, folder) from error
    model.train()
    resolved = str(getattr(model.config, "_name_or_path", "") or folder)
    return LoadedModel(
        model, tokenizer, backend, name, folder, resolved, gradient_checkpointing=lora.gradient_checkpointing
    )


def _fitted(folder: Path, backend: Backend, lora: Lora) -> Lora:
    """`lora`, without gradient checkpointing where the model is on a CPU and fits without: there it costs a third more
    time to save memory that is mostly there. Raises ModelError where it does not fit."""

    def check(checkpointing: bool) -> Lora:
        shape = Training(
            batch_size=lora.batch_size,
            tokens=lora.tokens,
            r=lora.r,
            target_modules=lora.target_modules,
            gradient_checkpointing=checkpointing,
        )
        check_fits(folder, backend.device, four_bit=backend.four_bit, width=_width(backend.device), training=shape)
        return msgspec.structs.replace(lora, gradient_checkpointing=checkpointing)

    if lora.gradient_checkpointing and backend.device == "cpu":
        with contextlib.suppress(ModelError):
            return check(False)
    return check(lora.gradient_checkpointing)


def _with_unsloth(folder: Path, backend: Backend, lora: Lora, trust_remote_code: bool) -> Any:
    from unsloth import FastLanguageModel

    # Every field is set: Unsloth's defaults differ from everybody's and change between versions.
    checkpointing = "unsloth" if lora.gradient_checkpointing else False
    model, _ = FastLanguageModel.from_pretrained(
        model_name=str(folder),
        max_seq_length=lora.max_seq_length,
        dtype=None,
        load_in_4bit=backend.four_bit,
        load_in_8bit=False,
        load_in_16bit=not backend.four_bit,
        full_finetuning=False,
        trust_remote_code=trust_remote_code,
        use_gradient_checkpointing=checkpointing,
        use_exact_model_name=True,  # else load_in_4bit silently maps some names to repositories of Unsloth's own
        fix_tokenizer=True,  # of the tokenizer that it returns, which is not used: rows come as ids
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


def _with_peft(folder: Path, backend: Backend, lora: Lora, trust_remote_code: bool) -> Any:
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import set_seed

    model = _from_pretrained(folder, backend, trust_remote_code)
    model.config.use_cache = False
    if backend.four_bit:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=lora.gradient_checkpointing)
    set_seed(lora.seed)  # the adapter's first weights are drawn here
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


def _from_pretrained(folder: Path, backend: Backend, trust_remote_code: bool) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    options: dict[str, Any] = {}
    dtype = getattr(torch, dtype_name(backend.device))
    if backend.four_bit:
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
        )
    if backend.device.startswith("cuda"):
        options["device_map"] = {"": backend.device}
    return AutoModelForCausalLM.from_pretrained(
        str(folder),
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=trust_remote_code,
        local_files_only=True,
        **options,
    )


def _width(device: str) -> int:
    return 4 if dtype_name(device) == "float32" else 2


def _loading_error(error: Exception, folder: Path) -> SuironError:
    if isinstance(error, SuironError):
        return error
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    out_of_memory = (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )
    if out_of_memory or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return ModelError(
            "memory ran out while the model was being loaded",
            str(folder),
            "Choose a smaller model, or end what else uses the memory",
        )
    return ModelError(
        f"the model cannot be loaded ({type(error).__name__}: {line})",
        str(folder),
        "Check that transformers knows this architecture",
    )
