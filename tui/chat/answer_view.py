"""The answer: reasoning and response in two panels as they arrive, or why there is no answer.

Knows pieces of text and how an answer ends; asks nothing. What arrives is kept and painted at most ten times a second.
"""

from __future__ import annotations

import time

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static

from core.base.errors import SuironError, error_sentences
from core.base.safe_text import safe_line, safe_text
from core.engine.protocol import AnswerPiece
from tui.chat.stream_panel import StreamPanel

FLUSH = 0.1  # seconds between two paints of what has arrived
NO_REASONING = "This template does not ask for reasoning."


class AnswerView(Container):
    """`begin` empties the panels, `take` adds a piece of the answer, `end` completes them."""

    def __init__(self) -> None:
        super().__init__(id="answer")
        self.has_answer = False
        """Whether an answer has begun: until then the panels say what they are for."""
        self._reasons = True  # whether the template of the answer asks for reasoning
        self._pending: dict[str, list[str]] = {"reasoning": [], "response": []}
        self._flushed = 0.0
        self._flush_timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="trouble")
        with Container(id="panels"):
            yield StreamPanel("Reasoning", id="reasoning")
            yield StreamPanel("Response", markdown=True, id="response")

    @property
    def reasoning(self) -> StreamPanel:
        return self.query_one("#reasoning", StreamPanel)

    @property
    def response(self) -> StreamPanel:
        return self.query_one("#response", StreamPanel)

    # -- an answer --

    def show_template(self, reasons: bool) -> None:
        """Before the first answer: say what the panels are for. reasons: whether the template asks for reasoning."""
        if not self.has_answer:
            self._use_template(reasons)
            self.reasoning.show_hint("The reasoning appears here." if reasons else NO_REASONING)
            self.response.show_hint("The response appears here.")

    def begin(self, reasons: bool, asked: str) -> None:
        """Start an answer. reasons: whether its template asks for reasoning; asked: the model, foreign text."""
        self.has_answer = True
        self.hide_trouble()
        self._use_template(reasons)
        for panel in (self.reasoning, self.response):
            panel.begin()
        self.reasoning.show_hint("" if reasons else NO_REASONING)
        self.response.show_hint("")
        title = Content(f"Response · {safe_line(asked, 60)}")
        if self.response.border_title != title:  # setting it paints the whole panel
            self.response.border_title = title

    def take(self, piece: AnswerPiece) -> None:
        """Keep a piece until the next paint."""
        self._pending[piece.section].append(piece.text)
        if self._flush_timer is None:
            wait = FLUSH - (time.monotonic() - self._flushed)
            if wait <= 0:
                self._flush()
            else:
                self._flush_timer = self.set_timer(wait, self._flush)

    def end(self, complete: bool) -> None:
        """End the answer. complete: whether the engine said how it ended; an empty panel then says that it is empty."""
        self._flush()
        for panel in (self.reasoning, self.response):
            panel.finish()
        if complete:
            self.response.show_hint("The response is empty.")
            self.reasoning.show_hint("The reasoning is empty." if self._reasons else NO_REASONING)

    @property
    def has_response(self) -> bool:
        return bool(self.response.text.strip())

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.stop()
            self._flush_timer = None
        self._flushed = time.monotonic()
        for section, pieces in self._pending.items():
            if pieces:
                self.query_one(f"#{section}", StreamPanel).append("".join(pieces))
                pieces.clear()

    def _use_template(self, reasons: bool) -> None:
        """A narrow screen hides the reasoning panel where it would stay empty."""
        self._reasons = reasons
        self.set_class(not reasons, "-no-reasoning")

    # -- no answer --

    def show_trouble(self, error: SuironError) -> None:
        """What happened, to what, and what to do next."""
        sentences = error_sentences(error)
        parts = [Content.styled(safe_text(sentences.what), "bold")]
        if sentences.where:
            parts.append(Content.styled(safe_line(sentences.where, 300), "$foreground"))
        if sentences.do:
            parts.append(Content.styled(safe_line(sentences.do), "$foreground"))
        trouble = self.query_one("#trouble", Static)
        trouble.update(Content("\n").join(parts))
        trouble.add_class("-shown")

    def hide_trouble(self) -> None:
        self.query_one("#trouble").remove_class("-shown")
