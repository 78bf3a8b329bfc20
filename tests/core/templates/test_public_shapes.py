"""Shapes of public chat templates, in few lines: where the reasoning stands, and what of the prompt is kept. Each is
compared with transformers' own rendering."""

from __future__ import annotations

from collections.abc import Callable
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
from tests.support.own_rendering import own_rendering

ROW = Row("What is 7 x 8?", "", "7 x 8 is 56.", "It is 56.", index=4)
LOOP = "{%- for m in messages -%}"
END = "{%- endfor -%}"


def im(assistant: str, generation: str) -> str:
    """A template in the manner of ChatML. assistant: writes a reply; generation: the end of the generation prompt."""
    return (
        LOOP
        + "{{- '<|im_start|>' + m.role + '\\n' -}}"
        + "{%- if m.role == 'assistant' -%}"
        + assistant
        + "{%- else -%}{{- m.content -}}{%- endif -%}{{- '<|im_end|>\\n' -}}"
        + END
        + "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}"
        + generation
        + "{%- endif -%}"
    )


IM = ["<|im_start|>", "<|im_end|>"]
THINK = ("<think>", "</think>")
OPENS_TWICE = im("{{- '<think>\\n' + m.content -}}", "{{- '<think>\\n' -}}")
EMPTY_IN_HISTORY = im(
    "{%- if m.tool_calls -%}{{- '<think>' + m.reasoning_content + '</think>' -}}"
    "{%- else -%}{{- '<think></think>' -}}{%- endif -%}{{- m.content -}}",
    "",
)
PARTS = (
    LOOP
    + "{%- if m.role == 'user' -%}{{- '[INST]' + m.content + '[/INST]' -}}"
    + "{%- elif m.content is string -%}{{- m.content + eos_token -}}{%- else -%}{%- for part in m.content -%}"
    + "{%- if part.type == 'thinking' -%}{{- '[THINK]' + part.thinking + '[/THINK]' -}}"
    + "{%- else -%}{{- part.text -}}{%- endif -%}{%- endfor -%}{{- eos_token -}}{%- endif -%}"
    + END
)
GATED = (
    "{%- if enable_thinking -%}{{- '<|turn>system\\n<|think|>\\n<turn|>\\n' -}}{%- endif -%}"
    + LOOP
    + "{{- '<|turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n' -}}"
    + "{%- if m.reasoning and m.tool_calls -%}"
    + "{{- '<|channel>thought\\n' + m.reasoning + '\\n<channel|>' -}}{%- endif -%}"
    + "{%- for call in m.tool_calls or [] -%}{{- '<|tool_call>' + call.function.name -}}{%- endfor -%}"
    + "{{- m.content | trim + '<turn|>\\n' -}}"
    + END
    + "{%- if add_generation_prompt -%}{{- '<|turn>model\\n' -}}"
    + "{%- if not enable_thinking -%}{{- '<|channel>thought\\n<channel|>' -}}{%- endif -%}{%- endif -%}"
)
COMMAND = (
    LOOP
    + "{%- if m.role == 'user' -%}{{- '<|USER|>' + m.content + '<|END_TURN|>' -}}{%- else -%}{{- '<|BOT|>' -}}"
    + "{%- if m.thinking -%}{{- '<|START_THINKING|>' + m.thinking + '<|END_THINKING|>' -}}{%- endif -%}"
    + "{{- '<|START_RESPONSE|>' + m.content + '<|END_RESPONSE|><|END_TURN|>' -}}{%- endif -%}"
    + END
    + "{%- if add_generation_prompt -%}{{- '<|BOT|>' -}}{%- endif -%}"
)
ALWAYS_OPEN = (
    LOOP
    + "{%- if m.role == 'user' -%}{{- '<|USER|>' + m.content -}}{%- else -%}"
    + "{{- '<|BOT|><|START_THINKING|><|END_THINKING|><|START_TEXT|>' + m.content + '<|END_TURN|>' -}}{%- endif -%}"
    + END
    + "{%- if add_generation_prompt -%}{{- '<|BOT|><|START_THINKING|>' -}}{%- endif -%}"
)
EFFORT = (
    "{%- set effort = reasoning_effort if reasoning_effort is defined else 'none' -%}"
    "{{- '[SET]' + effort + '[/SET]' -}}"
    + LOOP
    + "{%- if m.role == 'user' -%}{{- '[INST]' + m.content + '[/INST]' -}}{%- else -%}"
    + "{%- if m.reasoning and effort != 'none' -%}{{- '[THINK]' + m.reasoning + '[/THINK]' -}}{%- endif -%}"
    + "{{- m.content + eos_token -}}{%- endif -%}"
    + END
)
BUDGET = (
    "{%- if thinking_budget == 0 -%}{{- '<s>system\\nskip\\n</s>' -}}{%- endif -%}"
    + LOOP
    + "{{- '<s>' + m.role + '\\n' -}}{%- if m.reasoning_content -%}"
    + "{{- '<seed:think>' + m.reasoning_content | trim + '</seed:think>\\n' -}}{%- endif -%}{{- m.content + '</s>' -}}"
    + END
    + "{%- if add_generation_prompt -%}{{- '<s>assistant\\n' -}}{%- if thinking_budget == 0 -%}"
    + "{{- '<seed:think><seed:budget>' -}}{%- endif -%}{%- endif -%}"
)
CLOSES_ALONE = (
    LOOP
    + "{%- if m.role == 'user' -%}{{- '<|U|>' + m.content -}}{%- else -%}"
    + "{{- '<|A|></think>' + m.content.split('</think>')[-1] + eos_token -}}{%- endif -%}"
    + END
    + "{%- if add_generation_prompt -%}{{- '<|A|>' + ('<think>' if thinking else '</think>') -}}{%- endif -%}"
)
SWITCH = im(
    "{%- if open_thinking and m.reasoning_content -%}"
    "{{- '<think>\\n' + m.reasoning_content + '\\n</think>\\n\\n' -}}{%- endif -%}{{- m.content -}}",
    "{%- if open_thinking -%}{{- '<think>\\n' -}}{%- else -%}{{- '<think>\\n\\n</think>\\n\\n' -}}{%- endif -%}",
)
PRESERVED = im(
    "{%- if preserve_thinking and m.reasoning_content -%}"
    "{{- '<think>\\n' + m.reasoning_content + '\\n</think>\\n\\n' -}}{%- endif -%}{{- m.content -}}",
    "",
)

