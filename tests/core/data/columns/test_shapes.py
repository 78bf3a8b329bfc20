"""Shapes of public files that are no table of texts: they are read, or the true cause is named with the row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import DataError
from core.cli import main
from core.data.columns.answer_options import named_option
from core.data.columns.column_paths import follow_path, paths_into, split_path
from core.data.columns.guess import guess_mapping, pick_candidates
from core.data.columns.mapping import ColumnPick, read_row
from core.data.columns.nested_text import read_nested
from core.data.columns.turns import read_chat
from core.data.dataset import DataSet
from core.data.source import open_data, open_early

ASK, SAY = {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}


def opened(path: Path, *records: Any) -> DataSet:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return open_data(str(path))


def texts(data: DataSet, index: int = 0) -> tuple[str, str, str, str]:
    row = data.row(index)
    return row.instruction, row.input, row.reasoning, row.output


READ: dict[str, tuple[Any, tuple[str, str, str, str]]] = {
    "parts with a value": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "value": "q"}]},
                {
                    "role": "assistant",
                    "content": [{"type": "reasoning", "value": "r"}, {"type": "text", "value": "a"}],
                },
            ]
        },
        ("q", "", "r", "a"),
    ),
    "turns without a reply beside an answer": (
        {"messages": [{"role": "system", "content": "s"}, ASK], "reasoning": "long thought", "answer": "a"},
        ("q", "", "long thought", "a"),
    ),
    "a preference of single turns": (
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        },
        ("q", "", "", "a"),
    ),
    "a preference of lists": ({"prompt": [ASK], "chosen": [SAY], "rejected": [SAY]}, ("q", "", "", "a")),
    "a record that is a list of turns": ([ASK, SAY], ("q", "", "", "a")),
    "columns of a pair": ({"human": "q", "assistant": "a"}, ("q", "", "", "a")),
    "pairs by speaker": ({"conversation": [{"human": "q", "assistant": "a"}]}, ("q", "", "", "a")),
    "turns by speaker": ({"conversations": [{"user": "q"}, {"assistant": "a"}]}, ("q", "", "", "a")),
    "pairs": ({"conversation": [["q", "a"]]}, ("q", "", "", "a")),
    "pairs of input and output": ({"conversation": [{"input": "q", "output": "a"}]}, ("q", "", "", "a")),
    "an answer inside an object": (
        {"prompt": [ASK], "reward_model": {"style": "rule", "ground_truth": "a"}, "source": "x"},
        ("q", "", "", "a"),
    ),
    "a call of an API": (
        {
            "request": "q",
            "choices": [{"message": {"role": "assistant", "content": "a", "reasoning_content": "r"}}],
        },
        ("q", "", "r", "a"),
    ),
    "turns inside an object": ({"id": 1, "body": {"messages": [ASK, SAY]}}, ("q", "", "", "a")),
    "answers as in SQuAD": (
        {"context": "c", "question": "q", "answers": {"text": ["a"], "answer_start": [3]}},
        ("q", "c", "", "a"),
    ),
    "a passage": ({"question": "q", "document": "a long text", "answer": "a"}, ("q", "a long text", "", "a")),
    "a passage named text": ({"question": "q", "text": "long", "answer": "a"}, ("q", "long", "", "a")),
    "an assistant turn that only thinks": (
        {"messages": [ASK, {"role": "assistant", "content": "<think>\nr\n</think>\n"}, SAY]},
        ("q", "", "r", "a"),
    ),
    "Python's own lists": ({"messages": str([ASK, SAY])}, ("q", "", "", "a")),
}


@pytest.mark.parametrize("name", READ)
def test_the_shape_is_read(tmp_path: Path, name: str) -> None:
    record, expected = READ[name]
    data = opened(tmp_path / "a.jsonl", *[record] * 3)
    assert texts(data) == texts(data, 2) == expected and not data.problems
    early = open_early(str(tmp_path / "a.jsonl")).row(1)
    assert (early.instruction, early.input, early.reasoning, early.output) == expected
    (tmp_path / "b.json").write_text(json.dumps([record] * 2))
    assert texts(open_data(str(tmp_path / "b.json")), 1) == expected


@pytest.mark.parametrize(
    "name",
    [
        "target", "targets", "label", "gold", "ideal", "correct", "expected_output", "ground_truth", "solution",
        "correct_answer", "解答", "応答", "正解", "回答文",
    ],
)  # fmt: skip
def test_names_of_answers(name: str) -> None:
    rows = [{"input": f"question {i}", name: f"the answer is {i}"} for i in range(12)]
    assert guess_mapping(list(rows[0]), rows).picks["output"].column == name


@pytest.mark.parametrize("values", [[0, 1, 2], [True, False]])
@pytest.mark.parametrize("name", ["label", "correct"])
def test_a_class_or_a_mark_is_no_answer(name: str, values: list[Any]) -> None:
    rows = [{"input": f"question {i}", name: values[i % len(values)]} for i in range(12)]
    assert "output" not in guess_mapping(list(rows[0]), rows).picks


def test_one_bad_row_never_refuses_a_file(tmp_path: Path) -> None:
    picture = {"role": "user", "content": [{"type": "image", "image": "a.png"}, {"type": "text", "text": "What?"}]}
    rows = [[ASK, SAY], [picture, SAY], [ASK, SAY], [picture, SAY], [picture, SAY], [ASK, SAY], [ASK, SAY]]
    data = opened(tmp_path / "a.jsonl", *({"messages": turns} for turns in rows))
    assert len(data) == 4 and [(problem.row, problem.what) for problem in data.problems] == [
        (row, "a turn holds a part that is not text (image)") for row in (2, 4, 5)
    ]
    with pytest.raises(DataError, match="the first, at 1: a turn holds a part that is not text"):
        opened(tmp_path / "b.jsonl", *[{"messages": [picture, SAY]}] * 3)
    after = opened(tmp_path / "c.jsonl", {"messages": [ASK, SAY, picture]})
    assert texts(after) == ("q", "", "", "a") and list(after.not_used.parts) == ["turns after the answer"]


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (ASK, "its records are single chat turns"),
        ({"messages": [ASK]}, "messages has chat turns without a reply"),
        ({"messages": [SAY]}, "messages has chat turns without a question of a user"),
        ({"messages": "[{'role': 'user'} {'role': 'assistant'}]"}, "messages looks like Python lists or objects"),
    ],
)
def test_the_cause_is_named(tmp_path: Path, record: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        opened(tmp_path / "a.jsonl", *[record] * 3)


def test_a_task_line_and_a_question_that_varies() -> None:
    rows = [{"instruction": "Solve it.", "question": f"What is {i}+2?", "answer": f"It is {i + 2}"} for i in range(9)]
    picks = guess_mapping(list(rows[0]), rows).picks
    assert (picks["instruction"].column, picks["input"].column) == ("instruction", "question")
    both = [{**row, "instruction": f"Say what {i} is."} for i, row in enumerate(rows)]
    mapping = guess_mapping(list(both[0]), both)
    assert [pick.column for pick in mapping.unclear["input"]] == ["", "question"] and not mapping.source("input")
    assert [pick.column for pick in pick_candidates("input", list(both[0]), both)][-1] == ""
    same = [{**row, "instruction": row["question"]} for row in rows]
    assert "input" not in guess_mapping(list(same[0]), same).picks


def test_a_text_that_repeats_the_row_is_no_passage() -> None:
    rows = [{"question": f"q {i}", "answer": f"a {i}", "text": f"### q {i}\n### a {i}"} for i in range(9)]
    assert "input" not in guess_mapping(list(rows[0]), rows).picks


# -- answers that name an option --


@pytest.mark.parametrize(
    ("answer", "options", "option"),
    [
        (1, ["3", "6", "5"], "6"),
        ("B", ["3", "6", "5"], "6"),
        ("(b)", ["x", "y"], "y"),
        ("B", {"label": ["A", "B"], "text": ["x", "y"]}, "y"),
        ("2", {"label": ["1", "2"], "text": ["x", "y"]}, "y"),
        ("C", {"A": "x", "C": "y"}, "y"),
        ("D", [{"key": "D", "text": "x"}, {"key": "E", "text": "y"}], "x"),
        ("6", ["3", "6", "5"], None),
        (7, ["3", "6", "5"], None),
        (True, ["3", "6"], None),
        ("six", ["3", "6"], None),
        (0, [], None),
        (0, "none", None),
        (0, '["x", "y"]', "x"),
    ],
)
def test_named_options(answer: Any, options: Any, option: str | None) -> None:
    assert named_option(answer, options) == option


def test_an_answer_that_is_a_number_of_an_option_is_said(tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "choices": ["no", f"yes {i}", "maybe"], "answer": i % 3} for i in range(12)]
    data = opened(tmp_path / "a.jsonl", *rows)
    assert [pick.how for pick in data.mapping.unclear["output"]] == ["index", "option"]
    assert "only names one of choices" in data.mapping.picks["output"].why and data.row(1).output == "1"
    assert data.not_used.parts["an answer that only names one of choices, which is not used"].count == 12
    texts_of = open_data(data.source, mapping=data.mapping.with_pick("output", ColumnPick("answer", "option")))
    assert [texts_of.row(i).output for i in (1, 3)] == ["yes 1", "no"]
    assert {part: tally.count for part, tally in texts_of.not_used.parts.items()} == {"other choices": 12}


def test_the_letters_of_options_are_no_answer(tmp_path: Path) -> None:
    options = {"text": ["no", "yes", "maybe"], "label": ["A", "B", "C"]}
    rows = [{"question": f"q{i}", "choices": options, "answerKey": "ABC"[i % 3]} for i in range(12)]
    data = opened(tmp_path / "a.jsonl", *rows)
    assert data.mapping.picks["output"].column == "answerKey" and data.row(1).output == "B"
    without = [{"question": f"q{i}", "choices": options} for i in range(12)]
    assert "output" not in guess_mapping(list(without[0]), without).picks


# -- paths --


def test_paths() -> None:
    record = {"a": {"b": [{"c": 1}], "x.y": 2}, "a.b": 3, "t": '{"u": ["v"]}'}
    assert split_path("a.b.0.c", ["a"]) == ("a", ("b", "0", "c")) and split_path("a.b", ["a", "a.b"]) == ("a.b", ())
    assert split_path("gone.x", ["a"]) == ("gone.x", ())
    assert follow_path(record["a"], ("b", "0", "c")) == 1 and follow_path(record["a"], ("b", "1", "c")) is None
    assert follow_path(record["t"], ("u", "0")) == "v" and follow_path(record["t"], ("u", "x")) is None
    assert paths_into("a", [record]) == ["a.b", "a.b.0.c"] and paths_into("t", [record]) == ["t.u"]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_a_path_is_mapped_shown_and_saved(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    records = [{"ask": f"q{i}", "extra": {"solved": {"text": f"a{i}"}, "n": i}} for i in range(5)]
    path = tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(records), path)
    elif suffix == ".csv":
        import csv

        with path.open("w", newline="") as file:
            csv.writer(file).writerows([["ask", "extra"], *[[row["ask"], json.dumps(row["extra"])] for row in records]])
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in records))

    def said(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main(["data", "map", str(path), *words])
        assert left.value.code == code
        captured = capfd.readouterr()
        return captured.out + captured.err

    assert "extra.solved.text" in said()
    gone = said("--set", "instruction=ask", "--set", "output=extra.gone", code=2)
    assert "the first rows have nothing at extra.gone" in gone and "extra.solved.text" in gone
    assert "a2" in said("--set", "instruction=ask", "--set", "output=extra.solved.text", "--save")
    data = open_data(str(path))
    assert texts(data, 4) == ("q4", "", "", "a4") and texts(open_data(str(path)), 0)[3] == "a0"
    early = open_early(str(path))
    assert len(early) == 0 or early.row(0).output == "a0"


# -- texts that hold lists --


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('["a"]', ["a"]),
        ("['a', \"it's\", None, True, 1.50]", ["a", "it's", None, True, 1.5]),
        ("[('q', 'a')]", [["q", "a"]]),
        ("{'a': {'b': [1]}}", {"a": {"b": [1]}}),
        ("[print('x')]", None),
        ("['a' * 9]", None),
        ("[{'a': {1, 2}}]", None),
        ("['" + "[" * 9000, None),
        ("[1, 2", None),
        ("words", None),
        ("", None),
    ],
)
def test_nested_texts(text: str, value: Any) -> None:
    assert read_nested(text) == value


def test_a_reply_takes_the_reasoning_turns_before_it_and_no_others() -> None:
    turns = [
        ASK,
        {"role": "assistant", "content": "<think>never ends"},
        {"role": "reasoning", "content": "more"},
        SAY,
    ]
    assert read_chat(turns)[:4] == ("q", "", "a", "never ends\n\nmore")
    lost = [{"role": "reasoning", "content": "of nothing"}, ASK, SAY]
    assert read_chat(lost).reasoning == ""


def test_a_fault_is_that_of_its_row() -> None:
    mapping = guess_mapping(["messages"], [{"messages": [ASK, SAY]}])
    assert read_row(mapping, {"messages": "['a']"}) == (
        "it looks like a Python list, not JSON, and cannot be read as chat turns"
    )


def test_a_pair_with_a_role_and_a_text_of_its_own(tmp_path: Path) -> None:
    pair = {"input": "q", "output": "a", "role": "x", "text": "t", "id": 3}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"conversation": [pair]}) + "\n" + json.dumps({"conversation": [pair, pair]}) + "\n")
    data = open_data(str(path))
    assert [(row.instruction, row.output) for row in map(data.row, range(2))] == [("q", "a")] * 2
    assert set(data.not_used.parts) == {"another role in its turns", "another text in its turns", "id in its turns"}


def test_conversations_of_moss(tmp_path: Path) -> None:
    def turn(number: int, **parts: str) -> dict[str, str]:
        return {
            "Human": f"<|Human|>: q{number}<eoh>\n",
            "Inner Thoughts": f"<|Inner Thoughts|>: {parts.get('thought', 'None')}<eot>\n",
            "Commands": f"<|Commands|>: {parts.get('command', 'None')}<eoc>\n",
            "Tool Responses": f"<|Results|>: {parts.get('result', 'None')}<eor>\n",
            "MOSS": f"<|MOSS|>: a{number}<eom>\n",
        }

    chat = {f"turn_{n}": turn(n) for n in range(1, 11)}
    chat["turn_2"] = turn(2, thought="t2", command='Search("x")', result="found")
    chat["turn_10"] = turn(10, thought="t10")
    record = {"conversation_id": "1", "meta_instruction": "Be MOSS.", "num_turns": 10, "chat": chat}
    (tmp_path / "a.jsonl").write_text(json.dumps(record) + "\n")
    row = open_data(str(tmp_path / "a.jsonl")).row(0)
    assert (row.instruction, row.reasoning, row.output, row.system) == ("q10", "t10", "a10", "Be MOSS.")
    messages = json.loads(row.history)
    assert [message["content"] for message in messages[2:6]] == ["q2", 'Search("x")', "found", "a2"]
    assert messages[3]["reasoning_content"] == "t2" and messages[4]["role"] == "tool" and len(messages) == 20
