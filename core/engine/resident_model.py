"""The models in memory: bases, each with several adapters beside it and its rows, and who holds which.

A base is known by its files, their fingerprint, and the form of its weights: one name may stand for two of them. All
methods run in the thread that owns the models. Knows nothing of requests or sockets.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path

import msgspec
import psutil

from core.base.errors import EngineError
from core.engine.cache_budget import cache_budget
from core.engine.caches.row_pool import RowPool, make_pool
from core.engine.load_check import BaseKey, CheckedLoad, FileState, KnownBase
from core.engine.model_holders import ModelHolder
from core.engine.protocol import LoadedStatus, ModelHeld
from core.engine.target import ModelTarget
from core.models.adapter_check import CheckedAdapter
from core.models.give_memory_back import give_memory_back
from core.models.loading import LoadedModel, attach_adapter

_GIB = 1 << 30
_MOST_ADAPTERS = 4  # beside one base; those that nobody holds any more go first


class LoadedAdapter(msgspec.Struct, frozen=True):
    """An adapter beside a base model."""

    folder: str
    """Its folder."""
    version: str
    """The state of the folder's files when it was loaded, see `fingerprint.adapter_version`."""
    label: str
    """Its name in the model. A label is never used twice, so caches of one state never serve another."""


class ResidentBase:
    """A base model in memory."""

    def __init__(self, load: CheckedLoad, loaded: LoadedModel, pool: RowPool) -> None:
        self.key: BaseKey = load.key
        self.state: FileState = load.state
        self.is_own_form = load.is_own_form
        """Whether its weights also answer where the base model is asked alone."""
        self.loaded, self.pool = loaded, pool
        self.names: list[str] = [load.target.model]
        """The names under which it was loaded."""
        self.adapters: list[LoadedAdapter] = []
        """Loaded adapters, the one loaded last at the end."""

    def adapter(self, folder: str, version: str) -> LoadedAdapter | None:
        """The loaded adapter of this folder in this state."""
        return next((it for it in self.adapters if (it.folder, it.version) == (folder, version)), None)

    def answers(self, target: ModelTarget) -> bool:
        """Whether a target is this base, or one of its adapters."""
        if target.model not in self.names:
            return False
        return self.adapter(target.adapter, target.version) is not None if target.adapter else self.is_own_form

    @property
    def bytes(self) -> int:
        """Memory of its weights and caches."""
        footprint = getattr(self.loaded.model, "get_memory_footprint", None)
        return (int(footprint()) if footprint is not None else 0) + int(self.pool.cache_bytes)

    @property
    def words(self) -> str:
        """The base with its newest adapter, for people."""
        return f"{self.names[0]} with {self.adapters[-1].folder if self.adapters else 'no adapter'}"