CHATS = {
    "opens twice": Chat(OPENS_TWICE, IM, "<|im_end|>", added=THINK),
    "empty in history": Chat(EMPTY_IN_HISTORY, IM, "<|im_end|>", added=THINK),
    "parts": Chat(PARTS, ["[INST]", "[/INST]", "[THINK]", "[/THINK]", "</s>"], "</s>"),
    "gated": Chat(GATED, ["<|turn>", "<|channel>", "<channel|>", "<|think|>", "<turn|>"], "<turn|>"),
    "command": Chat(
        COMMAND,
        [
            *("<|USER|>", "<|BOT|>", "<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>"),
            *("<|END_RESPONSE|>", "<|END_TURN|>"),
        ],
        "<|END_TURN|>",
    ),
    "always open": Chat(
        ALWAYS_OPEN,
        ["<|USER|>", "<|BOT|>", "<|START_THINKING|>", "<|END_THINKING|>", "<|START_TEXT|>", "<|END_TURN|>"],
        "<|END_TURN|>",
    ),
    "effort": Chat(EFFORT, ["[INST]", "[/INST]", "[THINK]", "[/THINK]", "[SET]", "[/SET]", "</s>"], "</s>"),
    "budget": Chat(BUDGET, ["<s>", "</s>", "<seed:think>", "</seed:think>"], "</s>"),
    "closes alone": Chat(CLOSES_ALONE, ["<|U|>", "<|A|>", "</s>"], "</s>", added=THINK),
    "switch": Chat(SWITCH, IM, "<|im_end|>", added=THINK),
    "preserved": Chat(PRESERVED, IM, "<|im_end|>", added=THINK),
}
TURN = "<|im_start|>user\nWhat is 7 x 8?<|im_end|>\n<|im_start|>assistant\n"
THOUGHT = "<think>\n7 x 8 is 56.\n</think>\n\nIt is 56."
WITH_REASONING = {
    "opens twice": TURN + THOUGHT,
    "empty in history": TURN + "<think>7 x 8 is 56.</think>It is 56.",
    "parts": "[INST]What is 7 x 8?[/INST][THINK]7 x 8 is 56.[/THINK]It is 56.",
    "gated": "<|turn>system\n<|think|>\n<turn|>\n<|turn>user\nWhat is 7 x 8?<turn|>\n<|turn>model\n"
    "<|channel>thought\n7 x 8 is 56.\n<channel|>It is 56.",
    "command": "<|USER|>What is 7 x 8?<|END_TURN|><|BOT|><|START_THINKING|>7 x 8 is 56.<|END_THINKING|>"
    "<|START_RESPONSE|>It is 56.<|END_RESPONSE|>",
    "always open": "<|USER|>What is 7 x 8?<|BOT|><|START_THINKING|>7 x 8 is 56.<|END_THINKING|><|START_TEXT|>It is 56.",
    "effort": "[SET]high[/SET][INST]What is 7 x 8?[/INST][THINK]7 x 8 is 56.[/THINK]It is 56.",
    "budget": "<s>user\nWhat is 7 x 8?</s><s>assistant\n<seed:think>7 x 8 is 56.</seed:think>\nIt is 56.",
    "closes alone": "<|U|>What is 7 x 8?<|A|><think>7 x 8 is 56.</think>It is 56.",
    "switch": TURN + THOUGHT,
    "preserved": TURN + THOUGHT,
}
PLAIN = {
    "opens twice": TURN + "<think>\n\n</think>\n\nIt is 56.",
    "empty in history": TURN + "<think></think>It is 56.",
    "parts": "[INST]What is 7 x 8?[/INST]It is 56.",
    "gated": "<|turn>user\nWhat is 7 x 8?<turn|>\n<|turn>model\n<|channel>thought\n<channel|>It is 56.",
    "command": "<|USER|>What is 7 x 8?<|END_TURN|><|BOT|><|START_RESPONSE|>It is 56.<|END_RESPONSE|>",
    "always open": "<|USER|>What is 7 x 8?<|BOT|><|START_THINKING|><|END_THINKING|><|START_TEXT|>It is 56.",
    "effort": "[SET]none[/SET][INST]What is 7 x 8?[/INST]It is 56.",
    "budget": "<s>user\nWhat is 7 x 8?</s><s>assistant\nIt is 56.",
    "closes alone": "<|U|>What is 7 x 8?<|A|></think>It is 56.",
    "switch": TURN + "<think>\n\n</think>\n\nIt is 56.",
    "preserved": TURN + "It is 56.",
}
SWITCHES = {
    "gated": {"enable_thinking": True},
    "effort": {"reasoning_effort": "high"},
    "closes alone": {"thinking": True},
    "switch": {"open_thinking": True},
    "preserved": {"preserve_thinking": True},
}
OWN_ANSWERS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    # the message with which transformers itself writes the reasoning once
    "parts": lambda reasoning, answer: {
        "content": [{"type": "thinking", "thinking": reasoning}, {"type": "text", "text": answer}]
    },
    "command": lambda reasoning, answer: {"content": answer, "thinking": reasoning},
    "effort": lambda reasoning, answer: {"content": answer, "reasoning": reasoning},
    "budget": lambda reasoning, answer: {"content": answer, "reasoning_content": reasoning},
    "switch": lambda reasoning, answer: {"content": answer, "reasoning_content": reasoning},
    "preserved": lambda reasoning, answer: {"content": answer, "reasoning_content": reasoning},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextTokenizer]:
    return {
        name: TextTokenizer.from_folder(write_chat(tmp_path_factory.mktemp("m"), chat)) for name, chat in CHATS.items()
    }


