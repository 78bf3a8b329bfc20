"""The context of a question comes out of a source as it was: system prompt, earlier turns, calls and tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.base.chat_history import context_messages, messages_after_question
from core.data.columns.guess import extend_mapping, guess_mapping
from core.data.columns.mapping import read_row
from core.data.columns.tool_definitions import read_tools
from core.data.columns.turns import read_chat
from core.data.dataset import DataSet
from core.data.source import open_data

CALL = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"number": 1.50}}}]


def opened(path: Path, *records: Any) -> DataSet:
    path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))
    return open_data(str(path))


def turns(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in pairs]


def test_the_turns_of_a_chat_are_kept_as_they_were(tmp_path: Path) -> None:
    chat = turns(
        ("system", "Be brief."),
        ("system", "Be kind."),
        ("user", "q1"),
        ("assistant", "<think>t1</think>a1"),
        ("system", "Now in French."),
        ("user", "q2"),
        ("assistant", "a2"),
    )
    row = opened(tmp_path / "a.jsonl", {"messages": chat}).row(0)
    assert (row.instruction, row.input, row.output, row.system) == ("q2", "", "a2", "Be brief.\n\nBe kind.")
    assert context_messages(row)[1:] == [
        {"role": "user", "content": "q1"},
        {"role": "assistant", "content": "a1", "reasoning_content": "t1"},
        {"role": "system", "content": "Now in French."},
    ]


def test_a_call_and_its_result_stand_behind_the_question(tmp_path: Path) -> None:
    chat = [
        *turns(("user", "q1"), ("assistant", "a1"), ("user", "How warm is it?")),
        {"role": "assistant", "content": None, "reasoning_content": "I must look.", "tool_calls": [CALL]},
        {"role": "tool", "content": "12", "tool_call_id": "c", "name": "weather"},
        {"role": "assistant", "content": "12 degrees."},
    ]
    row = opened(tmp_path / "a.jsonl", {"messages": chat, "tools": TOOLS}).row(0)
    assert (row.instruction, row.output) == ("How warm is it?", "12 degrees.")
    assert context_messages(row) == turns(("user", "q1"), ("assistant", "a1"))
    assert messages_after_question(row) == [
        {"role": "assistant", "content": "", "reasoning_content": "I must look.", "tool_calls": [CALL]},
        {"role": "tool", "content": "12", "name": "weather", "tool_call_id": "c"},
    ]
    assert row.tools == json.dumps(TOOLS, separators=(",", ":"))


@pytest.mark.parametrize(
    "call",
    [
        [{"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Oslo"}}'}],
        [{"from": "gpt", "value": [{"type": "tool_use", "name": "weather", "input": {"city": "Oslo"}}]}],
        [{"from": "gpt", "value": "", "function_call": {"name": "weather", "arguments": {"city": "Oslo"}}}],
        [{"from": "gpt", "value": [{"type": "tool_call", "value": '{"name":"weather","arguments":{"city":"Oslo"}}'}]}],
    ],
)
@pytest.mark.parametrize(
    "result",
    [
        {"from": "observation", "value": "12"},
        {"from": "human", "value": [{"type": "tool_result", "tool_use_id": "", "content": "12"}]},
        {"from": "function", "value": [{"type": "text", "text": "12"}]},
    ],
)
def test_calls_of_other_spellings(call: list[dict[str, Any]], result: dict[str, Any]) -> None:
    chat = [{"from": "human", "value": "q"}, *call, result, {"from": "gpt", "value": "a"}]
    parts = read_chat(chat)
    asked, answered = parts.between
    assert (parts.question, parts.reply, answered.speaker, answered.text) == ("q", "a", "Tool", "12")
    assert (
        list(asked.calls) == [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]
        and not asked.text
    )


@pytest.mark.parametrize(
    "history",
    [
        [["q1", "a1"], ["q2", "a2"]],
        '[["q1", "a1"], ["q2", "a2"]]',
        "[['q1', 'a1'], ['q2', 'a2']]",
        turns(("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2")),
        [{"human": "q1", "assistant": "a1"}, {"human": "q2", "assistant": "a2"}],
        [{"input": "q1", "output": "a1"}, {"input": "q2", "output": "a2"}],
    ],
)
def test_a_column_with_the_history(tmp_path: Path, history: Any) -> None:
    record = {"instruction": "q3", "input": "", "output": "a3", "system": "Be short.", "history": history}
    data = opened(tmp_path / "a.jsonl", record, {**record, "history": []}, {**record, "history": None})
    assert context_messages(data.row(0)) == [
        {"role": "system", "content": "Be short."},
        *turns(("user", "q1"), ("assistant", "a1"), ("user", "q2"), ("assistant", "a2")),
    ]
    assert data.row(1).history == data.row(2).history == "" and data.problems == []


def test_a_history_that_is_none_is_a_problem_of_its_row(tmp_path: Path) -> None:
    good = {"instruction": "q", "output": "a", "history": [["x", "y"]]}
    data = opened(tmp_path / "a.jsonl", good, {**good, "history": 7}, good)
    assert [problem.what for problem in data.problems] == ["its history is not a list of turns"]


@pytest.mark.parametrize("name", ["system", "system_prompt", "systemPrompt", "System Message", "developer", "システム"])
def test_a_column_with_the_system_prompt(name: str) -> None:
    rows = [{name: "Be a pirate.", "question": f"q{i}", "response": f"a{i}"} for i in range(12)]
    assert guess_mapping(list(rows[0]), rows).picks["system"].column == name


def test_the_system_turn_comes_before_the_column_and_the_column_where_there_is_none() -> None:
    plain = turns(("user", "q"), ("assistant", "a"))
    rows = [{"system": "column", "messages": plain}]
    assert guess_mapping(["system", "messages"], rows).picks["system"].column == "system"
    rows = [{"system": "column", "messages": [*turns(("system", "turn")), *plain]}]
    mapping = guess_mapping(["system", "messages"], rows)
    assert (mapping.picks["system"].column, mapping.picks["system"].how) == ("messages", "system_turn")


def test_a_system_column_of_numbers_is_no_prompt() -> None:
    rows = [{"system": i, "question": f"q{i}", "response": f"a{i}"} for i in range(12)]
    assert "system" not in guess_mapping(list(rows[0]), rows).picks


def test_context_that_appears_late_is_taken_by_its_name() -> None:
    mapping = extend_mapping(
        guess_mapping(["question", "answer"], []), ["tools", "system_prompt", "history", "context"]
    )
    taken = {column: (pick.column, pick.how) for column, pick in mapping.picks.items()}
    assert taken["system"] == ("system_prompt", "text") and taken["history"] == ("history", "history")
    assert taken["tools"] == ("tools", "tools") and taken["input"] == ("context", "text")
    chat = guess_mapping(["messages"], [{"messages": turns(("user", "q"), ("assistant", "a"))}])
    assert "input" not in extend_mapping(chat, ["input"]).picks


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (TOOLS, json.dumps(TOOLS, separators=(",", ":"))),
        ('[{"name": "f", "n": 1.50}]', '[{"name":"f","n":1.50}]'),
        ('{"name": "f"}', '[{"name":"f"}]'),
        ("", ""),
        (None, ""),
        ([], ""),
        ("a hammer", None),
        (["a hammer"], None),
    ],
)
def test_tools(value: Any, text: str | None) -> None:
    assert read_tools(value) == text


def test_what_no_text_holds_is_counted(tmp_path: Path) -> None:
    chat = turns(("system", "s"), ("user", "q"), ("assistant", "a"))
    records = [
        {"messages": chat},
        {"messages": [*chat, *turns(("user", "thanks"))]},
        {"messages": [*chat[:-1], {"role": "assistant", "content": "a", "tool_calls": [CALL]}]},
    ]
    data = opened(tmp_path / "a.jsonl", *records)
    assert {part: tally.count for part, tally in data.not_used.parts.items()} == {
        "turns after the answer": 1,
        "tool calls in the answer": 1,
    }
    by_hand = data.mapping.with_pick("system", data.mapping.picks["output"])
    assert "a system turn" in open_data(data.source, mapping=by_hand).not_used.parts


def test_a_reply_that_only_calls_a_tool_is_named() -> None:
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "tool_calls": [CALL]}]
    mapping = guess_mapping(["messages"], [{"messages": chat}])
    assert read_row(mapping, {"messages": chat}) == "its last reply only calls a tool, so there is no answer"


def test_a_prompt_that_ends_with_a_result_keeps_its_order(tmp_path: Path) -> None:
    prompt = [
        *turns(("user", "How warm is it?")),
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        *turns(("tool", "12")),
    ]
    row = opened(tmp_path / "a.jsonl", {"prompt": prompt, "completion": turns(("assistant", "12 degrees."))}).row(0)
    assert (row.instruction, row.input, row.output) == ("How warm is it?", "", "12 degrees.")
    assert context_messages(row) == [] and [turn["role"] for turn in messages_after_question(row)] == [
        "assistant",
        "tool",
    ]


def test_suirons_own_file_keeps_its_history(tmp_path: Path) -> None:
    own = dict.fromkeys(("instruction", "input", "reasoning", "output", "syslang", "sysflag"), "x")
    history = '[{"role":"user","content":null,"question":true},{"role":"tool","content":"12"}]'
    record = {**own, "system": "s", "history": history, "tools": '[{"name":"f"}]'}
    row = opened(tmp_path / "a.jsonl", record).row(0)
    assert (row.system, row.history, row.tools) == ("s", history, '[{"name":"f"}]')
    read = {**record, "syslang": None}
    del read["syslang"]
    assert opened(tmp_path / "b.jsonl", read).row(0).history == history
