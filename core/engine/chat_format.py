"""A model's own chat format: the Jinja template in its folder, rendered in a sandbox, and the text encoded with its markers as special tokens.

The Alpaca templates are `core.prompts`; this is for conversations that name no template. Knows a model's folder; knows nothing of decoding.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from core.errors import ModelError, UsageError

_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


class ChatFormat:
    """template: Jinja, as chat_template.jinja or tokenizer_config.json have it. tokens: special tokens it may name. definition: tokenizer.json."""

    def __init__(self, template: str, tokens: dict[str, str], definition: Path) -> None:
        from tokenizers import Tokenizer

        self._template, self._tokens = template, tokens
        self._tokenizer = Tokenizer.from_file(str(definition))

    def render(self, messages: list[dict[str, str]]) -> str:
        """The conversation up to where the assistant begins to write. Raises UsageError with the template's own words where it refuses one."""
        from transformers.utils.chat_template_utils import render_jinja_template

        try:
            rendered, _ = render_jinja_template([messages], chat_template=self._template, add_generation_prompt=True, **self._tokens)
        except Exception as error:  # whatever a model author's template raises: it is a program
            what = f"the model's chat format does not take this conversation: {error}"
            raise UsageError(what, "messages", "Order or name the roles otherwise") from error
        text: str = rendered[0]
        return text

    def encode(self, text: str) -> list[int]:
        """The ids of rendered text. A message that spells a special token is that token here, as in every server of this API."""
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


@lru_cache(maxsize=2)
def chat_format(folder: str) -> ChatFormat | None:
    """The chat format of the model in `folder`, or None where it has none. Raises ModelError where a file of it cannot be read."""
    path = Path(folder)
    try:
        config = _object(path / "tokenizer_config.json")
        separate = path / "chat_template.jinja"
        template = separate.read_text("utf-8") if separate.is_file() else _default(config.get("chat_template"))
    except (OSError, ValueError) as error:
        raise ModelError(f"the model's chat format cannot be read ({error})", folder, "Mend the file or take the model's folder whole") from error
    if not template:
        return None
    tokens = {name: _text(config.get(name)) for name in _TOKENS if config.get(name)}
    return ChatFormat(template, tokens, path / "tokenizer.json")


def _object(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.is_file() else {}


def _default(written: Any) -> str:
    """The template among what tokenizer_config.json may hold: one, or several with names."""
    if isinstance(written, list):
        return next((str(one.get("template", "")) for one in written if isinstance(one, dict) and one.get("name") == "default"), "")
    return written if isinstance(written, str) else ""


def _text(token: Any) -> str:
    return str(token.get("content", "")) if isinstance(token, dict) else str(token)
