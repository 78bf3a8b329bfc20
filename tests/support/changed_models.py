"""Model and adapter folders with one thing changed, for tests of what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

Tensors = dict[str, Any]


def copy_of(model: Path, folder: Path) -> Path:
    """A copy of the model or adapter in the folder `model`."""
    shutil.copytree(model, folder)
    return folder


def with_config(folder: Path, name: str = "config.json", **changes: Any) -> Path:
    """The same folder with other values in its config."""
    config = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**config, **changes}))
    return folder


def with_tensors(folder: Path, change: Callable[[Tensors], None], name: str = "model.safetensors") -> Path:
    """The same folder with the tensors of its file changed in place by `change`."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / name)
    change(tensors)
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / name, metadata={"format": "pt"})
    return folder


def in_shards(folder: Path) -> Path:
    """The same folder with every other tensor in a second file."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    index = {}
    for at in (0, 1):
        file = f"model-0000{at + 1}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names[at::2]}, folder / file, metadata={"format": "pt"})
        index |= dict.fromkeys(names[at::2], file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder
