"""samples.jsonl of a run: what its model answered to the same probe questions while it learnt.

Appended by the run's process: each question once, and each of its answers once a step. Everybody else reads it with
`read_samples`. Knows no model and no screen.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from core.base.files import append_json, read_json_lines
from core.base.text_differences import WordChange, word_changes

SAMPLES_FILE = "samples.jsonl"

QuestionSource = Literal["kept out", "test", "trained on", "chosen"]
"""Which rows a question was drawn from: those kept out for evaluation, test rows, rows that are trained on (because
there are no others), or the user's own choice."""


class ProbeQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the run, written once. All texts are foreign."""

    id: str
    """Hex digits of its texts: the same question has the same id in every run."""
    instruction: str
    """Its instruction."""
    input: str = ""
    """Its input; may be empty."""
    expected: str = ""
    """The answer that its row has; empty for a question of the user's own."""
    row: int = -1
    """The row's index in its source; -1 for a question of the user's own."""
    source: str = "chosen"
    """One of `QuestionSource`."""
    template: str = ""
    """The template that it is asked with."""

    @property
    def text(self) -> str:
        """Instruction and input."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


class ProbeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the model answered to a question at a step. The texts are the model's: foreign."""

    step: int
    """Optimizer steps done."""
    question: str
    """The question's id."""
    reasoning: str
    """Its reasoning."""
    response: str
    """Its response."""
    finish: str
    """Why it ends: `end` (the model ended it), `length`, `runaway` (it went on with another question), `not_finite`
    (its scores were no numbers)."""
    tokens: int
    """How many tokens it wrote."""
    time: float = 0.0
    """When, seconds since the epoch."""


class AnswerChange(msgspec.Struct, frozen=True):
    """An answer beside an earlier one to the same question, section by section: its words, and those that are gone."""

    reasoning: list[WordChange]
    """Of the reasoning."""
    response: list[WordChange]
    """Of the response."""

    @property
    def is_none(self) -> bool:
        """Whether both answers have the same texts."""
        return all(change.sign == " " for change in (*self.reasoning, *self.response))


class RunSamples(msgspec.Struct):
    """All questions and answers of a run, as read so far."""

    questions: list[ProbeQuestion] = []
    """In the order in which they were first asked."""
    answers: dict[tuple[str, int], ProbeAnswer] = {}
    """By the question's id and the step."""
    offset: int = 0
    """Bytes of the file that have been read."""

    @property
    def steps(self) -> list[int]:
        """The steps at which anything was answered, ascending."""
        return sorted({step for _, step in self.answers})

    def steps_of(self, question: str) -> list[int]:
        """The steps at which the question with this id was answered, ascending."""
        return sorted(step for asked, step in self.answers if asked == question)

    def answer(self, question: str, step: int) -> ProbeAnswer | None:
        """The answer to the question with this id at a step."""
        return self.answers.get((question, step))

    def newest(self, question: str) -> ProbeAnswer | None:
        """The last answer to the question with this id."""
        steps = self.steps_of(question)
        return self.answers[question, steps[-1]] if steps else None

    def before(self, answer: ProbeAnswer) -> ProbeAnswer | None:
        """The answer to the same question at the sample before; None for the first one."""
        steps = [step for step in self.steps_of(answer.question) if step < answer.step]
        return self.answers[answer.question, steps[-1]] if steps else None

    def first(self, answer: ProbeAnswer) -> ProbeAnswer | None:
        """The first answer to the same question, of step 0 as a rule; None where it is that itself."""
        first = self.steps_of(answer.question)[0]
        return self.answers[answer.question, first] if first < answer.step else None


def answer_change(old: ProbeAnswer, new: ProbeAnswer) -> AnswerChange:
    """What changed from `old` to `new`."""
    return AnswerChange(word_changes(old.reasoning, new.reasoning), word_changes(old.response, new.response))


def read_samples(folder: Path, before: RunSamples | None = None) -> RunSamples:
    """The samples of the run in `folder`; none where it asked none. before: what an earlier call returned, so
    that only what is new is read. Lines of another shape are skipped; of two answers to a question at a step the first
    counts. Raises OSError."""
    before = before or RunSamples()
    samples = RunSamples(list(before.questions), dict(before.answers), before.offset)
    lines, samples.offset = read_json_lines(folder / SAMPLES_FILE, samples.offset)
    known = {question.id for question in samples.questions}
    for line in lines:
        read = _read(line)
        if isinstance(read, ProbeAnswer):
            samples.answers.setdefault((read.question, read.step), read)
        elif read is not None and read.id not in known:
            known.add(read.id)
            samples.questions.append(read)
    return samples


def append_sample(folder: Path, line: ProbeQuestion | ProbeAnswer) -> None:
    """Append a question or an answer. Raises OSError."""
    append_json(folder / SAMPLES_FILE, line)


def _read(line: dict[str, Any]) -> ProbeQuestion | ProbeAnswer | None:
    try:
        return msgspec.convert(line, ProbeAnswer) if "step" in line else msgspec.convert(line, ProbeQuestion)
    except msgspec.ValidationError:
        return None  # of a later version, or two torn lines that happen to form JSON
