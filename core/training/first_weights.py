"""The adapter whose weights a training starts from: `lora.init_from`. Imports torch and peft late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import RunError
from core.base.safe_text import safe_line
from core.models.fingerprint import model_fingerprint
from core.runs.checkpoint_folders import ADAPTER_NEEDED, read_mark
from core.runs.run_folder import find_run
from core.runs.spec import LoraSection


def find_first_weights(lora: LoraSection, base: Path) -> Path | None:
    """The folder of the adapter that `lora.init_from` names, checked against the adapter to train and the base model in
    the folder `base`; None where the training starts from new weights. Raises RunError, OSError."""
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
    recorded = mark.base_fingerprint if mark is not None else ""
    if mark is not None and recorded and model_fingerprint(base, like=recorded) != recorded:
        what = f"the adapter of lora.init_from was trained on another model: {mark.base_model}"
        raise RunError(what, str(folder), "Choose that model, or another adapter")
    return folder


def load_first_weights(model: Any, folder: Path) -> None:
    """Put the weights of the adapter in `folder` into the PeftModel `model`. Raises RunError where some are missing,
    have no place in it, or are of other shapes."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    do = "Name an adapter of this model"
    try:
        found = set_peft_model_state_dict(model, load_file(str(folder / "adapter_model.safetensors")))
    except (RuntimeError, ValueError, KeyError) as error:  # shapes, or names that the library cannot map
        lines = str(error).strip().splitlines() or [type(error).__name__]
        what = f"the adapter of lora.init_from does not fit: {safe_line(lines[min(1, len(lines) - 1)].strip(), 200)}"
        raise RunError(what, str(folder), do) from error
    missing = [name for name in found.missing_keys if "lora_" in name]
    for words, names in (("are missing", missing), ("have no place in this model", list(found.unexpected_keys))):
        if names:
            first = safe_line(names[0], 120)
            what = f"of the adapter of lora.init_from {len(names)} weights {words}, the first {first}"
            raise RunError(what, str(folder), do)
