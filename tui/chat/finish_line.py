"""The line below the answer: what is being done, then how the answer ended and how long it took.

It is drawn again only when its text changes.
"""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from core.base.safe_text import safe_line
from core.engine.protocol import AnswerFinish
from core.engine.sentinel import loop_words

REASONS = {
    "end": "End of answer",
    "length": "Token limit reached",
    "stopped": "Stopped",
    "runaway": "Ran on into a new instruction",
    "stop_string": "Stop text reached",
    "loop": "Stopped in a loop",
    "unloaded": "The model was unloaded",
}


def ending_words(finish: AnswerFinish, has_response: bool = True) -> str:
    """Why the answer ended, and what is unusual about it. has_response: whether the response has any text."""
    words = REASONS[finish.reason]
    if finish.stop_string:
        words += f" ({finish.stop_string!r})"
    if finish.loop is not None:
        words += f", {loop_words(finish.loop)}"
    if finish.reasoning_closed:
        words += ", its reasoning closed at the budget"
    if finish.reason == "runaway" and finish.ending == "complete":
        return "Finished the answer, then began another section"
    if finish.ending == "in_reasoning":
        return f"{words} inside the reasoning, no response"
    if finish.ending == "runaway" and finish.reason != "runaway":
        return f"{words}, ran on into a new instruction"
    return words if has_response else f"{words}, the response is empty"


def timing_words(finish: AnswerFinish) -> str:
    """Tokens, times in seconds, and the rate."""
    fed = f"prefill of {finish.prompt_tokens}"
    if finish.reused_tokens:
        fed = f"prefill of {finish.prompt_tokens - finish.reused_tokens}, {finish.reused_tokens} kept,"
    drafted = f", {finish.drafted_tokens} as before" if finish.drafted_tokens else ""
    parts = (
        f"{finish.tokens} token{'' if finish.tokens == 1 else 's'}{drafted}",
        f"{fed} in {seconds_words(finish.prefill_seconds)}",
        f"first token {seconds_words(finish.first_token_seconds)}",
        f"total {seconds_words(finish.total_seconds)}",
        f"{finish.tokens_per_second:.1f} tok/s" + (f", {finish.path}" if finish.path else ""),
    )
    return " · ".join(parts)


def seconds_words(value: float) -> str:
    """A time in seconds with about three significant digits."""
    if value < 9.95:
        return f"{value:.2f} s"
    return f"{value:.1f} s" if value < 99.95 else f"{int(value) // 60} min {int(value) % 60} s"


class FinishLine(Static):
    """Two rows, so that nothing above moves when an answer ends. Showing the same text again sends nothing."""

    DEFAULT_CSS = """
    FinishLine { height: 2; width: 1fr; padding: 0 1; color: $text-muted; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown = ("", "")

    @property
    def words(self) -> str:
        """The text of the line."""
        return " · ".join(part for part in self._shown if part)

    def show_state(self, state: str, more: str = "") -> None:
        """Show what is being done, and a detail; both may be foreign."""
        self._show(safe_line(state), safe_line(more), "$foreground")

    def show_finish(self, finish: AnswerFinish, has_response: bool = True) -> None:
        plain = finish.reason == "end" and finish.ending == "complete" and finish.loop is None and has_response
        self._show(
            safe_line(ending_words(finish, has_response), 200),
            timing_words(finish),
            "$success" if plain else "$warning",
        )

    def _show(self, first: str, rest: str, style: str) -> None:
        if (first, rest) != self._shown:
            self._shown = (first, rest)
            parts = [Content.styled(first, style)] + ([Content(" · " + rest)] if rest else [])
            self.update(Content("").join(parts), layout=False)
