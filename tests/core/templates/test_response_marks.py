"""Chat templates that enclose the response in marks: the thought stands before it, and chat shows none of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.base.row import Row
from core.splitter.splitter import Splitter
from core.templates.bind_chat_template import bind_chat_template
from core.templates.chat_template import ChatTemplate
from core.templates.template import ChatTemplateSettings
from core.tokens.tokenizer import TextTokenizer
from tests.support.chat_models import Chat, write_chat

ROW = Row("What is 7 x 8?", "", "7 x 8 is 56.", "It is 56.", index=4)
SPECIAL = [
    *("<|USER|>", "<|BOT|>", "<|END_TURN|>", "<|START_THINKING|>", "<|END_THINKING|>"),
    *("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_ACTION|>"),
]


def command(reply: str, generation: str) -> str:
    """A template in the manner of Command models. reply: writes before the response of an earlier turn; generation: the
    end of the generation prompt."""
    return (
        "{%- for m in messages -%}{%- if m.role == 'user' -%}{{- '<|USER|>' + m.content + '<|END_TURN|>' -}}"
        "{%- else -%}{{- '<|BOT|>' -}}" + reply + "{{- '<|START_RESPONSE|>' + m.content + '<|END_RESPONSE|>"
        "<|END_TURN|>' -}}{%- endif -%}{%- endfor -%}"
        "{%- if add_generation_prompt -%}{{- '<|BOT|>' -}}" + generation + "{%- endif -%}"
    )


WRITES = "{%- if m.thinking -%}{{- '<|START_THINKING|>' + m.thinking + '<|END_THINKING|>' -}}{%- endif -%}"
PLANS = "{%- if m.tool_calls -%}{{- '<|START_THINKING|>' + m.tool_plan + '<|END_THINKING|>' -}}{%- endif -%}"
EMPTY = "{%- if enable_thinking is false -%}{{- '<|START_THINKING|><|END_THINKING|>' -}}{%- endif -%}"
TEMPLATES = {
    "empty thought": command(WRITES, EMPTY),
    "plans": command(PLANS, ""),
    "opened": command(PLANS, "{{- '<|START_RESPONSE|>' -}}"),
}
ASKED = "<|USER|>What is 7 x 8?<|END_TURN|><|BOT|>"
THOUGHT = "<|START_THINKING|>7 x 8 is 56.<|END_THINKING|>"
ANSWER = "<|START_RESPONSE|>It is 56.<|END_RESPONSE|>"
TEXTS = {
    ("empty thought", "auto"): ASKED + THOUGHT + ANSWER,
    ("empty thought", "none"): ASKED + "<|START_THINKING|><|END_THINKING|>" + ANSWER,
    ("plans", "auto"): ASKED + THOUGHT + ANSWER,
    ("plans", "none"): ASKED + ANSWER,
    ("opened", "auto"): ASKED + ANSWER,
    ("opened", "none"): ASKED + ANSWER,
}


def bound(folder: Path, program: str, place: Any) -> ChatTemplate:
    tokenizer = TextTokenizer.from_folder(write_chat(folder, Chat(program, SPECIAL, "<|END_TURN|>")))
    return bind_chat_template(ChatTemplateSettings(place), tokenizer)


@pytest.mark.parametrize(("name", "place"), TEXTS)
def test_the_thought_stands_before_the_response_and_chat_shows_neither_mark(
    name: str, place: str, tmp_path: Path
) -> None:
    template = bound(tmp_path, TEMPLATES[name], place)
    text = "".join(segment.text for segment in template.segments(ROW))
    assert text == TEXTS[name, place]
    assert template.prefix_kept
    assert template.leaves_out_reasoning == ((name, place) == ("opened", "auto"))
    answer = text.removeprefix(template.prompt(ROW.instruction, ""))
    for pieces in ([answer], list(answer)):
        splitter = Splitter(template.markers, template.start)
        for piece in pieces:
            splitter.feed(piece)
        splitter.close()
        reasoning = ROW.reasoning if template.has_reasoning else ""
        assert (splitter.reasoning, splitter.response) == (reasoning, ROW.output)


def test_switches_that_keep_the_generation_prompt_come_before_another_prompt(tmp_path: Path) -> None:
    program = (
        "{%- set effort = reasoning_effort if reasoning_effort is defined else 'off' -%}{{- '<|USER|>' + effort -}}"
        "{%- for m in messages -%}{%- if m.role == 'user' -%}{{- m.content -}}{%- else -%}"
        "{{- '<|BOT|><pondering>' + (m.reasoning_content or '') + '</pondering>' + m.content + '<|END_TURN|>' -}}"
        "{%- endif -%}{%- endfor -%}{%- if add_generation_prompt -%}"
        "{{- '<|BOT|>' + ('<pondering></pondering>' if effort == 'off' else '<pondering>') -}}{%- endif -%}"
    )
    template = bound(tmp_path, program, "auto")
    assert (template.prefix_kept, template.switches) == (True, "reasoning_effort=high")
    text = "".join(segment.text for segment in template.segments(ROW))
    assert text == "<|USER|>highWhat is 7 x 8?<|BOT|><pondering>7 x 8 is 56.</pondering>It is 56."
