"""The models in memory: bases, each with several adapters beside it and its rows, and who holds which.

All methods run in the thread that owns the models. Knows nothing of requests or sockets.
"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from core.base.errors import EngineError, ModelError
from core.engine.cache_budget import cache_budget
from core.engine.caches.row_pool import RowPool, make_pool
from core.engine.model_holders import ModelHolder
from core.engine.protocol import LoadedStatus, ModelHeld
from core.engine.target import AdapterVersion, ModelTarget
from core.models.backend import choose_inference_backend, prepare_imports
from core.models.device_memory import device_memory, placement_of
from core.models.fit.memory import check_fits
from core.models.loading import ADAPTER_FILES, LoadedModel, attach_adapter, load_for_inference
from core.models.resolve import local_model_folder

_GIB = 1 << 30
_MOST_ADAPTERS = 4  # beside one base; those that nobody holds any more go first


class _AdapterConfig(msgspec.Struct, frozen=True):
    """The fields of adapter_config.json that are checked before PEFT reads the folder."""

    peft_type: str
    """LORA for a LoRA adapter."""
    bias: str = "none"
    """Which of the base model's biases the adapter changes."""


class LoadedAdapter(msgspec.Struct, frozen=True):
    """An adapter beside a base model."""

    folder: str
    """Its folder."""
    version: AdapterVersion
    """The state of the folder's files when it was loaded."""
    label: str
    """Its name in the model; a label is never used twice."""


class ResidentBase:
    """A base model in memory."""

    def __init__(self, loaded: LoadedModel, pool: RowPool) -> None:
        self.loaded, self.pool = loaded, pool
        self.adapters: list[LoadedAdapter] = []
        """Loaded adapters, the one loaded last at the end."""

    def adapter(self, folder: str, version: AdapterVersion) -> LoadedAdapter | None:
        """The loaded adapter of this folder in this state."""
        return next((it for it in self.adapters if (it.folder, it.version) == (folder, version)), None)


