"""Loads a model's tokenizer by the model's name, and computes a fingerprint of its files. Downloads nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.errors import ModelError
from core.models.tokenizer_folder import tokenizer_folder

if TYPE_CHECKING:
    from core.tokens.tokenizer import TextTokenizer

_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "config.json",
    "generation_config.json",
    "chat_template.jinja",
    "chat_template.json",
)


def tokenizer_fingerprint(folder: Path) -> str:
    """32 hex digits made of the contents of the tokenizer's files in `folder`, including its chat template. Raises
    ModelError where a file cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    for name in _FILES:
        try:
            content = (folder / name).read_bytes()
        except FileNotFoundError:
            content = b""
        except OSError as error:
            raise ModelError(
                f"the file cannot be read ({error.strerror})", str(folder / name), "Check its permissions"
            ) from error
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def load_model_tokenizer(model: str) -> tuple[TextTokenizer | None, str]:
    """The tokenizer of `model`, or None and the reason, as a phrase. Raises ModelError where the tokenizer cannot be
    used."""
    if not model:
        return None, "no model is chosen"
    folder = tokenizer_folder(model)
    if folder is None:
        return None, f"the model {model} is not on this disk yet"
    from core.tokens.tokenizer import TextTokenizer

    return TextTokenizer.from_folder(folder), ""
