"""One answer on its way: its prompt, its tokens, when it ends, and its times. Knows nothing of models or rows."""

from __future__ import annotations

import time
from typing import Any

from core.engine.answer_text import AnswerText
from core.engine.protocol import AnswerFinish, AnswerPiece, FinishReason
from core.engine.steps.step import TokenChoice

FLUSH_SECONDS = 0.01
"""Tokens that come faster than this are made into text, and sent, together: nobody can see them apart."""
FLUSH_TOKENS = 8
"""The most tokens that are made into text together: so many may be too many when the text ends the answer."""


class AnswerSequence:
    """The state of one answer. The pool of rows moves `fed` and the placement; the worker asks for the text."""

    def __init__(
        self,
        prompt: list[int],
        text: AnswerText,
        *,
        choice: TokenChoice,
        limit: int,
        stop_ids: frozenset[int],
        cold: bool = False,
    ) -> None:
        """limit: the most new tokens; 0 only feeds the prompt. cold: without reuse, on the plain path."""
        self.prompt, self.choice, self.limit, self.stop_ids, self.cold = prompt, choice, limit, stop_ids, cold
        self.adapter: str | None = None
        """The label of the adapter that answers, in its model; None for the base model."""
        self.tokens: list[int] = []
        """All chosen tokens that the host has read, the end of sequence included."""
        self.fed = 0
        """Tokens of the prompt that are in the row."""
        self.reason: FinishReason | None = None
        """Why it ended; None while it goes on."""
        self.path, self.path_why = "", ""
        self.reused, self.reuse_why = 0, ""
        self._text = text
        self._unread: list[int] = []
        self._start = self._prefill = self._first = self._end = 0.0
        self._flushed = 0.0

    # -- the row's side --

    def begin(self) -> None:
        """The clock starts: the prompt is fed from now on."""
        self._start = time.perf_counter()

    def prompt_fed(self) -> None:
        """The whole prompt is in the row."""
        self._prefill = time.perf_counter() - self._start
        if self.limit == 0:
            self.end("length")

    def take(self, token: int) -> bool:
        """Read a chosen token; whether the answer goes on."""
        if not self.tokens:
            self._first = time.perf_counter() - self._start
        self.tokens.append(token)
        if token in self.stop_ids:
            self.end("end")
        else:
            self._unread.append(token)
            if self.count >= self.limit:
                self.end("length")
        return self.reason is None

    def end(self, reason: FinishReason) -> None:
        """End it, unless it has ended already."""
        if self.reason is None:
            self.reason = reason
            self._end = time.perf_counter() - self._start if self._start else 0.0

    @property
    def ids(self) -> list[int]:
        """Prompt and tokens: what its row has been fed is a prefix of them."""
        return self.prompt + self.tokens

    @property
    def count(self) -> int:
        """New tokens, without the end of sequence."""
        return len(self.tokens) - (bool(self.tokens) and self.tokens[-1] in self.stop_ids)

    # -- the reader's side --

    def text_is_due(self, now: float) -> bool:
        """Whether tokens that were read are to become text now. now: of `time.perf_counter`."""
        waiting = len(self._unread)
        return bool(waiting) and (waiting >= FLUSH_TOKENS or now - self._flushed >= FLUSH_SECONDS)

    def new_text(self) -> list[AnswerPiece]:
        """The text of all tokens read since the last call. It may end the answer."""
        self._flushed = time.perf_counter()
        tokens, self._unread = self._unread, []
        pieces = self._text.push(tokens)
        if self._text.ran_away:
            self.end("runaway")
            self.reason = "runaway"
        return pieces

    def finish(self) -> list[AnswerPiece | AnswerFinish]:
        """The last parts of the answer, which has ended: text that was held back, and how it ended."""
        last: list[Any] = [*self.new_text(), *self._text.close()]
        reason = self.reason or "stopped"
        finish = AnswerFinish(
            reason=reason,
            ending=self._text.ending,
            prompt_tokens=len(self.prompt),
            tokens=self.count,
            prefill_seconds=self._prefill,
            first_token_seconds=self._first,
            total_seconds=self._end,
            tokens_per_second=self._rate(),
            path=self.path,
            path_why=self.path_why,
            reused_tokens=self.reused,
            reuse_why=self.reuse_why,
        )
        return [*last, finish]

    def _rate(self) -> float:
        """Tokens per second after the first one; for a single token, over the total time. The end of sequence counts,
        because it takes time too."""
        decoded = len(self.tokens)
        if decoded > 1 and self._end > self._first:
            return (decoded - 1) / (self._end - self._first)
        return decoded / self._end if self._end > 0 else 0.0
