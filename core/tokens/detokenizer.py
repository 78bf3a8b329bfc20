"""Converts token ids to text as they arrive. Only the bytes of an incomplete character are held back.

The library's own `DecodeStream` decodes a growing window again until it ends in a complete character: bytes that never
become a character wait for the next good token at quadratic cost, and text that still waits at the end of the answer is
lost. So each token is converted to bytes here once, and an incremental UTF-8 decoder does the rest. Bytes that are not
UTF-8 become U+FFFD, as in the library. One difference: in a broken series of byte-fallback tokens, the library returns
one U+FFFD for every byte, even for the good characters, which are kept here.
"""

from __future__ import annotations

import codecs

from core.tokens.tokenizer import TextTokenizer

_LONGEST_WAIT = 8  # tokens, where the decoder is not known: no character takes more


class Detokenizer:
    """The text of one answer. EOS and the other stop ids have no text; special tokens that do not stop (a `<think>`)
    are text."""

    def __init__(self, tokenizer: TextTokenizer, *, at_start: bool = True) -> None:
        """at_start: the ids begin a text, so that a sentencepiece tokenizer's blank before it is dropped and the result
        equals `tokenizer.decode`. False: the ids continue a prompt, and a first token " 42" keeps its blank, so that
        prompt and answer together encode to the same ids again."""
        self._tokenizer, self._token_bytes = tokenizer, tokenizer.token_bytes
        self._first = at_start
        self._strip_letter, self._strip_count = self._token_bytes.strip if at_start else ("", 0)
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        # Where the decoder is not known: the tokens that were returned last, then those that wait.
        self._window: list[int] = []
        self._returned = 0  # tokens at the beginning of the window whose text was returned

    def push(self, id: int) -> str:
        """The text that this token completes; may be empty."""
        if id in self._tokenizer.stop_ids or (self._first and self._tokenizer.raw.id_to_token(id) is None):
            return ""  # an unknown id has no text, so the next one is still the first
        data = self._token_bytes.data(id, self._first)
        self._first = False
        return self._push_to_window(id) if data is None else self._stripped(self._utf8.decode(data))

    def close(self) -> str:
        """The text that was held back. The detokenizer can then be used again, in the middle of a text."""
        rest = self._stripped(self._utf8.decode(b"", final=True)) + self._window_text()
        self._utf8.reset()
        self._window, self._returned = [], 0
        return rest

    def _stripped(self, text: str) -> str:
        if not self._strip_count or not text:
            return text
        rest = text
        while self._strip_count and rest.startswith(self._strip_letter):
            rest, self._strip_count = rest[1:], self._strip_count - 1
        if rest:
            self._strip_count = 0
        return rest

    def _push_to_window(self, id: int) -> str:
        self._window.append(id)
        text = self._window_text()
        incomplete = text.endswith("�") and len(self._window) - self._returned < _LONGEST_WAIT
        if not text or incomplete:
            return ""
        self._window = self._window[self._returned :]
        self._returned = len(self._window)
        return text

    def _window_text(self) -> str:
        """The text that the waiting tokens add to the tokens before them, which decide about blanks."""
        if not self._window:
            return ""
        before = self._tokenizer.decode(self._window[: self._returned])
        return self._tokenizer.decode(self._window)[len(before) :]
