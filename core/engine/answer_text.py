"""From an answer's token ids to the text of its sections, a few tokens at a time."""

from __future__ import annotations

from collections.abc import Sequence

from core.engine.protocol import AnswerPiece
from core.splitter.splitter import AnswerEnding, Splitter
from core.tokens.detokenizer import Detokenizer
from core.tokens.tokenizer import TextTokenizer


class AnswerText:
    """The text of one answer. Without a splitter it is the unchanged continuation, and all of it response."""

    def __init__(self, tokenizer: TextTokenizer, splitter: Splitter | None) -> None:
        self._detokenizer = Detokenizer(tokenizer, at_start=False)
        self._splitter = splitter

    @property
    def ran_away(self) -> bool:
        """Whether all further text would be dropped."""
        return self._splitter is not None and self._splitter.ran_away

    @property
    def ending(self) -> AnswerEnding:
        """How the text ended."""
        return "complete" if self._splitter is None else self._splitter.ending

    def push(self, tokens: Sequence[int]) -> list[AnswerPiece]:
        """The text that these tokens complete, one piece a section."""
        return self._split("".join(map(self._detokenizer.push, tokens)))

    def close(self) -> list[AnswerPiece]:
        """The text that was held back."""
        pieces = self._split(self._detokenizer.close())
        if self._splitter is not None:
            pieces += [AnswerPiece(part.section, part.text) for part in self._splitter.close()]
        return pieces

    def _split(self, text: str) -> list[AnswerPiece]:
        if not text:
            return []
        if self._splitter is None:
            return [AnswerPiece("response", text)]
        return [AnswerPiece(part.section, part.text) for part in self._splitter.feed(text)]
