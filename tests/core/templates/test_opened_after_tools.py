"""Chat templates whose generation prompt ends in another way after the result of a tool: the thought is opened once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.base.chat_history import QUESTION_PLACE, history_to_json
from core.base.row import Row
from core.splitter.splitter import Splitter
from core.templates.bind_chat_template import bind_chat_template
from core.templates.template import ChatTemplateSettings
from core.tokens.tokenizer import TextTokenizer
from tests.support.chat_models import Chat, write_chat

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
HISTORY = [QUESTION_PLACE, {"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "content": "3"}]
ROW = Row("Add.", "", "The sum is 3.", "It is 3.", history=history_to_json(HISTORY), index=2)


def program(reply: str, after_user: str, after_tool: str) -> str:
    """reply: writes an assistant's message; the others: the generation prompt after such a last message."""
    return (
        "{%- for m in messages -%}{%- if m.role == 'assistant' -%}"
        "{%- for call in m.tool_calls or [] -%}{{- '<|A|><call>' + call.function.name -}}{%- endfor -%}"
        "{%- if m.content -%}" + reply + "{%- endif -%}"
        "{%- elif m.role == 'tool' -%}{{- '<|T|>' + m.content + '<|E|>' -}}"
        "{%- else -%}{{- '<|U|>' + m.content -}}{%- endif -%}{%- endfor -%}{%- if add_generation_prompt -%}"
        "{%- if messages[-1].role == 'tool' -%}"
        + after_tool
        + "{%- else -%}"
        + after_user
        + "{%- endif -%}{%- endif -%}"
    )


WRITES = (
    "{{- '<|A|>' + ('<think>\\n' + m.reasoning + '\\n</think>\\n\\n' if m.reasoning else '') + m.content + '</s>' -}}"
)
SHAPES = {
    "not opened after a tool": program("{{- '<|A|>' + m.content + '</s>' -}}", "{{- '<|A|><think>\\n' -}}", ""),
    "opened only after a tool": program(WRITES, "{{- '<|A|>' -}}", "{{- '<|A|><think>\\n' -}}"),
}
PLACES: list[Any] = ["auto", "none"]


def tokenizer_of(folder: Path, template: str) -> TextTokenizer:
    special = ["<|U|>", "<|A|>", "<|T|>", "<|E|>", "</s>"]
    return TextTokenizer.from_folder(write_chat(folder, Chat(template, special, "</s>", added=("<think>", "</think>"))))


@pytest.mark.parametrize("name", SHAPES)
def test_the_thought_is_opened_once_and_read_back(name: str, tmp_path: Path) -> None:
    template = bind_chat_template(ChatTemplateSettings(), tokenizer_of(tmp_path, SHAPES[name]))
    text = "".join(segment.text for segment in template.segments(ROW))
    between = "<|A|>" if name == "opened only after a tool" else ""
    thought = "<think>\nThe sum is 3.\n</think>\n\nIt is 3."
    assert text == f"<|U|>Add.<|A|><call>add<|T|>3<|E|>{between}{thought}"
    prompt = template.row_prompt_segments(ROW)
    begun = "".join(segment.text for segment in template.row_continue_segments(ROW, "The"))
    assert begun.endswith("<think>\nThe") and text.startswith(begun)
    splitter = Splitter(template.markers, template.start_after(prompt))
    splitter.feed(text.removeprefix("".join(segment.text for segment in prompt)))
    splitter.close()
    assert (splitter.reasoning, splitter.response) == (ROW.reasoning, ROW.output)


def test_a_plain_row_closes_no_thought_that_is_not_open(tmp_path: Path) -> None:
    reply = "{{- '<|A|><think>\\n' + m.content + '</s>' -}}"  # the template has no turn without a thought
    template = bind_chat_template(
        ChatTemplateSettings("none"), tokenizer_of(tmp_path, program(reply, "{{- '<|A|><think>\\n' -}}", ""))
    )
    assert not template.prefix_kept
    assert template.prompt("Add.", "") == "<|U|>Add.<|A|><think>\n\n</think>\n\n"
    text = "".join(segment.text for segment in template.segments(ROW))
    assert text == "<|U|>Add.<|A|><call>add<|T|>3<|E|>It is 3."


def test_rows_without_context_begin_in_the_usual_section(tmp_path: Path) -> None:
    template = bind_chat_template(ChatTemplateSettings(), tokenizer_of(tmp_path, SHAPES["opened only after a tool"]))
    assert template.start_after(template.prompt_segments("Add.", "")) == template.start == "undecided"
    assert template.start_after(template.row_prompt_segments(ROW)) == "reasoning"
