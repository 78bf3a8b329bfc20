"""The first half of a load, beside the thread that owns the models: what is loaded, in which form, and whether it may.

No weight is read and nothing is given up here, so that answers go on and a wrong name never unloads a good model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from core.base.errors import ModelError
from core.engine.target import ModelTarget
from core.models.adapter_check import CheckedAdapter, check_adapter
from core.models.backend import Backend, choose_inference_backend, dtype_name, prepare_imports
from core.models.checked_model import CheckedModel, resolve_and_check
from core.models.fingerprint import model_fingerprint
from core.models.load_form import OWN_FORM, LoadForm
from core.runs.tuned_models import run_load_form, run_trained_base

FileState = tuple[tuple[str, int, int, int, int], ...]
"""Name, inode, bytes and times of each of a model's files. While they are the same, no file is read again."""


class BaseKey(NamedTuple):
    """What makes the weights of a base model in memory the same ones."""

    folder: str
    """The folder they were read from."""
    fingerprint: str
    """See `model_fingerprint`."""
    weights: str
    """See `weights_form`."""


class KnownBase(msgspec.Struct, frozen=True, kw_only=True):
    """A base model in memory, as a check is told of it."""

    key: BaseKey
    """Its weights."""
    names: tuple[str, ...]
    """The names under which it was loaded."""
    state: FileState
    """Its files when it was read."""
    adapters: frozenset[tuple[str, str]]
    """Folder and version of each of its adapters."""
    size: int
    """Bytes that it takes, with its caches."""
    goes: bool
    """Whether another model may take its place."""

    @property
    def is_unchanged(self) -> bool:
        """Whether its files are still those that were read."""
        folder = Path(self.key.folder)
        return files_state(folder) == self.state or model_fingerprint(folder) == self.key.fingerprint


class CheckedLoad(msgspec.Struct, frozen=True, kw_only=True):
    """A load that may be made."""

    target: ModelTarget
    """What was asked for."""
    key: BaseKey
    """The base model's weights."""
    is_own_form: bool
    """Whether these weights are also what answers where the base model is asked alone."""
    base: CheckedModel | None
    """The base model to read; None where it was in memory when this was checked."""
    adapter: CheckedAdapter | None
    """The adapter to put beside it; None for none, and where it is there already."""
    state: FileState = ()
    """The base model's files when they were checked."""

    @property
    def does_not_fit(self) -> bool:
        """Whether the base model hardly fits beside what stays."""
        return self.base is not None and self.base.fit is not None and self.base.fit.verdict == "does not fit"


def check_load(target: ModelTarget, known: Sequence[KnownBase], report: Callable[[str], None]) -> CheckedLoad:
    """What loading `target` takes beside the `known` models. The adapter's own run says in which form its base model
    is loaded. Raises ModelError. Takes as long as a download where the model must be fetched; a moment where the
    model is in memory and its files are unchanged."""
    prepare_imports()
    form, trained_on = OWN_FORM, None
    if target.adapter:
        form, trained_on = run_load_form(target.adapter), run_trained_base(target.adapter)
    weights = weights_form(form)
    adapter: CheckedAdapter | None = None
    there = next((it for it in known if target.model in it.names and it.key.weights == weights), None)
    if there is not None and there.is_unchanged:
        base, key, state = None, there.key, there.state
        if target.adapter and (target.adapter, target.version) not in there.adapters:
            report("checking the adapter")
            adapter = check_adapter(
                Path(target.adapter),
                target.model,
                Path(key.folder),
                trained_on=trained_on,
                trust_remote_code=form.trust_remote_code,
            )
    else:
        checked = resolve_and_check(
            target.model,
            Path(target.adapter) if target.adapter else None,
            form=form,
            trained_on=trained_on,
            freed=sum(it.size for it in known if it.goes),
            progress=report,
        )
        adapter, base = checked.adapter, msgspec.structs.replace(checked, adapter=None)
        key, state = BaseKey(str(checked.folder), checked.fingerprint, weights), files_state(checked.folder)
    if adapter is not None and adapter.version != target.version:
        what = "the adapter was written anew while its load waited"
        raise ModelError(what, target.adapter, "Load it again once its training has saved it")
    own = weights == weights_form(OWN_FORM)
    return CheckedLoad(target=target, key=key, is_own_form=own, base=base, adapter=adapter, state=state)


def weights_form(form: LoadForm) -> str:
    """How weights lie in this machine's memory that are loaded in `form`: `nf4-bfloat16`, `float32`. Two forms that
    differ only on a GPU are one without it. Imports torch."""
    backend: Backend = choose_inference_backend(form.four_bit, form.dtype)
    dtype = dtype_name(backend.device) if form.dtype == "auto" else form.dtype
    return f"nf4-{dtype}" if backend.four_bit else dtype


def files_state(folder: Path) -> FileState:
    """The state of the config and the weights in `folder`; a missing file is no part of it."""
    found = []
    for path in sorted((folder / "config.json", *folder.glob("*.safetensors"))):
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((path.name, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))
    return tuple(found)


def check_unchanged(load: CheckedLoad) -> None:
    """Raises ModelError where the base model's files are not those that were checked: the weights that were read may
    be neither."""
    if files_state(Path(load.key.folder)) != load.state:
        what = "the model's files were changed while they were read"
        raise ModelError(what, load.key.folder, "Load it again once they are complete")
