"""What a run's model answers to its probe questions, laid out to be read with and without colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from textual.content import Content

from core.base.plural import counted
from core.base.safe_text import safe_line, safe_text
from core.base.text_differences import WordChange, marked_words
from core.runs.samples_file import ProbeAnswer, ProbeQuestion, RunSamples, answer_change

SampleView = Literal["first", "before", "alone"]
VIEWS: tuple[SampleView, ...] = ("first", "before", "alone")
"""Answers with what changed since the first sample, since the sample before, and as they are."""
_STYLES = {"-": "strike $error", "+": "bold $success", " ": ""}
_MOST = 20_000  # characters of a text that are shown
_SOURCES = {
    "kept out": "kept out for evaluation",
    "test": "a test row",
    "trained on": "trained on, because no other row is there",
    "chosen": "chosen",
}
_ENDS = {
    "length": "cut at its longest",
    "runaway": "went on with another question",
    "not_finite": "its scores are no numbers",
}


def question_content(
    samples: RunSamples, question: ProbeQuestion, position: str, step: int, view: SampleView
) -> Content:
    """A question with its answer at `step`. position: `2 of 4`."""
    source = _SOURCES.get(question.source, safe_line(question.source, 40))
    about = f"row {question.row:,}, {source}" if question.row >= 0 else "a question of your own"
    parts = [
        Content.styled(f"── {position} · {about} ", "bold $primary"),
        Content(_shown(question.text)),
    ]
    if question.expected:
        parts.append(Content.styled(f"expected: {_shown(question.expected)}", "$text-muted"))
    answer = samples.answer(question.id, step)
    if answer is None:
        parts.append(Content.styled("It was not asked at this step.", "$warning"))
        return Content("\n").join(parts)
    return Content("\n").join([*parts, *_answer_lines(answer, _compared_with(samples, answer, view))])


def _compared_with(samples: RunSamples, answer: ProbeAnswer, view: SampleView) -> ProbeAnswer | None:
    if view == "alone":
        return None
    return samples.first(answer) if view == "first" else samples.before(answer)


def _answer_lines(answer: ProbeAnswer, old: ProbeAnswer | None) -> list[Content]:
    change = answer_change(old, answer) if old is not None else None
    since = "" if old is None else f", the same as at step {old.step:,}"
    if change is not None and not change.is_none and old is not None:
        since = f", changed since step {old.step:,}"
    ends = _ENDS.get(answer.finish, "")
    tokens = counted(answer.tokens, "token") + (f", {ends}" if ends else "")
    reasoning = _words(change.reasoning) if change is not None else Content(_shown(answer.reasoning))
    response = _words(change.response) if change is not None else Content(_shown(answer.response))
    none = Content.styled("(none)", "$text-muted")
    return [
        Content.styled("Reasoning", "bold $reasoning"),
        reasoning if reasoning.plain else none,
        Content.styled("Response", "bold").append(Content.styled(f"  {tokens}{since}", "$text-muted")),
        response if response.plain else none,
        Content(""),
    ]


def _words(changes: Sequence[WordChange]) -> Content:
    shown = Content("")
    for change in changes:
        cut = change._replace(text=_shown(change.text))
        shown = shown.append(Content.styled(marked_words(cut), _STYLES[change.sign]))
    return shown


def _shown(text: str) -> str:
    return safe_text(text[:_MOST]) + ("…" if len(text) > _MOST else "")
