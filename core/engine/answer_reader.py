"""Reads an answer token by token: its text in sections, and what the text or the tokens ask for.

That is an end at a stop string or in a loop, or given tokens that close a reasoning. Knows nothing of models, rows or
sockets.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.engine.protocol import AnswerPiece, FinishReason
from core.engine.sentinel import LoopWarning, Sentinel
from core.engine.stop_strings import StopStrings
from core.engine.thinking_budget import ThinkingBudget
from core.splitter.splitter import AnswerEnding, Splitter, StartSection
from core.tokens.detokenizer import Detokenizer
from core.tokens.tokenizer import TextTokenizer


class AnswerReader:
    """The reader of one answer. Without a splitter it is the unchanged continuation, and all of it response."""

    def __init__(
        self,
        tokenizer: TextTokenizer,
        splitter: Splitter | None,
        *,
        start: StartSection = "undecided",
        stops: StopStrings | None = None,
        least_tokens: int = 0,
        budget: ThinkingBudget | None = None,
        stops_in_loop: bool = False,
    ) -> None:
        """start: the section in which the answer begins. least_tokens: tokens before which no stop string ends it.
        stops_in_loop: whether a loop ends it; it is told in any case."""
        self._detokenizer = Detokenizer(tokenizer, at_start=False)
        self._splitter, self._start = splitter, start
        self._stops, self._least = stops, least_tokens
        self._budget = budget if splitter is not None else None
        self._sentinel = Sentinel()
        self._stops_in_loop = stops_in_loop
        self._forced: list[int] = []
        self.tokens = 0
        """Tokens that were read and belong to the answer."""
        self.ended: FinishReason | None = None
        """Why the answer ends by what was read: runaway, stop_string or loop; None while it may go on."""
        self.loop: LoopWarning | None = None
        """The last loop."""

    @property
    def reads_every_token(self) -> bool:
        """Whether each token must be pushed before the next one is fed, because given tokens may have to follow it."""
        return self._budget is not None

    @property
    def stop_string(self) -> str:
        """The stop string that ended the answer; empty for none."""
        return "" if self._stops is None else self._stops.found

    @property
    def has_closed_reasoning(self) -> bool:
        """Whether the reasoning used up its budget."""
        return self._budget is not None and self._budget.has_closed

    @property
    def ran_away(self) -> bool:
        """Whether all further text would be dropped."""
        return self._splitter is not None and self._splitter.ran_away

    @property
    def ending(self) -> AnswerEnding:
        """How the text ended."""
        return "complete" if self._splitter is None else self._splitter.ending

    def begin(self) -> None:
        """The prompt was fed, and no token was read yet."""
        if self._budget is not None:
            self._forced += self._budget.begin(self._start)

    def take_forced(self) -> list[int]:
        """The tokens to feed next instead of chosen ones (`Step.force`), since the last call; mostly none."""
        forced, self._forced = self._forced, []
        return forced

    def push(self, tokens: Sequence[int]) -> list[AnswerPiece]:
        """Read tokens, without an end of sequence; returns the text that is certain now, one piece for each run of a
        section. What comes behind the token that ended the answer is not read."""
        pieces: list[AnswerPiece] = []
        for token in tokens:
            if self.ended is not None:
                break
            self._read(token, pieces)
        return pieces

    def close(self) -> list[AnswerPiece]:
        """The answer is over: the text that was held back."""
        pieces: list[AnswerPiece] = []
        text = self._detokenizer.close() if self.ended is None else ""
        if self._stops is not None:
            text = self._through_stops(text) + self._stops.close()
            if self.stop_string and self.ended is None:
                self.ended = "stop_string"
        self._split(text, pieces)
        if self._splitter is not None:
            for part in self._splitter.close():
                _join(pieces, AnswerPiece(part.section, part.text))
        return pieces

    def _read(self, token: int, pieces: list[AnswerPiece]) -> None:
        self.tokens += 1
        text = self._detokenizer.push(token)
        self._split(self._through_stops(text), pieces)
        if self.stop_string:
            self.ended = "stop_string"
        elif self.ran_away:
            self.ended = "runaway"
        if warning := self._sentinel.read(token, text):
            self.loop = warning
            if self._stops_in_loop and self.ended is None:
                self.ended = "loop"
        if self._budget is not None and self._splitter is not None and self.ended is None:
            whole = bool(text) and not self._splitter.holds_marker
            self._forced += self._budget.read(self._splitter.section, is_whole=whole)

    def _through_stops(self, text: str) -> str:
        if self._stops is None or self.tokens < self._least:
            return text
        return self._stops.feed(text)

    def _split(self, text: str, pieces: list[AnswerPiece]) -> None:
        if not text:
            return
        if self._splitter is None:
            _join(pieces, AnswerPiece("response", text))
            return
        for part in self._splitter.feed(text):
            _join(pieces, AnswerPiece(part.section, part.text))


def _join(pieces: list[AnswerPiece], piece: AnswerPiece) -> None:
    """Add a piece; text of one section in a row is one piece."""
    if pieces and pieces[-1].section == piece.section:
        pieces[-1] = AnswerPiece(piece.section, pieces[-1].text + piece.text)
    else:
        pieces.append(piece)
