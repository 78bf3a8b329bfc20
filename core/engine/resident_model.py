"""Loads, swaps and unloads the model in memory: one base model with at most one adapter. Knows nothing of requests.

All methods run in the thread that owns the model, except `has_loaded`, `ready` and `memory_gib`, which only read.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from core.base.errors import EngineError, ModelError
from core.models.loading import ADAPTER_FILES, LoadedModel, attach_adapter, load_for_inference

_GIB = 1 << 30

AdapterVersion = tuple[tuple[int, int], ...]
"""Modification time in nanoseconds and size in bytes of each of an adapter's files."""


class _AdapterConfig(msgspec.Struct, frozen=True):
    """The fields of adapter_config.json that are checked before PEFT reads the folder."""

    peft_type: str
    """LORA for a LoRA adapter."""
    bias: str = "none"
    """Which of the base model's biases the adapter changes."""


class ResidentModel:
    """The loaded model with its adapter, or no model."""

    def __init__(self) -> None:
        self._loaded: LoadedModel | None = None
        self._model = self._adapter = ""
        self._version: AdapterVersion = ()

    @property
    def ready(self) -> bool:
        """Whether a model is loaded."""
        return self._loaded is not None

    @property
    def loaded(self) -> LoadedModel:
        """The loaded model. Raises EngineError where there is none."""
        if self._loaded is None:
            raise EngineError("no model is loaded", "", "Load one first")
        return self._loaded

    def has_loaded(self, model: str, adapter: str) -> bool:
        """Whether this model and adapter are loaded. An adapter that was trained again in the same folder is a
        different one."""
        loaded = (self._model, self._adapter, self._version)
        return self._loaded is not None and loaded == (model, adapter, _version(adapter))

    def load(self, model: str, adapter: str, report: Callable[[str], None]) -> None:
        """Load `model` with the adapter in the folder `adapter` (empty: none). The same base model is kept and only its
        adapter exchanged. report: called with the current work.

        Raises ModelError. After an error, the base model stays loaded without an adapter where it is certainly
        unchanged; otherwise no model is loaded.
        """
        if self.has_loaded(model, adapter):
            return
        if self._loaded is None or self._model != model:
            self._unload()  # first, because two models at once may not fit
            self._loaded = load_for_inference(model, None, progress=report)
            self._model = model
        if adapter != self._adapter or _version(adapter) != self._version:
            self._detach_adapter()
            if adapter:
                report("loading the adapter")
                self._attach_adapter(adapter)

    def memory_gib(self) -> float:
        """GiB that the loaded model takes: torch's memory on the GPU, else this process's resident memory."""
        import torch

        if self.loaded.model.device.type == "cuda":
            return float(torch.cuda.memory_reserved()) / _GIB
        return float(psutil.Process().memory_info().rss) / _GIB

    def _attach_adapter(self, adapter: str) -> None:
        folder = Path(adapter)
        config = _read_config(folder)
        if config.bias != "none":
            what = "the adapter also changes the base model's biases, so the base model could not be used without it"
            raise ModelError(what, adapter, 'Train it with bias = "none"')
        version = _version(adapter)
        try:
            self._loaded = attach_adapter(self.loaded, folder, "default")
        except Exception:
            self._unload()  # its layers may be in the base model already
            raise
        self._adapter, self._version = adapter, version

    def _detach_adapter(self) -> None:
        if self._adapter:
            self._loaded = msgspec.structs.replace(self.loaded, model=self.loaded.model.unload(), adapter=None)
        self._adapter, self._version = "", ()

    def _unload(self) -> None:
        self._loaded = None
        self._model = self._adapter = ""
        self._version = ()
        gc.collect()  # modules refer to each other in circles
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _version(adapter: str) -> AdapterVersion:
    """Time and size of each of the adapter's files; empty for no adapter, (0, 0) for a missing file."""
    if not adapter:
        return ()
    version: list[tuple[int, int]] = []
    for name in ADAPTER_FILES:
        try:
            status = (Path(adapter) / name).stat()
            version.append((status.st_mtime_ns, status.st_size))
        except OSError:
            version.append((0, 0))
    return tuple(version)


def _read_config(folder: Path) -> _AdapterConfig:
    """The adapter's configuration. Raises ModelError where the folder has no complete LoRA adapter in safetensors."""
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
    return config
