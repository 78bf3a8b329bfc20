"""Prompts of conversations: tools, a last message that goes on, and how the reasoning is closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.base.errors import UsageError
from core.engine.conversation import THINK_CLOSING, ConversationPrompt, ConversationTemplate
from core.engine.openai_requests import ChatRequest
from core.engine.parse_request import parse_request
from core.engine.prompt import chat_prompt
from core.models.loading import LoadedModel
from core.templates.chat_template_source import ChatTemplateSource
from core.tokens.tokenizer import TextTokenizer

THOUGHT = "{% if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif %}"
TOOLS = "{% if tools %}{{ 'tools: ' + tools | map(attribute='name') | join(',') + '\\n' }}{% endif %}"
TURNS = "{% for m in messages %}{{ m.role + ': ' }}" + THOUGHT + "{{ m.content | trim + '\\n' }}{% endfor %}"
ASSISTANT = "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
ASKED = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tiny_folder)


def prompt(tokenizer: TextTokenizer, messages: Any, program: str = TOOLS + TURNS + ASSISTANT, **options: Any) -> Any:
    template = ConversationTemplate(ChatTemplateSource(program, {}, "template.jinja"))
    return template.prompt(messages, tokenizer, **options)


def text(tokenizer: TextTokenizer, asked: ConversationPrompt) -> str:
    return tokenizer.decode(asked.ids)


def test_tools_are_written_where_the_template_writes_them(tokenizer: TextTokenizer) -> None:
    tools = [{"name": "add"}, {"name": "find"}]
    assert text(tokenizer, prompt(tokenizer, ASKED, tools=tools)) == "tools: add,find\nuser: hi\nassistant: "
    with pytest.raises(UsageError, match="does not write tools"):
        prompt(tokenizer, ASKED, TURNS + ASSISTANT, tools=tools)


def test_without_a_generation_prompt_the_turns_are_all(tokenizer: TextTokenizer) -> None:
    assert text(tokenizer, prompt(tokenizer, ASKED, generate=False)) == "user: hi\n"


@pytest.mark.parametrize(
    ("last", "wanted", "start"),
    [
        ({"content": "yes, hi"}, "assistant: yes, hi", "response"),
        ({"content": "yes", "reasoning_content": "hm"}, "assistant: <think>hm</think>yes", "response"),
        ({"content": "", "reasoning_content": "hm hi"}, "assistant: <think>hm hi", "reasoning"),
        ({"content": "<think>hm"}, "assistant: <think>hm", "reasoning"),
        ({"content": " yes "}, "assistant: yes", "response"),
    ],
)
def test_a_last_message_goes_on(tokenizer: TextTokenizer, last: dict[str, str], wanted: str, start: str) -> None:
    asked = prompt(tokenizer, [*ASKED, {"role": "assistant", **last}], continues=True)
    assert text(tokenizer, asked) == f"user: hi\n{wanted}"
    assert asked.start == start


def test_a_last_message_that_the_template_drops_cannot_go_on(tokenizer: TextTokenizer) -> None:
    dropping = "{% for m in messages %}{{ m.role + ';' }}{% endfor %}"
    with pytest.raises(UsageError, match="cannot be continued"):
        prompt(tokenizer, [*ASKED, {"role": "assistant", "content": "yes"}], dropping, continues=True)


def test_the_reasoning_is_closed_as_the_template_closes_it(tokenizer: TextTokenizer) -> None:
    assert prompt(tokenizer, ASKED).closing == "</think>"
    plain = "{% for m in messages %}{{ m.content + '\\n' }}{% endfor %}"
    assert prompt(tokenizer, ASKED, plain).closing == THINK_CLOSING


@pytest.mark.parametrize(("template", "closing"), [("alpaca-reasoning", "\n\n### Response:\n"), ("alpaca", "")])
def test_templates_of_text_close_it_as_they_are_written(tokenizer: TextTokenizer, template: str, closing: str) -> None:
    body = b'{"messages": [{"role": "user", "content": "hi"}], "suiron": {"template": "%s"}}' % template.encode()
    asked = chat_prompt(LoadedModel(None, tokenizer, ""), parse_request(body, ChatRequest), False)  # type: ignore[arg-type]
    assert tokenizer.decode(asked.closing) == closing
    assert asked.start == ("reasoning" if closing else "response")
