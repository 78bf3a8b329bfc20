"""The guess: names checked against values, and the cutting of texts and turns."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import DataError
from core.base.row import COLUMNS, FIELDS
from core.data.columns.column_paths import split_path
from core.data.columns.guess import extend_mapping, guess_mapping, pick_candidates
from core.data.columns.mapping import ColumnMapping, ColumnPick, load_mapping, read_row, save_mapping
from core.data.columns.thinking import THINKING_MARKERS, split_thinking
from core.data.columns.turns import read_chat

text = st.text(st.characters(codec="utf-8"), max_size=40)
marks = st.sampled_from(
    [mark for pair in THINKING_MARKERS for mark in pair]
    + ["<|begin_of_solution|>", "<|end_of_solution|>", "<answer>", "\n", " "]
)
marked = st.lists(text | marks, max_size=8).map("".join)
bare = text.filter(
    lambda value: (
        not any(mark in value for pair in THINKING_MARKERS for mark in pair)
        and not value.lstrip().startswith("<")
        and "`" not in value  # markers in code are text
    )
)
value = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | marked
    | st.lists(marked, max_size=3)
    | st.dictionaries(text, marked, max_size=2)
)
turn = st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": marked})
names = st.sampled_from(
    [
        *COLUMNS,
        "question",
        "answer",
        "Response",
        "messages",
        "generations",
        "solution",
        "deepseek_reasoning",
        "conversations",
        "finish_reasons",
    ]
)
rows = st.lists(st.dictionaries(names | text, value | st.lists(turn, max_size=4), max_size=6), max_size=6)


def taken(mapping: ColumnMapping) -> dict[str, str]:
    return {column: f"{pick.column}:{pick.how}" for column, pick in mapping.picks.items()}


@given(st.lists(names | text, max_size=8), rows)
def test_a_guess_is_pure_and_names_what_is_there(header: list[str], sample: list[dict[str, Any]]) -> None:
    before = copy.deepcopy((header, sample))
    mapping = guess_mapping(header, sample)
    assert mapping == guess_mapping(header, sample) and repr(before) == repr((header, sample))
    for column, pick in mapping.picks.items():
        assert column in FIELDS and pick.why and (not pick.column or split_path(pick.column, header)[0] in header)
    for column, several in mapping.unclear.items():
        assert len(several) > 1 and mapping.picks[column] == several[0]
    for column in FIELDS:
        found = pick_candidates(column, header, sample)
        assert found[-1].column == "" and all(pick.column for pick in found[:-1])
        assert len({(pick.column, pick.how) for pick in found}) == len(found)
        if mapping.source(column):
            assert found[0] == mapping.picks[column]


@given(rows, st.data())
def test_any_record_is_read_or_named(sample: list[dict[str, Any]], data: st.DataObject) -> None:
    header = list(dict.fromkeys(name for row in sample for name in row))
    mapping = guess_mapping(header, sample)
    if data.draw(st.booleans()) and header:
        column = data.draw(st.sampled_from(FIELDS))
        mapping = mapping.with_pick(column, data.draw(st.sampled_from(pick_candidates(column, header, sample))))
    for record in sample:
        read = read_row(mapping, record)
        if isinstance(read, str):
            assert read
        else:
            assert len(read) == len(FIELDS) and all(type(cell) is str for cell in read)
            "".join(read).encode()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["on", "off"], "reasoning has 2 distinct short values (on, off): a flag, not a text"),
        (["a", "b", "c"] * 4, "reasoning has 3 distinct short values (a, b, c): a flag, not a text"),
        ([True, False] * 5, "the values of reasoning are not texts"),
    ],
)
def test_a_flag_is_no_reasoning(values: list[Any], said: str) -> None:
    mapping = guess_mapping(
        ["input", "output", "reasoning"],
        [{"input": f"q{i}", "output": "a" * i, "reasoning": flag} for i, flag in enumerate(values)],
    )
    assert (
        mapping.picks["reasoning"].how == "think"
        and mapping.picks["reasoning"].column == "output"
        and said in mapping.picks["reasoning"].why
    )
    texts = [{"input": "q", "output": "a", "reasoning": f"because {i}"} for i in range(12)]
    assert taken(guess_mapping(["input", "output", "reasoning"], texts))["reasoning"] == "reasoning:text"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["Question", "answer"], {"instruction": "Question:text", "output": "answer:text"}),
        (
            ["prompt", "COMPLETION", "thinking"],
            {"instruction": "prompt:text", "reasoning": "thinking:text", "output": "COMPLETION:text"},
        ),
        (["instruction", "prompt", "output"], {"instruction": "instruction:text", "output": "output:text"}),
        (
            ["instruction", "context", "input", "output"],
            {"instruction": "instruction:text", "input": "input:text", "output": "output:text"},
        ),
        (
            ["Chain of-Thought", "Task", "final", "lang", "split"],
            {
                "instruction": "Task:text",
                "reasoning": "Chain of-Thought:text",
                "output": "final:text",
                "syslang": "lang:text",
                "sysflag": "split:text",
            },
        ),
        (["foo", "bar"], {}),
        (["output", "output", "question"], {"instruction": "question:text", "output": "output:text"}),
    ],
)
def test_names_alone(header: list[str], expected: dict[str, str]) -> None:
    assert taken(guess_mapping(header, [])) == expected


def test_a_name_of_our_own_is_taken_whatever_it_holds() -> None:
    rows = [{"instruction": "q", "output": "a", "syslang": "x" * 60, "sysflag": f"{i}"} for i in range(20)]
    assert taken(guess_mapping(list(rows[0]), rows)) == {
        column: f"{column}:text" for column in ("instruction", "output", "syslang", "sysflag")
    }
    assert "syslang" not in taken(
        guess_mapping(["question", "answer", "language"], [{"question": "q", "answer": "a", "language": "x" * 60}])
    )


def test_two_names_of_one_kind_are_asked() -> None:
    mapping = guess_mapping(["question", "prompt", "answer", "cot", "thought"], [])
    assert taken(mapping) == {"instruction": "question:text", "reasoning": "thought:text", "output": "answer:text"}
    assert [pick.column for pick in mapping.unclear["instruction"]] == ["question", "prompt"]
    assert [pick.column for pick in mapping.unclear["reasoning"]] == ["thought", "cot"]


def test_an_answer_that_only_checks_a_long_solution() -> None:
    row = {
        "problem": "q",
        "answer": "42",
        "solution": "Let x be the number. Then x = 42 follows from what was said above.",
    }
    mapping = guess_mapping(list(row), [row])
    assert taken(mapping) == {"instruction": "problem:text", "reasoning": "solution:text", "output": "answer:text"}
    assert [pick.column for pick in mapping.unclear["output"]] == ["answer", "solution"]
    thinking = {**row, "thinking": "Hm, what could it be? Perhaps 42."}
    assert taken(guess_mapping(list(thinking), [thinking])) == {
        "instruction": "problem:text",
        "reasoning": "thinking:text",
        "output": "solution:text",
    }


def test_turns_that_think_come_before_those_that_do_not() -> None:
    plain = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    thinking = [{"from": "user", "value": "q"}, {"from": "assistant", "value": "<think>t</think>a"}]
    mapping = guess_mapping(["messages", "conversations"], [{"messages": plain, "conversations": thinking}])
    assert mapping.picks["output"].column == "conversations" and not mapping.unclear
    both = guess_mapping(["messages", "conversations"], [{"messages": plain, "conversations": plain}])
    assert set(both.unclear) == {"instruction", "reasoning", "output"}


def test_later_names_fill_what_is_missing_and_no_more() -> None:
    mapping = extend_mapping(guess_mapping(["question", "answer"], []), ["prompt", "rationale", "output"])
    assert taken(mapping) == {"instruction": "question:text", "reasoning": "rationale:text", "output": "answer:text"}


def test_candidates_for_one_column() -> None:
    row = {"question": "q", "answer": "<think>t</think>a", "note": "n", "id": 7, "tags": ["x", "y"]}
    said = [f"{pick.column}:{pick.how}" for pick in pick_candidates("output", list(row), [row])]
    assert said == [
        "answer:answer",
        "answer:text",
        "question:text",
        "note:text",
        "id:text",
        "tags:first",
        "tags:joined",
        ":text",
    ]
    said = [f"{pick.column}:{pick.how}" for pick in pick_candidates("reasoning", list(row), [row])]
    assert said == ["answer:think", "question:text", "answer:text", "note:text", "tags:joined", "tags:first", ":text"]


# -- cutting --


@given(bare, bare, st.sampled_from(THINKING_MARKERS), st.sampled_from(["", " ", "\n", "\n\n"]))
def test_both_sides_come_back(reasoning: str, answer: str, pair: tuple[str, str], space: str) -> None:
    sides = split_thinking(f"{space}{pair[0]}{space}{reasoning}{space}{pair[1]}{space}{answer}")
    assert sides is not None and (sides.reasoning, sides.answer) == (reasoning.strip(), answer.lstrip())
    open_only = split_thinking(f"{pair[0]}{reasoning}")
    assert open_only is not None and (open_only.reasoning, open_only.answer) == (reasoning.strip(), None)
    lone = split_thinking(f"{reasoning}{pair[1]}{answer}")
    assert lone is not None and (lone.reasoning, lone.answer) == (reasoning.strip(), answer.lstrip())


@given(bare)
def test_a_text_without_markers_is_left_alone(value: str) -> None:
    assert split_thinking(value) is None


@given(marked)
def test_nothing_but_markers_and_blanks_is_lost(value: str) -> None:
    sides = split_thinking(value)
    if sides is None:
        return

    def letters(words: str) -> str:
        for mark in (
            *(mark for pair in THINKING_MARKERS for mark in pair),
            "<|begin_of_solution|>",
            "<|end_of_solution|>",
            "<answer>",
            "</answer>",
        ):
            words = words.replace(mark, "")
        return "".join(words.split())

    assert sorted(letters(sides.reasoning + (sides.answer or ""))) == sorted(letters(value))


@pytest.mark.parametrize(
    ("value", "reasoning", "answer"),
    [
        ("Sure.\n<think>\nr\n</think>\na", "r", "Sure.\na"),
        ("The <think> tag opens it, </think> closes it.", None, None),
        ("<think>\n\n</think>\n\na ", "", "a "),
        ("<think>r</think>a <think>b</think>", "r", "a <think>b</think>"),
        ("<|begin_of_thought|>r<|begin_of_solution|>a<|end_of_solution|>\n", "r", "a"),
        ("<|begin_of_thought|>r<|end_of_thought|><|begin_of_solution|>a", "r", "a"),
        ("<reasoning>r</reasoning>\n<answer>\n4\n</answer>\n", "r", "4"),
        ("<think>r</think><answer>4</answer> or so", "r", "<answer>4</answer> or so"),
        ("r\n</think>\n\na", "r", "a"),
    ],
)
def test_cuts(value: str, reasoning: str | None, answer: str | None) -> None:
    sides = split_thinking(value)
    assert (sides and sides.reasoning, sides and sides.answer) == (reasoning, answer)


# -- turns --


@given(st.lists(turn, min_size=1, max_size=6))
def test_a_chat_says_what_its_turns_say(turns: list[dict[str, str]]) -> None:
    chat, prompt = read_chat(turns), read_chat(turns, replied=False)
    asked = [turn["content"] for turn in turns if turn["role"] == "user"]
    assert (chat.reply is None) == all(turn["role"] != "assistant" for turn in turns)
    assert chat.question is None or chat.question in asked
    assert prompt.question == (asked[-1] if asked else None) and prompt.reply is None and prompt.closed


def test_what_was_said_before() -> None:
    turns = [
        ("system", "s"),
        ("user", "q1"),
        ("assistant", "<think>t</think>a1"),
        ("user", "q2"),
        ("assistant", ""),
        ("tool", "7"),
        ("assistant", "a2"),
        ("user", "x"),
    ]
    listed = [{"role": role, "content": content} for role, content in turns]
    chat = read_chat(listed)
    assert (chat.question, chat.earlier, chat.reply) == ("q2", "User: q1\nAssistant: a1\nTool: 7", "a2")
    prompt = read_chat(listed, replied=False)
    assert (prompt.question, prompt.earlier) == ("x", "User: q1\nAssistant: a1\nUser: q2\nTool: 7\nAssistant: a2")
    columns = {"role": [role for role, _ in turns], "content": [content for _, content in turns]}
    assert read_chat(columns) == chat
    thought = [
        {"role": "user", "content": "q"},
        {"role": "reasoning", "content": "r"},
        {"role": "assistant", "content": "a"},
    ]
    assert read_chat(thought)[2:5] == ("a", "r", True)


# -- keeping --


def test_a_mapping_is_kept(tmp_path: Path) -> None:
    mapping = guess_mapping(["question", "prompt", "answer"], []).with_pick(
        "output", ColumnPick("answer", "answer", "chosen")
    )
    save_mapping(mapping, tmp_path / "mapping.json")
    assert (
        load_mapping(tmp_path / "mapping.json") == mapping
        and mapping.by_hand
        and set(mapping.unclear) == {"instruction"}
    )
    assert load_mapping(tmp_path / "none.json") is None


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b'{"picks": {"output": {"column": "a", "how": "backwards"}}}', b"\xff"]
)
def test_a_broken_mapping_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mapping.json").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read") as caught:
        load_mapping(tmp_path / "mapping.json")
    assert caught.value.where == str(tmp_path / "mapping.json") and caught.value.do