class ResidentModels:
    """All models in memory, and their holders."""

    def __init__(self) -> None:
        self._bases: dict[str, ResidentBase] = {}
        self._held: dict[ModelHolder, ModelTarget] = {}
        self._labels = itertools.count(1)

    # -- what is there --

    def base(self, model: str) -> ResidentBase | None:
        """The base model of this name, if it is in memory."""
        return self._bases.get(model)

    def find(self, target: ModelTarget) -> tuple[ResidentBase, LoadedAdapter | None]:
        """Base and adapter (None for none) of a target. Raises EngineError where they are not loaded any more."""
        base = self._bases.get(target.model)
        adapter = base.adapter(target.adapter, target.version) if base is not None and target.adapter else None
        if base is None or (target.adapter and adapter is None):
            there = ", ".join(self._words(name) for name in self._bases) or "nothing"
            what = f"another terminal has loaded {there} since"
            raise EngineError(what, target.model, "Ask again: your model is then loaded again")
        return base, adapter

    def has(self, target: ModelTarget) -> bool:
        """Whether a target is loaded."""
        base = self._bases.get(target.model)
        return base is not None and (not target.adapter or base.adapter(target.adapter, target.version) is not None)

    def targets(self) -> tuple[ModelTarget, ...]:
        """All that can be asked: each base, after its adapters, the adapter loaded last first."""
        found: list[ModelTarget] = []
        for name, base in self._bases.items():
            found += [ModelTarget(name, it.folder, it.version) for it in reversed(base.adapters)]
            found.append(ModelTarget(name))
        return tuple(found)

    def statuses(self) -> tuple[LoadedStatus, ...]:
        """What is in memory, for people."""
        return tuple(
            LoadedStatus(
                model=name,
                adapters=tuple(it.folder for it in base.adapters),
                held_by=tuple(
                    holder.words for holder, held in self._held.items() if held.model == name and holder.lives
                ),
                path=base.pool.path,
                path_why=tuple(base.pool.path_reasons),
                kept_sequences=len(base.pool.store),
                cache_gib=base.pool.cache_bytes / _GIB,
                cache_budget_gib=base.pool.store.budget / _GIB,
            )
            for name, base in self._bases.items()
        )

    def memory_gib(self) -> float | None:
        """GiB that the models take: torch's memory on the GPU, else this process's resident memory; None without a
        model."""
        if not self._bases:
            return None
        import torch

        if any(base.loaded.model.device.type == "cuda" for base in self._bases.values()):
            return float(torch.cuda.memory_reserved()) / _GIB
        return float(psutil.Process().memory_info().rss) / _GIB

    # -- loading --

    def changes(self, target: ModelTarget, holder: ModelHolder, take: bool) -> frozenset[str]:
        """The models that loading a target changes or removes: no answer of theirs may be in progress then."""
        base = self._bases.get(target.model)
        if base is not None:
            return frozenset() if self.has(target) else frozenset({target.model})
        return frozenset(self._bases if take else self._free_for(holder))

    def load(
        self, target: ModelTarget, holder: ModelHolder, report: Callable[[str], None], *, take: bool = False
    ) -> LoadedModel:
        """Make a target loaded, and `holder` hold it instead of what it held. A base in memory is kept and gets the
        adapter beside its others. Another base is loaded beside those that others hold, where there is room; those that
        nobody else holds go first. report: called with the current work. take: those of others go too, if need be.

        Raises ModelError where it cannot be loaded: one that cannot be found leaves everything as it was; an adapter
        that does not fit costs its base. Raises ModelHeld where other holders' models take the room.
        """
        if target.adapter:
            _check_adapter(Path(target.adapter))
        base = self._bases.get(target.model)
        if base is None:
            base = self._load_base(target.model, holder, report, take)
        if target.adapter and base.adapter(target.adapter, target.version) is None:
            report("loading the adapter")
            self._attach(base, target)
        self._held = {other: held for other, held in self._held.items() if other.lives}
        self._held[holder] = target
        return self.view(target)

    def view(self, target: ModelTarget) -> LoadedModel:
        """The loaded model as a request of this target sees it. Raises EngineError where it is not loaded any more."""
        base, _ = self.find(target)
        return msgspec.structs.replace(base.loaded, adapter=Path(target.adapter) if target.adapter else None)

    def forget_kept(self) -> None:
        """Drop every kept cache, for its memory."""
        for base in self._bases.values():
            base.pool.forget_kept()
        give_memory_back()

    # -- inside --

    def _load_base(self, model: str, holder: ModelHolder, report: Callable[[str], None], take: bool) -> ResidentBase:
        check_model(model, report)  # before anything is given up: a typo never unloads a good model
        for name in self._free_for(holder):
            self._unload(name)
        problem = fit_problem(model, report) if self._bases else None
        if problem is not None and not take:
            names = " and ".join(self._words(name) for name in self._bases)
            who = ", ".join(other.words for other, held in self._held.items() if held.model in self._bases)
            raise ModelHeld(
                f"{problem.what}: {who} holds {names}",
                model,
                "Wait until it is given up, or take its place: `ask --take`",
            )
        if problem is not None:
            for name in list(self._bases):
                self._unload(name)
        loaded = load_for_inference(model, None, progress=report)
        base = ResidentBase(loaded, make_pool(loaded.model, (), cache_budget(loaded.model.device)))
        self._bases[model] = base
        return base

    def _free_for(self, holder: ModelHolder) -> list[str]:
        """Models that no other living holder holds."""
        held = {target.model for other, target in self._held.items() if other != holder and other.lives}
        return [name for name in self._bases if name not in held]

    def _attach(self, base: ResidentBase, target: ModelTarget) -> None:
        label = f"a{next(self._labels)}"
        adapter = LoadedAdapter(target.adapter, target.version, label)
        try:
            loaded = attach_adapter(base.loaded, Path(target.adapter), label)
        except Exception:
            self._unload(target.model)  # its layers may be in the base model already
            raise
        base.loaded = msgspec.structs.replace(loaded, adapter=None)
        base.adapters.append(adapter)
        for old in self._superfluous(base, adapter):
            base.loaded.model.delete_adapter(old.label)
            base.adapters.remove(old)
        base.pool.model_changed(base.loaded.model, tuple(it.label for it in base.adapters))

    def _superfluous(self, base: ResidentBase, new: LoadedAdapter) -> list[LoadedAdapter]:
        """Older states of the new adapter's folder, and what is one too many and not held."""
        stale = [it for it in base.adapters if it.folder == new.folder and it is not new]
        held = {(target.adapter, target.version) for holder, target in self._held.items() if holder.lives}
        rest = [it for it in base.adapters if it not in stale and it is not new]
        spare = [it for it in rest if (it.folder, it.version) not in held]
        return stale + spare[: max(0, len(rest) + 1 - _MOST_ADAPTERS)]

    def _unload(self, model: str) -> None:
        self._bases.pop(model, None)
        self._held = {holder: target for holder, target in self._held.items() if target.model != model}
        give_memory_back()

    def _words(self, model: str) -> str:
        adapters = self._bases[model].adapters
        return f"{model} with {adapters[-1].folder}" if adapters else f"{model} without an adapter"


def check_model(model: str, report: Callable[[str], None]) -> Path:
    """The folder of a model that can be found. Raises ModelError for one that cannot."""
    return local_model_folder(model, report)


def fit_problem(model: str, report: Callable[[str], None]) -> ModelError | None:
    """Why a model does not fit beside what is loaded now; None where it does."""
    prepare_imports()
    backend = choose_inference_backend(True)
    folder = check_model(model, report)
    try:
        fit = check_fits(folder, placement_of(backend), None, device_memory(backend.device, backend.machine))
    except ModelError as error:
        return error
    if fit.verdict == "does not fit":
        return ModelError(fit.warning.rstrip("."), str(folder), "Choose a smaller model, or end what uses the memory")
    return None


def give_memory_back() -> None:
    """Return what was freed to the system and the GPU."""
    gc.collect()  # modules refer to each other in circles
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _check_adapter(folder: Path) -> None:
    """Raises ModelError where the folder has no complete LoRA adapter in safetensors that can be used beside its
    base."""
    missing = [name for name in ADAPTER_FILES if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"there is no adapter here: {' and '.join(missing)} missing",
            str(folder),
            "Name a run that has ended and saved its adapter",
        )
    try:
        config = msgspec.json.decode((folder / ADAPTER_FILES[0]).read_bytes(), type=_AdapterConfig)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(
            f"the adapter's configuration cannot be read ({error})", str(folder / ADAPTER_FILES[0]), "Train it again"
        ) from error
    if config.peft_type != "LORA":
        raise ModelError(f"the adapter is {config.peft_type}, not LORA", str(folder), "Name a LoRA adapter")
    if config.bias != "none":
        what = "the adapter also changes the base model's biases, so the base model could not be used without it"
        raise ModelError(what, str(folder), 'Train it with bias = "none"')