def text(template: ChatTemplate, row: Row = ROW) -> str:
    return "".join(segment.text for segment in template.segments(row))


@pytest.mark.parametrize("name", CHATS)
def test_the_reasoning_stands_once_where_the_model_writes_it(name: str, models: dict[str, TextTokenizer]) -> None:
    template = bind_chat_template(ChatTemplateSettings(), models[name])
    assert text(template) == WITH_REASONING[name]
    assert template.has_reasoning and not template.leaves_out_reasoning and template.prefix_kept
    messages: list[dict[str, Any]] = [{"role": "user", "content": ROW.instruction}]
    switches = SWITCHES.get(name, {})
    prompt = own_rendering(Path(models[name].where), messages, generate=True, **switches)
    assert template.prompt(ROW.instruction, "") == prompt
    if name in OWN_ANSWERS:
        answer = {"role": "assistant", **OWN_ANSWERS[name](ROW.reasoning, ROW.output)}
        assert own_rendering(Path(models[name].where), [*messages, answer], **switches).startswith(text(template))


@pytest.mark.parametrize("name", CHATS)
def test_a_plain_row_is_never_inside_an_opened_thought(name: str, models: dict[str, TextTokenizer]) -> None:
    template = bind_chat_template(ChatTemplateSettings("none"), models[name])
    assert text(template) == PLAIN[name]
    assert template.prefix_kept == (name not in ("opens twice", "always open"))


