"""The tokenizer of a model by name, where it is on this disk: nothing is fetched or made to count tokens. Imports nothing heavy at its top."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ModelError
from core.models.resolve import resolve_model

if TYPE_CHECKING:
    from core.prompts.tokenizer import TextTokenizer

_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json", "generation_config.json")


def folder_of(model: str) -> Path | None:
    """The folder with the tokenizer of `model`, or None where the model is not on this disk. Raises ModelError for what names no model."""
    path = Path(model).expanduser()
    try:
        if (path / "tokenizer.json").is_file():  # a tokenizer alone will do: the weights need not be there
            return path.absolute()
    except (OSError, ValueError):
        pass  # no name of a file: told in words below
    ref = resolve_model(model)
    if ref.is_demo:
        from core.models.embedded import demo_folder, is_ready

        return demo_folder() if is_ready() else None
    if ref.is_hub:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(model, "tokenizer.json")
        return Path(found).parent if isinstance(found, str) else None
    return ref.folder


def identity(folder: Path) -> str:
    """What names the content of the tokenizer in `folder`. Raises ModelError where it cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    for name in _FILES:
        try:
            content = (folder / name).read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise ModelError(f"the file cannot be read ({error.strerror})", str(folder / name), "Check who may read it") from error
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def load(model: str) -> tuple[TextTokenizer | None, str]:
    """The tokenizer of `model`, and why there is none. Raises ModelError where there is one that cannot be used."""
    if not model:
        return None, "no model is chosen, so lengths are in characters"
    folder = folder_of(model)
    if folder is None:
        return None, f"the model {model} is not on this disk yet, so lengths are in characters"
    from core.prompts.tokenizer import TextTokenizer

    return TextTokenizer.from_folder(folder), ""
