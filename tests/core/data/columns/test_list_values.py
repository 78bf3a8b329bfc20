"""Lists and objects become the texts inside them; what holds no text is refused by name."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import DataError
from core.data.columns.generations import as_list
from core.data.columns.inner_text import describe, describe_inner, first_text, inner_text, joined_text
from core.data.columns.mapping import ColumnMapping, ColumnPick, read_row
from core.data.columns.turns import UnreadableTurns
from core.data.source import open_data

QUESTION = "How many legs have two dogs?"
THINK = "<think>\n4 and 4\n</think>\n\nEight."


def rows(path: Path, *answers: Any, name: str = "answer", **more: Any) -> list[tuple[str, str]]:
    lines = [json.dumps({"question": QUESTION, name: answer, **more}) for answer in answers]
    path.write_text("\n".join(lines))
    data = open_data(str(path))
    return [(data.row(index).reasoning, data.row(index).output) for index in range(len(data))]


def api(content: str, **message: Any) -> dict[str, Any]:
    return {"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": content, **message}}]}


@pytest.mark.parametrize(
    ("answer", "reasoning", "output"),
    [
        (["Eight."], "", "Eight."),
        (["Eight.", "Or so."], "", "Eight."),
        ([None, "Eight."], "", "Eight."),
        ([8], "", "8"),
        ({"text": "Eight."}, "", "Eight."),
        ({"text": ["Eight.", "8"], "answer_start": [3, 9]}, "", "Eight."),
        ([{"response": "Eight.", "model": "m"}], "", "Eight."),
        ([{"text": "Six.", "score": 1}, {"text": "Eight.", "score": 2.5}], "", "Eight."),
        ([{"text": "Six.", "correct": False}, {"text": "Eight.", "correct": True}], "", "Eight."),
        ([{"text": THINK, "score": 1}], "4 and 4", "Eight."),
        (api("Eight."), "", "Eight."),
        (api("Eight.", reasoning_content="4 and 4"), "4 and 4", "Eight."),
        (api(THINK), "4 and 4", "Eight."),
        ({"candidates": [{"content": {"parts": [{"text": "Ei"}, {"text": "ght."}]}}]}, "", "Eight."),
        (
            {"content": [{"type": "thinking", "thinking": "4 and 4"}, {"type": "text", "text": "Eight."}]},
            "4 and 4",
            "Eight.",
        ),
    ],
)
def test_the_text_inside_an_answer(tmp_path: Path, answer: Any, reasoning: str, output: str) -> None:
    assert rows(tmp_path / "a.jsonl", *[answer] * 3) == [(reasoning, output)] * 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"name": "Rex", "legs": 4}, "answer: it is an object (name, legs), not a text"),
        ([["a"], ["b"]], "answer: it is a list of 2, not a text"),
        ([{"name": "Rex", "legs": 4}], "answer: it is a list of 1, not a text"),
    ],
)
def test_what_holds_no_text_is_named(tmp_path: Path, answer: Any, said: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"question": QUESTION, "answer": answer}) + "\n")
    with pytest.raises(DataError, match="its only row, at 1, cannot be used") as caught:
        open_data(str(tmp_path / "a.jsonl"))
    assert said in str(caught.value)
    picks = {"instruction": ColumnPick("question"), "output": ColumnPick("answer", "json")}
    texts = read_row(ColumnMapping(picks, by_hand=True), {"question": QUESTION, "answer": answer})
    assert texts[3] == json.dumps(answer, separators=(",", ":"))


def test_all_answers_marked_wrong_are_no_row(tmp_path: Path) -> None:
    good = [{"text": "Eight.", "correct": True}]
    wrong = [{"text": "Six.", "correct": False}]
    (tmp_path / "a.jsonl").write_text(
        "\n".join(json.dumps({"question": QUESTION, "answer": answer}) for answer in (good, wrong, good))
    )
    data = open_data(str(tmp_path / "a.jsonl"))
    assert [problem.what for problem in data.problems] == ["answer: none of its 1 answers is marked as correct"]


@pytest.mark.parametrize(
    ("steps", "reasoning"),
    [
        (["4 legs each.", "Two of them."], "4 legs each.\nTwo of them."),
        (["1. 4 legs each.", "2. Two of them."], "1. 4 legs each.\n2. Two of them."),
        (["4 legs\neach.", "Two of them."], "4 legs\neach.\n\nTwo of them."),
        ([{"text": "4 legs each.", "rating": 1}, {"text": "Two of them.", "rating": 0}], "4 legs each.\nTwo of them."),
        (["4 and 4"], "4 and 4"),
        ([], ""),
        (None, ""),
    ],
)
def test_steps_are_joined(tmp_path: Path, steps: Any, reasoning: str) -> None:
    filled = ["4 legs each.", "Two of them."]
    lines = [{"question": QUESTION, "reasoning_steps": each, "answer": "Eight."} for each in (steps, *[filled] * 5)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert open_data(str(tmp_path / "a.jsonl")).row(0).reasoning == reasoning


def test_alternatives_are_not_joined(tmp_path: Path) -> None:
    answers = ["Eight.", "8"]
    (tmp_path / "a.jsonl").write_text(json.dumps({"question": QUESTION, "rationales": answers, "answer": answers}))
    data = open_data(str(tmp_path / "a.jsonl"))
    assert (data.row(0).reasoning, data.row(0).output) == ("Eight.", "Eight.")
    said = {column: [pick.how for pick in several] for column, several in data.mapping.unclear.items()}
    assert said == {"reasoning": ["first", "joined"], "output": ["first", "joined"]}
    assert data.mapping.picks["output"].why == "named answer, the first of a list"


def test_lists_in_csv_are_read_as_lists(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("question", "reasoning", "answer"), *[(QUESTION, '["4","4"]', '["Eight."]')] * 3])
    with (tmp_path / "b.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("question", "answer"), *[(QUESTION, "['Eight.']")] * 3])  # as pandas writes it
    assert open_data(str(tmp_path / "b.csv")).row(0).output == "Eight."
    data = open_data(str(tmp_path / "a.csv"))
    assert (data.row(2).reasoning, data.row(2).output) == ("4\n4", "Eight.")


@pytest.mark.parametrize(
    "answer", ["[1, 2]", '{"name": "Rex"}', '[{"name": "f", "arguments": {}}]', "[a link](b)", '{"text": "Eight."}']
)
def test_json_that_is_the_answer_stays(tmp_path: Path, answer: str) -> None:
    assert rows(tmp_path / "a.jsonl", *[answer] * 3) == [("", answer)] * 3


def test_the_reason_says_which_is_taken() -> None:
    scored = [{"text": "a", "score": 1}, {"text": "b"}]
    assert describe_inner([scored]) == "the text inside the best marked object of a list"
    assert describe_inner([[{"text": "a"}, {"text": "b"}]]) == "the text inside the first object of a list"
    assert describe_inner([[{"text": "a"}]]) == "the text inside a list of one"
    assert describe_inner([{"text": "a"}]) == "the text inside an object"
    assert describe_inner([{"name": "Rex", "legs": 4}, 7]) == ""
    assert describe([]) == "an empty list" and describe({}) == "an empty object" and describe(7) == "a single value"


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "score", "choices", "content", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_value)
def test_any_value_is_read_or_refused(value: Any) -> None:
    for read in (inner_text, joined_text, first_text):
        try:
            found = read(value)
        except UnreadableTurns as error:
            assert str(error)
            continue
        assert found is None or isinstance(found, str) or isinstance(found.text, str)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_joined_texts_are_all_there(texts: list[str]) -> None:
    joined = joined_text(texts)
    assert joined is not None and joined.replace("\n", "") == "".join(texts).replace("\n", "")
    assert first_text(texts) == texts[0] and as_list(json.dumps(texts)) == texts


def test_a_part_without_its_text_does_not_give_its_type() -> None:
    with pytest.raises(UnreadableTurns, match="a list of 2"):
        inner_text([{"type": "text"}, {"type": "text"}])
