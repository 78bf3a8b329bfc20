"""The adapter whose weights a training starts from: `lora.init_from`. Imports torch and peft late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import RunError
from core.runs.checkpoint_folders import ADAPTER_NEEDED, read_mark
from core.runs.run_folder import find_run
from core.runs.spec import LoraSection


def find_first_weights(lora: LoraSection, fingerprint: str) -> Path | None:
    """The folder of the adapter that `lora.init_from` names, checked against the adapter to train and the base model's
    `fingerprint`; None where the training starts from new weights. Raises RunError."""
    name = lora.init_from
    if not name:
        return None
    folder: Path | None = Path(name).expanduser()
    if not (folder / "adapter_config.json").is_file():  # type: ignore[operator]
        folder = find_run(name).newest_adapter()
    if folder is None or not all((folder / file).is_file() for file in ADAPTER_NEEDED):
        raise RunError("lora.init_from names no complete adapter", name, "Name a run that has saved one, or a folder")
    try:
        config = msgspec.json.decode((folder / "adapter_config.json").read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise RunError(f"the adapter's settings cannot be read ({error})", str(folder), "Name another one") from error
    if config.get("r") != lora.r:
        what = f"the adapter of lora.init_from has rank {config.get('r')}, the run lora.r = {lora.r}"
        raise RunError(what, str(folder), f"Set lora.r to {config.get('r')}")
    modules = config.get("target_modules")
    if isinstance(modules, list) and set(modules) != set(lora.target_modules):
        what = f"the adapter of lora.init_from is for other layers: {', '.join(sorted(map(str, modules)))}"
        raise RunError(what, str(folder), "Set lora.target_modules to these")
    mark = read_mark(folder)
    if mark is not None and mark.base_fingerprint not in ("", fingerprint):
        what = f"the adapter of lora.init_from was trained on another model: {mark.base_model}"
        raise RunError(what, str(folder), "Choose that model, or another adapter")
    return folder


def load_first_weights(model: Any, folder: Path) -> None:
    """Put the weights of the adapter in `folder` into the PeftModel `model`. Raises RunError where some are missing."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    found = set_peft_model_state_dict(model, load_file(str(folder / "adapter_model.safetensors")))
    missing = [name for name in getattr(found, "missing_keys", ()) if "lora_" in name]
    if missing:
        what = f"the adapter of lora.init_from lacks {len(missing)} weights, the first {missing[0]}"
        raise RunError(what, str(folder), "Name an adapter of this model")
