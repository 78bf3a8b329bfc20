"""A model that may be loaded: found, fetched, and checked against its config, its adapter and the free memory.

Loading has two halves, so that a wrong name never unloads a good model:

    checked = resolve_and_check(name, adapter, form=..., progress=...)     in any thread, no weight is read
    loaded = load_checked(checked, progress)                               in the thread that owns the model

The first takes as long as a download where the model must be fetched, else a fraction of a second once torch and
transformers are imported. It raises ModelError for whatever can be known beforehand. Between the halves the caller
gives back what it no longer needs; `freed` tells the first half about it. `load_checked` is in `loading`.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.base.errors import ModelError
from core.models.adapter_check import CheckedAdapter, check_adapter
from core.models.backend import DTYPES, Backend, choose_inference_backend, prepare_imports
from core.models.device_memory import device_memory, placement_of
from core.models.expected_tensors import compare_with_config
from core.models.fingerprint import model_fingerprint
from core.models.fit.memory import FitCheck, check_fits
from core.models.load_form import OWN_FORM, LoadForm, TrainedBase
from core.models.resolve import OnProgress, local_model_folder
from core.tokens.tokenizer import TextTokenizer


class CheckedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model in the form in which it may be loaded, and nothing of it in memory but its tokenizer."""

    name: str
    """Its name, as the user wrote it."""
    folder: Path
    """The folder with its files."""
    fingerprint: str
    """See `model_fingerprint`."""
    form: LoadForm
    """The form in which it is loaded."""
    backend: Backend
    """The library that loads it, and the device."""
    tokenizer: TextTokenizer
    """Its tokenizer."""
    adapter: CheckedAdapter | None = None
    """The adapter that is loaded with it."""
    notes: tuple[str, ...] = ()
    """What the user should know of its files, as clauses."""
    fit: FitCheck | None = None
    """What was estimated of its memory."""


def resolve_and_check(
    name: str,
    adapter: Path | None = None,
    *,
    form: LoadForm = OWN_FORM,
    trained_on: TrainedBase | None = None,
    freed: int = 0,
    progress: OnProgress,
) -> CheckedModel:
    """The model `name` (see `resolve`) with the adapter in the folder `adapter`, checked for answers: tensors, adapter
    and memory. Reads no weight and takes no memory of the GPU.

    form: how it is loaded; `runs.tuned_models.run_load_form` says it for a run's adapter. trained_on: the base model
    that the adapter was trained on, from `runs.tuned_models.run_trained_base`. freed: bytes of the device that the
    caller gives back before it loads. Raises ModelError.
    """
    if form.dtype not in ("auto", *DTYPES):
        raise ModelError(f"{form.dtype} is no number format of weights", name, f"Take auto, {', '.join(DTYPES)}")
    folder = local_model_folder(name, progress, trust_remote_code=form.trust_remote_code)
    tokenizer = TextTokenizer.from_folder(folder)
    prepare_imports()
    backend = choose_inference_backend(form.four_bit, form.dtype)
    progress(f"checking {folder.name}")
    notes = check_weights(folder, trust_remote_code=form.trust_remote_code)
    checked = (
        check_adapter(adapter, name, folder, trained_on=trained_on, trust_remote_code=form.trust_remote_code)
        if adapter is not None
        else None
    )
    memory = device_memory(backend.device, backend.machine)
    memory = msgspec.structs.replace(memory, free=memory.free + freed)
    fit = check_fits(folder, placement_of(backend, form.dtype), None, memory)
    if fit.warning:
        progress(fit.warning)
    return CheckedModel(
        name=name,
        folder=folder,
        fingerprint=model_fingerprint(folder),
        form=form,
        backend=backend,
        tokenizer=tokenizer,
        adapter=checked,
        notes=notes,
        fit=fit,
    )


def check_weights(folder: Path, *, trust_remote_code: bool) -> tuple[str, ...]:
    """What the user should know of the weights in `folder`, as clauses. Raises ModelError where some are missing, or
    are not of the shapes that config.json describes: nothing is invented."""
    comparison = compare_with_config(folder, trust_remote_code=trust_remote_code)
    comparison.refuse_unless_whole(folder)
    return (comparison.note,) if comparison.note else ()
