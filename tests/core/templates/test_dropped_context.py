"""What a chat template drops of a conversation is named: no part goes without a word."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.base.chat_history import QUESTION_PLACE, history_to_json
from core.base.row import Row
from core.templates.bind_chat_template import bind_chat_template
from core.templates.chat_template import ChatTemplate
from core.templates.template import ChatTemplateSettings
from core.tokens.tokenizer import TextTokenizer
from tests.support.chat_models import IM, Chat, write_chat

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": 2}}}
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": "Add them."},
    {"role": "assistant", "content": "", "tool_calls": [CALL], "reasoning_content": "A tool adds."},
    {"role": "tool", "content": "3", "name": "add"},
    {"role": "assistant", "content": "It is 3."},
]
ADD = [{"type": "function", "function": {"name": "add", "description": "Adds two numbers.", "parameters": {}}}]
AROUND = "{%- for m in messages -%}{{- '<|im_start|>' + m.role + '\\n' -}}"
END = (
    "{{- m.content + '<|im_end|>' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
)
CALLS = "{%- for call in m.tool_calls or [] -%}{{- '<call>' + call.function.name -}}{%- endfor -%}"
THINKS = "{%- if m.thinking -%}{{- '<think>' + m.thinking + '</think>' -}}{%- endif -%}"
READS_TOOLS = "{%- for tool in tools or [] -%}{{- tool | tojson -}}{%- endfor -%}"
SHORTENED = AROUND + CALLS + END.replace("m.content", "m.content.replace('them', 'both')")
ROW = Row("And now?", "", "Nothing more.", "It is done.", index=3)


def bound(folder: Path, program: str) -> ChatTemplate:
    tokenizer = TextTokenizer.from_folder(
        write_chat(folder, Chat(program, IM, "<|im_end|>", added=("<think>", "</think>")))
    )
    return bind_chat_template(ChatTemplateSettings(), tokenizer)


def row(turns: list[dict[str, Any]], tools: list[Any] | None = None) -> Row:
    return Row(
        ROW.instruction,
        "",
        ROW.reasoning,
        ROW.output,
        history=history_to_json(turns),
        tools=json.dumps(tools or ADD),
        index=3,
    )


@pytest.mark.parametrize(
    ("program", "lost"),
    [
        (AROUND + END, ("tool calls", "tools")),
        (READS_TOOLS + AROUND + END, ("tool calls",)),
        (READS_TOOLS + AROUND + CALLS + END, ()),
        (SHORTENED, ("earlier turns", "tools")),  # it changes a turn, and its texts cannot be told apart
    ],
)
def test_tool_calls_and_tools_that_are_not_written_are_named(
    program: str, lost: tuple[str, ...], tmp_path: Path
) -> None:
    assert bound(tmp_path, program).context_losses(row(TURNS)) == lost


def test_a_reasoning_between_question_and_answer_is_written_in_the_field_that_the_template_reads(
    tmp_path: Path,
) -> None:
    turn = row([QUESTION_PLACE, *TURNS[1:3]])
    template = bound(tmp_path / "reads", READS_TOOLS + AROUND + THINKS + CALLS + END)
    assert template.context_losses(turn) == ()
    prompt = "".join(segment.text for segment in template.row_prompt_segments(turn))
    assert "<|im_start|>assistant\n<think>A tool adds.</think><call>add<|im_end|>" in prompt
    deaf = bound(tmp_path / "deaf", READS_TOOLS + AROUND + CALLS + END)
    assert deaf.context_losses(turn) == ("reasoning before a tool call",)
    assert deaf.context_losses(row(TURNS)) == ()  # no model reads the reasoning of an earlier turn again
