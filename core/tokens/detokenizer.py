"""Token ids to text while they arrive: each `push` gives every character that is complete, and holds back only the
bytes of one that is not.

The library's own `DecodeStream` decodes a growing window again until it ends in a whole character: bytes that never
become one wait for the next good token at a cost that grows with the square of the wait, and what still waits when the
answer ends never comes out. So tokens become bytes here, once each, and an incremental UTF-8 decoder does the rest.
What is no UTF-8 becomes U+FFFD, as in the library; only within a run of byte-fallback tokens that is broken somewhere
the library gives one U+FFFD for every byte of the run, also for its good characters, which are kept here.
"""

from __future__ import annotations

import codecs

from core.tokens.tokenizer import TextTokenizer

_LONGEST_WAIT = 8  # tokens, where the decoder is not known: no character is made of more


class Detokenizer:
    """One answer's text. EOS and the other stop ids give nothing; special tokens that are not stops (a `<think>`) are
    text.

    at_start: the ids begin a text, so a sentencepiece tokenizer's blank in front of it is dropped and the whole equals
    `tokenizer.decode`. False: they go on after a prompt, and a first token " 42" keeps its blank, which is what prompt
    plus answer encode to again.
    """

    def __init__(self, tokenizer: TextTokenizer, *, at_start: bool = True) -> None:
        self._tokenizer, self._pieces = tokenizer, tokenizer.pieces
        self._first = at_start
        self._strip_letter, self._strip = self._pieces.strip if at_start else ("", 0)
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._window: list[int] = []  # where the decoder is not known: the last given out tokens, then the waiting ones
        self._given = 0

    def push(self, id: int) -> str:
        """The text that this token completes; may be empty."""
        if id in self._tokenizer.stop_ids or (self._first and self._tokenizer.raw.id_to_token(id) is None):
            return ""  # an unknown id says nothing, so the next one is still the first
        data = self._pieces.data(id, self._first)
        self._first = False
        return self._by_window(id) if data is None else self._stripped(self._utf8.decode(data))

    def close(self) -> str:
        """What was still held back. The detokenizer is then as new, in the middle of a text."""
        rest = self._stripped(self._utf8.decode(b"", final=True)) + self._window_text()
        self._utf8.reset()
        self._window, self._given = [], 0
        return rest

    def _stripped(self, text: str) -> str:
        if not self._strip or not text:
            return text
        rest = text
        while self._strip and rest.startswith(self._strip_letter):
            rest, self._strip = rest[1:], self._strip - 1
        if rest:
            self._strip = 0
        return rest

    def _by_window(self, id: int) -> str:
        self._window.append(id)
        text = self._window_text()
        if not text or (text.endswith("�") and len(self._window) - self._given < _LONGEST_WAIT):
            return ""
        self._window = self._window[self._given :]
        self._given = len(self._window)
        return text

    def _window_text(self) -> str:
        """What the waiting tokens add to the ones before them; these decide about blanks."""
        if not self._window:
            return ""
        return self._tokenizer.decode(self._window)[len(self._tokenizer.decode(self._window[: self._given])) :]
