"""The fields of a row with its context, as texts to read."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.base.chat_history import history_to_json
from core.base.row import COLUMNS, CONTEXT, Row
from tui.data.row_fields import field_text, is_read_only, row_fields

KEYS = ("role", "content", "reasoning_content", "name", "tool_calls")
VALUE = st.sampled_from((None, True, 3, "文", [], ["a"], {}, {"function": 1}, [{"function": {"name": 2}}, 5, None]))


def test_the_context_comes_after_the_columns_and_only_where_it_is() -> None:
    assert row_fields(None) == row_fields(Row("a")) == COLUMNS
    assert row_fields(Row("a", tools="[]", system="b")) == (*COLUMNS, "system", "tools")
    assert [field for field in (*COLUMNS, *CONTEXT) if is_read_only(field)] == list(CONTEXT)


def test_turns_are_lines_with_their_speakers() -> None:
    call = {"function": {"name": "天気", "arguments": {"city": "東京"}}}
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "東京の\n天気は？"},
        {"role": "assistant", "reasoning_content": "道具を使う", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": "天気", "content": "晴れ"},
        {"role": "user", "content": None, "question": True},
        {"role": "developer", "content": [{"type": "text", "text": "x"}]},
    ]
    assert field_text(Row("a", history=history_to_json(messages)), "history") == (
        "User: 東京の\n天気は？\n\n"
        'Assistant thinks: 道具を使う\nAssistant calls 天気({"city":"東京"})\n\n'
        "Tool 天気: 晴れ\n\n"
        "User: (the instruction of this row)\n\n"
        'System: [{"type":"text","text":"x"}]'
    )


def test_tools_are_indented_and_stay_the_same_json() -> None:
    tools = [{"name": "天気", "parameters": {"city": "string"}}]
    text = field_text(Row("a", tools=json.dumps(tools)), "tools")
    assert text.count("\n") > 3 and json.loads(text) == tools


def test_what_is_no_json_is_shown_as_it_is() -> None:
    row = Row("a", system="s", history="{half", tools="x{")
    assert [field_text(row, field) for field in CONTEXT] == ["s", "{half", "x{"]


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), VALUE), max_size=4))
def test_any_messages_can_be_read(messages: list[dict[str, Any]]) -> None:
    text = field_text(Row("a", history=json.dumps(messages)), "history")
    for message in messages:
        if isinstance(content := message.get("content"), str):
            assert content in text
