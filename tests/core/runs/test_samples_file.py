"""samples.jsonl is read as it grows, whatever a killed writer has left, and says what changed between two answers."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from core.base.text_differences import marked_words, word_changes
from core.runs.samples_file import (
    SAMPLES_FILE,
    ProbeAnswer,
    ProbeQuestion,
    RunSamples,
    answer_change,
    append_sample,
    read_samples,
)


def answer(question: str, step: int, response: str = "four", reasoning: str = "") -> ProbeAnswer:
    return ProbeAnswer(step=step, question=question, reasoning=reasoning, response=response, finish="end", tokens=3)


def test_a_run_without_samples_has_none(tmp_path: Path) -> None:
    samples = read_samples(tmp_path)
    assert samples.questions == [] and samples.steps == [] and samples.newest("a") is None


def test_it_is_read_on_from_where_it_was_read(tmp_path: Path) -> None:
    append_sample(tmp_path, ProbeQuestion(id="a", instruction="What is 3 + 1?", row=7, source="test"))
    append_sample(tmp_path, answer("a", 0))
    samples = read_samples(tmp_path)
    assert samples.steps == [0] and samples.questions[0].text == "What is 3 + 1?"
    (tmp_path / SAMPLES_FILE).open("ab").write(b'{"step": 5, "ques')  # the writer was killed
    assert read_samples(tmp_path, samples).steps == [0]
    append_sample(tmp_path, ProbeQuestion(id="a", instruction="What is 3 + 1?", row=7, source="test"))
    append_sample(tmp_path, answer("a", 5, "5"))
    append_sample(tmp_path, answer("a", 5, "another"))
    append_sample(tmp_path, answer("a", 10, "4"))
    (tmp_path / SAMPLES_FILE).open("ab").write(b'{"step": "nine"}\n[]\n{}\n')
    samples = read_samples(tmp_path, samples)
    assert len(samples.questions) == 1 and samples.steps_of("a") == [0, 5, 10]
    newest = samples.newest("a")
    assert newest is not None and newest.response == "4"
    before, first = samples.before(newest), samples.first(newest)
    assert before is not None and before.response == "5" and first is not None and first.step == 0
    assert samples.before(first) is None and samples.first(first) is None
    assert read_samples(tmp_path).answers == samples.answers


@given(steps=st.lists(st.integers(0, 50)), cut=st.integers(0, 2000))
def test_reading_in_two_goes_is_reading_at_once(tmp_path_factory: object, steps: list[int], cut: int) -> None:
    folder = tmp_path_factory.mktemp("samples")  # type: ignore[attr-defined]
    append_sample(folder, ProbeQuestion(id="a", instruction="q"))
    for step in steps:
        append_sample(folder, answer("a", step, f"at {step}"))
    whole = (folder / SAMPLES_FILE).read_bytes()
    (folder / SAMPLES_FILE).write_bytes(whole[:cut])
    part = read_samples(folder, RunSamples())
    (folder / SAMPLES_FILE).write_bytes(whole)
    again = read_samples(folder, part)
    assert again.answers == read_samples(folder).answers and again.steps == sorted(set(steps))


def test_changes_are_words_and_characters_where_there_are_no_spaces() -> None:
    old = answer("a", 0, "答えは三です。", "One plus one is five now.")
    new = answer("a", 9, "答えは四です。", "One plus one is four.\nSo four.")
    change = answer_change(old, new)
    assert "".join(map(marked_words, change.response)) == "答えは[-三-]{+四+}です。"
    assert "".join(map(marked_words, change.reasoning)) == "One plus one is [-five now-]{+four.\nSo four+}."
    assert not change.is_none and answer_change(new, new).is_none


@given(st.text("ab 四。\n"), st.text("ab 四。\n"))
def test_changes_hold_both_texts(before: str, after: str) -> None:
    changes = word_changes(before, after)
    assert "".join(change.text for change in changes if change.sign != "+") == before
    assert "".join(change.text for change in changes if change.sign != "-") == after
    assert all(change.text for change in changes)


def test_long_texts_are_compared_at_once() -> None:
    changes = word_changes("x y " * 100_000, "y x " * 100_000)
    assert [change.sign for change in changes] == ["-", "+", " "]