@pytest.mark.parametrize("place", ["auto", "none"])
@pytest.mark.parametrize("name", CHATS)
def test_chat_reads_such_an_answer_and_shows_no_marker(name: str, place: Any, models: dict[str, TextTokenizer]) -> None:
    template = bind_chat_template(ChatTemplateSettings(place), models[name])
    answer = text(template).removeprefix(template.prompt(ROW.instruction, ""))
    for pieces in ([answer], list(answer)):
        splitter = Splitter(template.markers, template.start)
        for piece in pieces:
            splitter.feed(piece)
        splitter.close()
        reasoning = ROW.reasoning if template.has_reasoning else ""
        assert (splitter.reasoning.strip(), splitter.response.strip()) == (reasoning, ROW.output)


def test_the_switch_with_which_the_model_thinks_is_named(models: dict[str, TextTokenizer]) -> None:
    bound = {name: bind_chat_template(ChatTemplateSettings(), tokenizer).switches for name, tokenizer in models.items()}
    assert bound["gated"] == "enable_thinking=True" and bound["effort"] == "reasoning_effort=high"
    assert bound["switch"] == "open_thinking=True" and bound["preserved"] == "preserve_thinking=True"
    assert bound["command"] == ""


def test_white_space_is_taken_where_the_template_takes_it(tmp_path: Path) -> None:
    trims = im(
        "{{- '<think>\\n' + m.reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + m.content.lstrip('\\n') -}}", ""
    ).replace("m.content -}}{%- endif", "m.content | trim -}}{%- endif")
    tokenizer = TextTokenizer.from_folder(write_chat(tmp_path, Chat(trims, IM, "<|im_end|>", added=THINK)))
    template = bind_chat_template(ChatTemplateSettings(), tokenizer)
    row = Row("\n 7 x 8? \n", "", "\n 56. \n\n", "\n\n It is 56.\n")
    answer = {"role": "assistant", "content": row.output, "reasoning_content": row.reasoning}
    whole = own_rendering(tmp_path, [{"role": "user", "content": row.instruction}, answer])
    assert whole.removesuffix("<|im_end|>\n") == text(template, row)
    assert text(template, row).startswith(template.continue_prompt(row.instruction, "", row.reasoning[:4]))
