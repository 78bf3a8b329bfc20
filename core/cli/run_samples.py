"""`runs ID --samples`: what the model answered to the probe questions, and what changed since it began."""

from __future__ import annotations

from collections.abc import Sequence

from core.base.command_output import CommandOutput
from core.base.errors import RunError
from core.base.text_differences import WordChange, marked_words
from core.runs.run_folder import RunFolder
from core.runs.samples_file import ProbeAnswer, ProbeQuestion, RunSamples, answer_change


def print_samples(run: RunFolder, output: CommandOutput) -> None:
    """As text: of each question the newest answer, and its changes since the first one; removed words stand in `[-`
    `-]`, new ones in `{+` `+}`. As records: each question, each answer, and for the newest its changes. Raises
    RunError where the file cannot be read."""
    try:
        samples = run.samples()
    except OSError as error:
        what = f"the samples cannot be read ({error.strerror or error})"
        raise RunError(what, str(run.path / "samples.jsonl"), "Check the disk it is on") from error
    for question in samples.questions:
        output.record({"run": run.id, "question": question})
    for answer in samples.answers.values():
        output.record({"run": run.id, "answer": answer})
    for question in samples.questions:
        _print_question(run, question, samples, output)
    if not samples.questions:
        output.note(
            f"{run.id} has answered no probe questions. `python -m core runs control {run.id} sample` asks them while "
            "it works; samples.steps in its specification, every so many steps."
        )


def _print_question(run: RunFolder, question: ProbeQuestion, samples: RunSamples, output: CommandOutput) -> None:
    output.text(f"\n=== {question_title(question)}\n{question.text}")
    if question.expected:
        output.text(f"--- expected\n{question.expected}")
    newest = samples.newest(question.id)
    if newest is None:
        return
    _print_answer(newest, output)
    first = samples.first(newest)
    if first is None:
        return
    change = answer_change(first, newest)
    since = {"question": question.id, "from_step": first.step, "to_step": newest.step}
    output.record({"run": run.id, "change": {**since, "reasoning": change.reasoning, "response": change.response}})
    if change.is_none:
        output.text(f"--- the same as at step {first.step}")
        return
    for section, words in (("reasoning", change.reasoning), ("response", change.response)):
        if words:
            output.text(f"--- {section} since step {first.step}\n{changed_words(words)}")


def _print_answer(answer: ProbeAnswer, output: CommandOutput) -> None:
    output.text(f"--- reasoning at step {answer.step}\n{answer.reasoning}")
    output.text(f"--- response at step {answer.step}: {answer.tokens} tokens, {answer.finish}\n{answer.response}")


def question_title(question: ProbeQuestion) -> str:
    """Where a question comes from: `row 12, kept out`, or `your own question`."""
    return f"row {question.row}, {question.source}" if question.row >= 0 else "your own question"


def changed_words(changes: Sequence[WordChange]) -> str:
    """A text without colours: words that are gone in `[-` `-]`, new ones in `{+` `+}`."""
    return "".join(marked_words(change) for change in changes)
