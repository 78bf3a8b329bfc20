"""The tokens that end a model's turn, and how much of a chat template's text after an answer belongs before them."""

from __future__ import annotations

from core.base.errors import UsageError
from core.tokens.tokenizer import TextTokenizer

_LONGEST_TAIL = 100  # characters between an answer and its end; longer ones are a text of their own


class TurnEnds:
    """The ends of one model's turns."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        added = tokenizer.raw.get_added_tokens_decoder()
        self._eos = tokenizer.eos
        self._stops = {token.content for id, token in added.items() if id in tokenizer.stop_ids}
        self._special = {token.content for token in added.values() if token.special}

    def cut(self, text: str) -> str:
        """The part of `text`, which a chat template writes after the answer, that belongs before the end of sequence.

        The end of sequence and the text after it are removed. Another token that ends the model's answers is kept, and
        the text before it, such as the close of the response. Where the text holds no token that ends answers, a
        special token is removed with all text after it, because the model would write it and not stop there; then white
        space at the end is removed too.

        Raises UsageError where a text of its own follows the answer, as in the templates of models that judge one: the
        model would learn to write that text.
        """
        tail = self._tail(text)
        if len(tail.strip()) > _LONGEST_TAIL:
            what = f"the model's chat template writes {len(tail):,} characters of its own after an answer"
            raise UsageError(what, "chat template", "Choose a template of text, such as alpaca-reasoning")
        return tail

    def _tail(self, text: str) -> str:
        end = _first(text, {self._eos, *self._stops})
        if end is not None:
            offset, token = end
            return text[:offset] if token == self._eos else text[: offset + len(token)]
        special = _first(text, self._special)
        return text.rstrip() if special is None else text[: special[0]]

    def shown(self, tail: str) -> str:
        """What of `tail` a model's answer shows: the text before a token that ends it."""
        end = _first(tail, {self._eos, *self._stops})
        return tail if end is None else tail[: end[0]]


def _first(text: str, tokens: set[str]) -> tuple[int, str] | None:
    """The first of `tokens` in `text` with its offset, the longest where several begin there."""
    found = [(offset, -len(token), token) for token in tokens if (offset := text.find(token)) >= 0]
    if not found:
        return None
    offset, _, token = min(found)
    return offset, token
