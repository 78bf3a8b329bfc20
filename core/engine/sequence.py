"""One answer on its way: its prompt, its tokens, when it ends, and its times. Knows nothing of models or rows."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeAlias

from core.engine.answer_reader import AnswerReader
from core.engine.answer_scores import AnswerScores
from core.engine.drafts import AnswerDrafts
from core.engine.protocol import AnswerEvent, AnswerFinish, AnswerPiece, FinishReason
from core.engine.sampling.token_choice import TokenChoice, TokenScores
from core.engine.sentinel import LoopWarning

AnswerPart: TypeAlias = AnswerEvent | AnswerScores
"""What is sent of an answer: its events, and log-probabilities where they are asked for."""
Spell: TypeAlias = Callable[[Sequence[TokenScores]], AnswerScores]
"""Adds the bytes of the tokens to their log-probabilities."""

FLUSH_SECONDS = 0.01
"""Tokens that come faster than this are made into text, and sent, together: nobody can see them apart."""
FLUSH_TOKENS = 8
"""The most tokens that are made into text together: so many may be too many when the text ends the answer."""


class AnswerSequence:
    """The state of one answer. The pool of rows moves `fed` and the placement; the worker asks for the text."""

    def __init__(
        self,
        prompt: list[int],
        reader: AnswerReader,
        *,
        choice: TokenChoice,
        limit: int,
        stop_ids: frozenset[int],
        cold: bool = False,
        echo: str = "",
        spell: Spell | None = None,
        drafts: AnswerDrafts | None = None,
    ) -> None:
        """limit: the most new tokens; 0 only feeds the prompt. cold: without reuse, on the plain path. echo: text that
        comes before the answer's own. spell: where log-probabilities are asked for.
        drafts: where a text is known that it may be like."""
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
        self.given: deque[int] = deque()
        """Tokens that are fed instead of chosen ones, of which the host has read none."""
        self.drafts, self.draft_why = drafts, ""
        self._reader = reader
        self._unread: list[int] = []
        self._parts: list[AnswerPart] = [AnswerPiece("response", echo)] if echo else []
        self._spell = spell
        self._scores: list[TokenScores] = []  # of tokens that were not sent
        self._scored = 0  # tokens whose scores were sent
        self._loop: LoopWarning | None = None  # the last one that was told
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
        else:
            self._reader.begin()

    def take(self, token: int, scores: TokenScores | None = None) -> bool:
        """Read a chosen or given token; whether the answer goes on. scores: its log-probability, if asked for."""
        if not self.tokens:
            self._first = time.perf_counter() - self._start
        self.tokens.append(token)
        if self.given:
            self.given.popleft()
        if self.drafts is not None:
            self.drafts.push(token)
        if token in self.stop_ids:
            self.end("end")
        else:
            self._unread.append(token)
            if scores is not None:
                self._scores.append(scores)
            if self._reader.reads_every_token:
                self._read()
            if self.count >= self.limit:
                self.end("length")
        return self.reason is None

    def propose(self) -> list[int]:
        """Tokens that may follow, to be verified; empty where there are none, or each must be read by itself."""
        if self.drafts is None or self.given or self.cold or self._spell is not None or self._reader.reads_every_token:
            return []
        return self.drafts.propose(self.limit - self.count - 1)

    def take_given(self) -> list[int]:
        """The tokens that must be fed next instead of chosen ones, each told once; mostly none."""
        ids = self._reader.take_forced() if self.reason is None else []
        self.given += ids
        return ids

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
        return bool(waiting or self._parts) and (waiting >= FLUSH_TOKENS or now - self._flushed >= FLUSH_SECONDS)

    def new_text(self) -> list[AnswerPart]:
        """The text of all tokens read since the last call, and what else there is to tell. It may end the answer."""
        self._flushed = time.perf_counter()
        self._read()
        parts, self._parts = self._parts, []
        return [*self._new_scores(), *parts]

    def finish(self) -> list[AnswerPart]:
        """The last parts of the answer, which has ended: text that was held back, and how it ended."""
        last = [*self.new_text(), *self._reader.close()]
        self._end_by_text()
        reason = self.reason or "stopped"
        finish = AnswerFinish(
            reason=reason,
            ending=self._reader.ending,
            prompt_tokens=len(self.prompt),
            tokens=self._reader.tokens,
            prefill_seconds=self._prefill,
            first_token_seconds=self._first,
            total_seconds=self._end,
            tokens_per_second=self._rate(),
            path=self.path,
            path_why=self.path_why,
            reused_tokens=self.reused,
            reuse_why=self.reuse_why,
            stop_string=self._reader.stop_string,
            loop=self._reader.loop,
            drafted_tokens=0 if self.drafts is None else self.drafts.right,
            draft_why=self._why_no_drafts(),
            reasoning_closed=self._reader.has_closed_reasoning,
        )
        return [*last, finish]

    # -- inside --

    def _why_no_drafts(self) -> str:
        if self.drafts is None:
            return ""
        if self.cold:
            return "a cold answer was asked for"
        if self._spell is not None:
            return "log-probabilities are told of each token by itself"
        return "a thinking budget reads each token by itself" if self._reader.reads_every_token else self.draft_why

    def _read(self) -> None:
        tokens, self._unread = self._unread, []
        self._parts += self._reader.push(tokens)
        if self._reader.loop is not None and self._reader.loop != self._loop:
            self._loop = self._reader.loop
            self._parts.append(self._loop)
        self._end_by_text()

    def _end_by_text(self) -> None:
        """What the text says of its end stands above a limit or a stop: these were reached behind it."""
        if self._reader.ended is not None:
            self.end(self._reader.ended)
            self.reason = self._reader.ended

    def _new_scores(self) -> list[AnswerScores]:
        """The log-probabilities of tokens that were read and belong to the answer."""
        count = self._reader.tokens - self._scored
        scores, self._scores = self._scores[:count], self._scores[count:]
        self._scored += len(scores)
        return [self._spell(scores)] if scores and self._spell is not None else []

    def _rate(self) -> float:
        """Tokens per second after the first one; for a single token, over the total time. The end of sequence counts,
        because it takes time too."""
        decoded = len(self.tokens)
        if decoded > 1 and self._end > self._first:
            return (decoded - 1) / (self._end - self._first)
        return decoded / self._end if self._end > 0 else 0.0
