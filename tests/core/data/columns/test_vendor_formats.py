"""Rows as the makers of models and of training tools want them: Gemini, Bedrock, Cohere, OpenAI, TRL, LLaMA-Factory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import DataError
from core.data.dataset import DataSet
from core.data.source import open_data


def opened(tmp_path: Path, *records: dict[str, Any]) -> DataSet:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return open_data(str(path))


TOOLS = [{"name": "add", "parameters": {"a": {"type": "int"}}}]


@pytest.mark.parametrize(
    ("record", "system"),
    [
        (
            {
                "systemInstruction": {"role": "system", "parts": [{"text": "Be kind."}]},
                "contents": [
                    {"role": "user", "parts": [{"text": "Why?"}]},
                    {"role": "model", "parts": [{"text": "So."}]},
                ],
            },
            "Be kind.",
        ),
        (
            {
                "systemInstruction": {"parts": [{"text": "Be kind."}]},
                "contents": [
                    {"role": "user", "parts": [{"text": "Why?"}]},
                    {"role": "model", "parts": [{"text": "So."}]},
                ],
            },
            "Be kind.",
        ),
        ({"text_input": "Why?", "output": "So."}, ""),
        (
            {
                "system": [{"text": "Be kind."}],
                "messages": [
                    {"role": "user", "content": [{"text": "Why?"}]},
                    {"role": "assistant", "content": [{"text": "So."}]},
                ],
            },
            "Be kind.",
        ),
        (
            {
                "messages": [
                    {"role": "System", "content": "Be kind."},
                    {"role": "User", "content": "Why?"},
                    {"role": "Chatbot", "content": "So."},
                ]
            },
            "Be kind.",
        ),
        ({"message": "Why?", "response": "So."}, ""),
        (
            {
                "input": {"messages": [{"role": "user", "content": "Why?"}]},
                "preferred_output": [{"role": "assistant", "content": "So."}],
                "non_preferred_output": [{"role": "assistant", "content": "No."}],
            },
            "",
        ),
        ({"ID": "x-1", "text": "Why?", "output": "So."}, ""),
        ({"source": "Why?", "target": "So.", "task": "cot"}, ""),
        ({"inputs": "Why?", "targets": "So."}, ""),
    ],
)
def test_a_row_is_read(tmp_path: Path, record: dict[str, Any], system: str) -> None:
    records = [json.loads(json.dumps(record).replace("Why?", f"Why {i}?")) for i in range(9)]
    row = opened(tmp_path, *records).row(8)
    assert (row.instruction, row.output, row.system, row.history) == ("Why 8?", "So.", system, "")


def test_several_texts_of_a_system_prompt_are_joined(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    data = opened(tmp_path, {"system": [{"text": "Be kind."}, {"text": "Be short."}], "messages": turns})
    assert data.row(0).system == "Be kind.\nBe short." and not data.not_used.parts


def test_earlier_turns_with_messages_of_cohere(tmp_path: Path) -> None:
    earlier = [{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}]
    row = opened(tmp_path, {"message": "Why?", "chat_history": earlier, "response": "So."}).row(0)
    assert json.loads(row.history) == [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


@pytest.mark.parametrize("tools", [TOOLS, json.dumps(TOOLS)])
def test_tools_are_read_from_lists_and_from_their_text(tmp_path: Path, tools: Any) -> None:
    row = opened(tmp_path, *[{"query": f"Why {i}?", "tools": tools, "answers": f"So {i}."} for i in range(9)]).row(0)
    assert json.loads(row.tools) == TOOLS


def test_a_text_named_tools_is_no_list_of_tools(tmp_path: Path) -> None:
    data = opened(tmp_path, {"query": "Why?", "tools": "hammer and saw", "answer": "So."})
    assert data.row(0).tools == "" and data.not_used.columns == {"tools": 1}


def test_the_reply_to_a_later_question_is_not_the_answer_to_the_first(tmp_path: Path) -> None:
    chosen = [
        {"role": "user", "content": "First?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "Second?"},
        {"role": "assistant", "content": "Two."},
    ]
    data = opened(tmp_path, {"prompt": "First?", "chosen": chosen, "rejected": chosen})
    row = data.row(0)
    assert (row.instruction, row.output) == ("Second?", "Two.") and "One." in row.history


def test_another_question_in_the_turns_of_the_answer_is_counted(tmp_path: Path) -> None:
    def answer(question: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": question}, {"role": "assistant", "content": "So."}]

    data = opened(tmp_path, {"prompt": "Why?", "chosen": answer("Why?")}, {"prompt": "Why?", "chosen": answer("How?")})
    assert {part: tally.rows for part, tally in data.not_used.parts.items()} == {
        "another question before the answer in its turns": [2]
    }


def test_steps_are_one_answer_and_a_wrong_one_leaves_the_row_out(tmp_path: Path) -> None:
    steps = ["First, 2.", "Then, 4."]
    rows = [{"prompt": f"q{i}", "completions": steps, "labels": [True, i != 1]} for i in range(3)]
    data = opened(tmp_path, *rows)
    assert [data.row(i).output for i in range(len(data))] == ["First, 2.\nThen, 4."] * 2
    assert {why: tally.rows for why, tally in data.not_used.left_out.items()} == {
        "labels has a step that is false": [2]
    }
    with pytest.raises(DataError, match="no row is left"):
        opened(tmp_path, rows[1], rows[1])


def test_a_part_that_is_no_text_is_named(tmp_path: Path) -> None:
    parts = [{"role": "user", "parts": [{"inlineData": {"data": "x"}}]}, {"role": "model", "parts": [{"text": "So."}]}]
    with pytest.raises(DataError, match=r"a turn holds a part that is not text \(inlineData\)"):
        opened(tmp_path, {"contents": parts})
