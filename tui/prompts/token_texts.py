"""How tokens are spelt on the screen: spaces, line ends and special tokens visible without colour.

Everything here is safe text.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.base.safe_text import UNSAFE, safe_text

if TYPE_CHECKING:
    from core.tokens.tokenizer import TextTokenizer

NEWLINE, SPACE, TAB, RETURN = "⏎", "␣", "⇥", "␍"
PARTIAL = "‥"  # a token that holds only a part of a character; the character is shown at the token that completes it
_VISIBLE = str.maketrans({" ": SPACE, "\n": NEWLINE, "\t": TAB, "\r": RETURN})


class TokenTexts:
    """The tokens of one tokenizer as they are shown. Keeps what it has made: a text has few different tokens."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.raw.get_added_tokens_decoder()
        self._special = {
            id: special_text(token.content)
            for id, token in added.items()
            if token.special or not token.content.isspace()
        }
        for id in tokenizer.stop_ids:
            self._special.setdefault(id, special_text(self.spelling(id)))
        self._texts: dict[int, str | None] = dict(self._special)  # None: bytes that end within a character
        self.widths: dict[str, int] = {}  # cells of a text and the boundary after it

    def is_special(self, id: int) -> bool:
        return id in self._special

    def spelling(self, id: int) -> str:
        """The token's own letters, as its tokenizer has them."""
        return self._tokenizer.raw.id_to_token(id) or str(id)

    def of_ids(self, ids: Sequence[int]) -> list[str]:
        """Each token as it is shown. A character that is spread over several tokens is shown at the last of them, and
        `‥` at the others."""
        texts: dict[int, str | None] = self._texts
        shown: list[str] = []
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        pending = False
        for id in ids:
            if id not in texts:
                texts[id] = self._make(id)
            text = texts[id]
            if text is not None and not pending:
                shown.append(text)
                continue
            if id in self._special:
                shown.append(visible_text(decoder.decode(b"", True)) + (text or ""))
                decoder.reset()
                pending = False
                continue
            decoded = decoder.decode(self._tokenizer.token_bytes.data(id) or b"")
            pending = bool(decoder.getstate()[0])
            shown.append(visible_text(decoded) if decoded else PARTIAL)
        if pending and shown:
            shown[-1] = shown[-1].replace(PARTIAL, "") + visible_text(decoder.decode(b"", True))
        return shown

    def _make(self, id: int) -> str | None:
        data = self._tokenizer.token_bytes.data(id)
        if data is None:
            return visible_text(self._tokenizer.token_text(id)) or f"⟨{id}⟩"
        if not data:
            return f"⟨{id}⟩"
        try:
            return visible_text(data.decode())
        except UnicodeDecodeError:
            return None


def special_text(content: str) -> str:
    """A special token in brackets, so that the same letters in a text look different."""
    return f"⟨{visible_text(content)}⟩"


def visible_text(text: str) -> str:
    """Spaces and line ends as signs, and other control characters as visible pictures."""
    return UNSAFE.sub(lambda match: safe_text(match[0]), text.translate(_VISIBLE))