class ResidentModels:
    """All models in memory, and their holders."""

    def __init__(self) -> None:
        self._bases: dict[BaseKey, ResidentBase] = {}
        self._held: dict[ModelHolder, tuple[ModelTarget, BaseKey]] = {}
        self._labels = itertools.count(1)

    # -- what is there --

    def base_of(self, target: ModelTarget) -> ResidentBase | None:
        """The base model that answers a target, if it is in memory."""
        return next((base for base in self._bases.values() if base.answers(target)), None)

    def find(self, target: ModelTarget) -> tuple[ResidentBase, LoadedAdapter | None]:
        """Base and adapter (None for none) of a target. Raises EngineError where they are not loaded any more."""
        base = self.base_of(target)
        if base is not None:
            return base, base.adapter(target.adapter, target.version)
        named = [it for it in self._bases.values() if target.model in it.names]
        if named and not target.adapter:
            what = f"in memory are its weights as {named[0].key.weights}, as an adapter beside them needs them;"
            what += " the base model asked alone has another form"
            raise EngineError(what, target.model, "Choose the base model without an adapter: it is then loaded so")
        there = ", ".join(base.words for base in self._bases.values()) or "nothing"
        what = f"another terminal has loaded {there} since"
        raise EngineError(what, target.model, "Ask again: your model is then loaded again")

    def has(self, target: ModelTarget) -> bool:
        """Whether a target is loaded."""
        return self.base_of(target) is not None

    def targets(self) -> tuple[ModelTarget, ...]:
        """All that can be asked: each base, after its adapters, the adapter loaded last first."""
        found: list[ModelTarget] = []
        for base in self._bases.values():
            for name in base.names:
                found += [ModelTarget(name, it.folder, it.version) for it in reversed(base.adapters)]
                if base.is_own_form:
                    found.append(ModelTarget(name))
        return tuple(found)

    def names(self) -> frozenset[str]:
        """The names of all models in memory."""
        return _names(self._bases.values())

    def statuses(self) -> tuple[LoadedStatus, ...]:
        """What is in memory, for people."""
        return tuple(
            LoadedStatus(
                model=base.names[0],
                form=key.weights,
                alone=base.is_own_form,
                notes=base.loaded.notes,
                adapters=tuple(it.folder for it in base.adapters),
                held_by=tuple(holder.words for holder, held in self._held.items() if held[1] == key and holder.lives),
                path=base.pool.path,
                path_why=tuple(base.pool.path_reasons),
                kept_sequences=len(base.pool.store),
                cache_gib=base.pool.cache_bytes / _GIB,
                cache_budget_gib=base.pool.store.budget / _GIB,
            )
            for key, base in self._bases.items()
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

    # -- loading: `known` for the check, `make_room` before the weights are read, `put` after --

    def known(self, holder: ModelHolder) -> tuple[KnownBase, ...]:
        """What is in memory, for the check of a load by `holder`."""
        free = self._free_for(holder)
        return tuple(
            KnownBase(
                key=base.key,
                names=tuple(base.names),
                state=base.state,
                adapters=frozenset((it.folder, it.version) for it in base.adapters),
                size=base.bytes,
                goes=base in free,
            )
            for base in self._bases.values()
        )

    def changes(self, load: CheckedLoad, holder: ModelHolder, *, take: bool) -> frozenset[str]:
        """The names of models that a load changes or removes: no answer of theirs may be in progress then."""
        changed = self._replaced_by(load)
        base = self._bases.get(load.key)
        if base is not None:
            changed += [base] if load.adapter is not None else []
        elif load.does_not_fit and take:
            changed += self._bases.values()
        else:
            changed += self._free_for(holder)
        return _names(changed)

    def make_room(self, load: CheckedLoad, holder: ModelHolder, *, take: bool) -> bool:
        """Give up what makes place for a load; whether its weights are to be read. A base in memory is kept. Another
        one is loaded beside those that others hold, where there is room; those that nobody else holds go first, and
        those whose files have been replaced. take: those of others go too, if need be.

        Raises ModelHeld where other holders' models take the room.
        """
        self._unload(self._replaced_by(load))
        if load.key in self._bases:
            return False
        self._unload(self._free_for(holder))
        if load.does_not_fit and self._bases and not take:
            names = " and ".join(base.words for base in self._bases.values())
            who = ", ".join(dict.fromkeys(other.words for other, held in self._held.items() if held[1] in self._bases))
            what = load.base.fit.warning.rstrip(".") if load.base is not None and load.base.fit is not None else ""
            raise ModelHeld(
                f"there is no room beside what is in memory: {who} holds {names}. {what}",
                load.target.model,
                "Wait until it is given up, or take its place: `ask --take`",
            )
        if load.does_not_fit:
            self._unload(list(self._bases.values()))
        return True

    def put(self, load: CheckedLoad, loaded: LoadedModel | None, holder: ModelHolder) -> LoadedModel:
        """Let `holder` hold a target instead of what it held. loaded: its base, where it was read; None where it is in
        memory. The adapter, if any, comes beside the others. Raises ModelError; an adapter that fails then costs its
        base."""
        target = load.target
        base = self._bases.get(load.key)
        if base is None:
            if loaded is None:
                raise EngineError("the model was unloaded meanwhile", target.model, "Ask again: it is then loaded")
            base = ResidentBase(load, loaded, make_pool(loaded.model, (), cache_budget(loaded.model.device)))
            self._bases[load.key] = base
        if target.model not in base.names:
            base.names.append(target.model)
        if load.adapter is not None and base.adapter(target.adapter, target.version) is None:
            self._attach(base, target, load.adapter)
        self._held = {other: held for other, held in self._held.items() if other.lives}
        self._held[holder] = target, load.key
        return self.view(target) if base.answers(target) else base.loaded

    def view(self, target: ModelTarget) -> LoadedModel:
        """The loaded model as a request of this target sees it. Raises EngineError where it is not loaded any more."""
        base, _ = self.find(target)
        return msgspec.structs.replace(
            base.loaded,
            adapter=Path(target.adapter) if target.adapter else None,
            adapter_version=target.version,
        )

    # -- giving up --

    def forget_kept(self) -> None:
        """Drop every kept cache, for its memory."""
        for base in self._bases.values():
            base.pool.forget_kept()
        give_memory_back()

    def unload_all(self) -> None:
        """Give up every model, with its caches."""
        self._unload(list(self._bases.values()))

    # -- inside --

    def _replaced_by(self, load: CheckedLoad) -> list[ResidentBase]:
        """Bases that have a name or the folder of this load's, and other files' weights."""
        return [
            base
            for base in self._bases.values()
            if base.key.fingerprint != load.key.fingerprint
            and (load.target.model in base.names or base.key.folder == load.key.folder)
        ]

    def _free_for(self, holder: ModelHolder) -> list[ResidentBase]:
        """Models that no other living holder holds."""
        held = {key for other, (_, key) in self._held.items() if other != holder and other.lives}
        return [base for key, base in self._bases.items() if key not in held]

    def _attach(self, base: ResidentBase, target: ModelTarget, checked: CheckedAdapter) -> None:
        adapter = LoadedAdapter(target.adapter, target.version, f"a{next(self._labels)}")
        try:
            loaded = attach_adapter(base.loaded, checked, adapter.label)
        except Exception:
            self._unload([base])  # its layers may be in the base model already
            raise
        base.loaded = msgspec.structs.replace(loaded, adapter=None, adapter_version="")
        base.adapters.append(adapter)
        for old in self._superfluous(base, adapter):
            base.loaded.model.delete_adapter(old.label)
            base.adapters.remove(old)
        base.pool.model_changed(base.loaded.model, tuple(it.label for it in base.adapters))

    def _superfluous(self, base: ResidentBase, new: LoadedAdapter) -> list[LoadedAdapter]:
        """Older states of the new adapter's folder, and what is one too many and not held."""
        stale = [it for it in base.adapters if it.folder == new.folder and it is not new]
        held = {(target.adapter, target.version) for holder, (target, _) in self._held.items() if holder.lives}
        rest = [it for it in base.adapters if it not in stale and it is not new]
        spare = [it for it in rest if (it.folder, it.version) not in held]
        return stale + spare[: max(0, len(rest) + 1 - _MOST_ADAPTERS)]

    def _unload(self, bases: list[ResidentBase]) -> None:
        if not bases:
            return
        gone = {base.key for base in bases}
        bases.clear()  # the caller's list would keep them
        self._bases = {key: base for key, base in self._bases.items() if key not in gone}
        self._held = {holder: held for holder, held in self._held.items() if held[1] not in gone}
        give_memory_back()


def _names(bases: Iterable[ResidentBase]) -> frozenset[str]:
    return frozenset(name for base in bases for name in base.names)
