"""The turns around a row's question come back as they were kept, before and after it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.chat_history import (
    QUESTION_PLACE,
    Message,
    context_messages,
    context_text,
    history_from_json,
    history_to_json,
    messages_after_question,
    text_after_question,
)
from core.base.row import Row

messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": st.text(max_size=9)}
    ),
    max_size=4,
)


@given(st.text(max_size=5), messages, messages)
def test_the_question_stands_between_its_turns(system: str, before: list[Message], after: list[Message]) -> None:
    history = history_to_json([*before, QUESTION_PLACE, *after] if after else before)
    row = Row("q", output="a", system=system, history=history)
    told = [{"role": "system", "content": system}] if system else []
    assert context_messages(row) == [*told, *before] and messages_after_question(row) == after
    assert (history == "") == (not before and not after)


def test_a_call_between_question_and_answer_is_read_behind_the_question() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    turns: list[Message] = [
        {"role": "user", "content": "Hi."},
        QUESTION_PLACE,
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "12"},
    ]
    row = Row("How warm is it?", output="12 degrees", system="Be brief.", history=history_to_json(turns))
    assert context_text(row) == "System: Be brief.\nUser: Hi."
    assert text_after_question(row) == 'Assistant calls weather({"city":"Oslo"})\nTool: 12'
    assert history_from_json(row.history) == turns


def test_a_history_that_is_no_list_of_messages_is_an_error() -> None:
    with pytest.raises(ValueError, match="Expected `array`"):
        context_messages(Row("q", history='{"role": "user"}'))
