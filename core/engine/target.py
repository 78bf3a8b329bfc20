"""What a request asks: a base model, with an adapter in a certain state or without. Light: no torch.

A request's words are resolved to a target when it is queued, and the target is checked again when it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from core.base.errors import UsageError
from core.models.fingerprint import adapter_version


class ModelTarget(msgspec.Struct, frozen=True):
    """A model that can be asked."""

    model: str
    """The base model's name or folder."""
    adapter: str = ""
    """The adapter's folder; empty for none."""
    version: str = ""
    """The state of the adapter's files, see `fingerprint.adapter_version`; empty for none."""

    @property
    def name(self) -> str:
        """Its name in the API: `model:run` with an adapter, else `model`."""
        if not self.adapter:
            return self.model
        folder = Path(self.adapter)
        return f"{self.model}:{folder.parent.name if folder.name == 'adapter' else folder.name}"


class UnknownModel(UsageError):
    """A request names a model that is not loaded, nor about to be."""


def make_target(model: str, adapter: str) -> ModelTarget:
    """The target of a load: the adapter in its present state."""
    folder = str(Path(adapter)) if adapter else ""
    return ModelTarget(model, folder, adapter_version(Path(folder)) if folder else "")


def named_target(name: str, known: Sequence[ModelTarget]) -> ModelTarget:
    """The known target of this name; the first one where several have it. Raises UnknownModel."""
    found = next((target for target in known if target.name == name), None)
    if found is None:
        names = ", ".join(dict.fromkeys(target.name for target in known)) or "none"
        raise UnknownModel(f"the model {name!r} is not loaded. Loaded: {names}", "model", "Choose one of these")
    return found


def held_target(model: str, adapter: str, known: Sequence[ModelTarget]) -> ModelTarget:
    """The known target with this model and adapter, the last loaded state of it. Where there is none, the target as it
    would be loaded now: it may be gone, which is said when the answer begins."""
    wanted = make_target(model, adapter)
    return next((it for it in known if (it.model, it.adapter) == (wanted.model, wanted.adapter)), wanted)
