"""Rows with a system prompt, earlier turns and tools: rendered as transformers renders them, their text only text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from core.base.chat_history import QUESTION_PLACE, history_to_json
from core.base.errors import DataError
from core.base.row import Row
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import TEXT_TEMPLATES
from core.templates.chat_template import ChatTemplate
from core.templates.template import ChatTemplateSettings
from core.tokens.tokenizer import TextTokenizer
from tests.support.chat_models import IM, MODELS, Chat, write_chat, write_model
from tests.support.encoded_rows import encode_row
from tests.support.own_rendering import own_rendering

TOOLS = """\
{%- if tools -%}{{- '<|im_start|>tools\\n' -}}{%- for tool in tools -%}{{- tool | tojson + '\\n' -}}{%- endfor -%}\
{{- '<|im_end|>\\n' -}}{%- endif -%}\
{%- for m in messages -%}{{- '<|im_start|>' + m.role + '\\n' -}}\
{%- if m.content is string -%}{{- m.content | trim -}}{%- endif -%}\
{%- for call in m.tool_calls or [] -%}\
{{- '<call>' + call.function.name + ' ' + (call.function.arguments | tojson) + '</call>' -}}{%- endfor -%}\
{{- '<|im_end|>\\n' -}}{%- endfor -%}\
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""
DROPS = """\
{%- for m in messages -%}{%- if m.role != 'system' -%}\
{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' -}}{%- endif -%}{%- endfor -%}\
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"""
SHORTENS = DROPS.replace("m.content", "m.content.replace('please', '')")
HISTORY: list[dict[str, Any]] = [
    {"role": "user", "content": " How far is it?\n"},
    {"role": "assistant", "content": "240 km"},
]
CALLS: list[dict[str, Any]] = [
    {"role": "user", "content": "Add them."},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 'x "y"\n'}}}],
    },
    {"role": "tool", "content": "3", "name": "add", "tool_call_id": "c1"},
    {"role": "assistant", "content": "It is 3."},
]
ADD: list[Any] = [{"type": "function", "function": {"name": "add", "description": 'Adds "a" & <b>', "parameters": {}}}]
ROW = Row("And back?", "", "The same way.", "240 km, too", index=7)
OWN = {
    "tools": Chat(TOOLS, IM, "<|im_end|>"),
    "drops": Chat(DROPS, IM, "<|im_end|>"),
    "shortens": Chat(SHORTENS, IM, "<|im_end|>"),
}
CONTEXTS = {
    "system": {"system": "Be\n\n  brief. "},
    "history": {"history": history_to_json(HISTORY)},
    "both": {"system": "Be brief.", "history": history_to_json(HISTORY)},
    "tools": {"system": "S", "history": history_to_json(CALLS), "tools": json.dumps(ADD)},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextTokenizer]:
    folders = {name: write_model(tmp_path_factory.mktemp("m"), name) for name in MODELS}
    folders |= {name: write_chat(tmp_path_factory.mktemp("m"), chat) for name, chat in OWN.items()}
    return {name: TextTokenizer.from_folder(folder) for name, folder in folders.items()}


def bound(tokenizer: TextTokenizer, place: Any = "auto") -> ChatTemplate:
    return bind_chat_template(ChatTemplateSettings(place), tokenizer)


def messages_of(row: Row) -> list[dict[str, Any]]:
    system = [{"role": "system", "content": row.system}] if row.system else []
    return [*system, *json.loads(row.history or "[]"), {"role": "user", "content": row.instruction}]


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", ["qwen2.5", "qwen3", "qwen3-thinking", "llama3", "channels", "zephyr", "tools"])
def test_the_prompt_is_transformers_own(name: str, context: str, models: dict[str, TextTokenizer]) -> None:
    tokenizer, row = models[name], replace(ROW, **CONTEXTS[context])
    template = bound(tokenizer)
    theirs = own_rendering(
        Path(tokenizer.where), messages_of(row), generate=True, tools=json.loads(row.tools) if row.tools else None
    )
    segments = template.segments(row)
    prompt = "".join(segment.text for segment in segments if segment.kind == "prompt")
    assert prompt == theirs == "".join(segment.text for segment in template.row_prompt_segments(row))
    encoded = encode_row(row, template, tokenizer)
    assert tokenizer.decode(encoded.ids[:-1]) == "".join(segment.text for segment in segments)
    trained = tokenizer.decode([label for label in encoded.labels if label >= 0])
    assert "240 km, too" in trained and "How far" not in trained and "brief" not in trained
    if template.has_reasoning:
        begun = "".join(one.text for one in template.row_continue_segments(row, "The"))
        assert "".join(one.text for one in template.row_answer_segments(row)).startswith(begun)


def test_a_call_after_the_question_stays_behind_it(models: dict[str, TextTokenizer]) -> None:
    row = replace(ROW, history=history_to_json([QUESTION_PLACE, *CALLS[1:3]]), tools=json.dumps(ADD))
    messages = [{"role": "user", "content": row.instruction}, *CALLS[1:3]]
    prompt = "".join(segment.text for segment in bound(models["tools"]).row_prompt_segments(row))
    assert prompt == own_rendering(Path(models["tools"].where), messages, generate=True, tools=ADD)


def test_arguments_as_text_are_given_as_the_object_where_the_template_writes_json(
    models: dict[str, TextTokenizer],
) -> None:
    as_text = msgspec.json.decode(msgspec.json.encode(CALLS))
    as_text[1]["tool_calls"][0]["function"]["arguments"] = json.dumps({"a": 'x "y"\n'})
    prompts = [
        bound(models["tools"]).row_prompt_segments(replace(ROW, history=history_to_json(history)))
        for history in (CALLS, as_text)
    ]
    assert prompts[0] == prompts[1]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (replace(ROW, system="Be brief."), "System role not supported"),
        (replace(ROW, history=history_to_json(HISTORY[:1])), "roles must alternate"),
        (replace(ROW, history="no JSON"), "cannot be read"),
        (replace(ROW, tools="{}"), "cannot be read"),
    ],
)
def test_a_row_that_the_template_refuses_is_told_in_its_words(
    row: Row, words: str, models: dict[str, TextTokenizer]
) -> None:
    with pytest.raises(DataError, match=words) as error:
        bound(models["gemma"]).segments(row)
    assert error.value.where == "row 7"


def test_what_a_template_drops_is_said(models: dict[str, TextTokenizer]) -> None:
    template = bound(models["drops"])
    row = replace(ROW, system="Be brief.", history=history_to_json(HISTORY), tools=json.dumps(ADD))
    assert template.context_losses(row) == ("system prompt", "tools")
    assert template.context_losses(ROW) == ()
    assert bound(models["tools"]).context_losses(row) == ()
    assert TEXT_TEMPLATES["alpaca"].context_losses(row) == ("tools",)


def test_a_special_token_in_a_text_that_the_template_changes_refuses_the_row(models: dict[str, TextTokenizer]) -> None:
    template = bound(models["shortens"])
    history = history_to_json([{"role": "user", "content": "please <|im_end|>"}, HISTORY[1]])
    with pytest.raises(DataError, match=r"spells the special token <\|im_end\|>"):
        template.segments(replace(ROW, history=history))
    plain = history_to_json([{"role": "user", "content": "please go"}, HISTORY[1]])
    assert "user\n go<|im_end|>" in "".join(one.text for one in template.segments(replace(ROW, history=plain)))


@pytest.mark.parametrize("place", ["role", "key"])
def test_a_special_token_in_a_role_or_a_key_refuses_the_row(place: str, models: dict[str, TextTokenizer]) -> None:
    message: dict[str, Any] = {"role": "user<|im_end|>", "content": "a"}
    tools = json.dumps([{"type": "function", "<|im_end|>": "a"}]) if place == "key" else ""
    history = history_to_json([message]) if place == "role" else ""
    with pytest.raises(DataError, match="role or a key spells"):
        bound(models["tools"]).segments(replace(ROW, history=history, tools=tools))


hostile = st.lists(
    st.sampled_from(
        ["<|im_end|>", "<think>", "</think>", "<|im_start|>", "{{ 7*7 }}", '"', "\\", "\n", "a", "投", " "]
    ),
    max_size=5,
).map("".join)


@pytest.mark.parametrize("name", ["qwen3", "llama3", "tools"])
def test_no_text_of_a_context_becomes_a_token_of_the_template(name: str, models: dict[str, TextTokenizer]) -> None:
    tokenizer, template = models[name], bound(models[name])
    added = {
        *tokenizer.stop_ids,
        *(token["id"] for token in msgspec.json.decode(tokenizer.raw.to_str())["added_tokens"]),
    }

    def special(text: str) -> list[int]:
        history = [{"role": "user", "content": text}, {"role": "assistant", "content": f"b{text}"}]
        if name == "tools":
            call = {"id": text, "type": "function", "function": {"name": text, "arguments": {"a": [text, 1]}}}
            history[1]["tool_calls"] = [call]  # type: ignore[assignment]
        tools = json.dumps([{"type": "function", "function": {"name": text, "description": text}}])
        row = replace(ROW, instruction=f"a{text}", system=text, history=history_to_json(history), tools=tools)
        try:
            segments = template.segments(row)
        except DataError as error:
            assert "special token" in error.what and any(mark in text for mark in ("<|im", "think>"))
            return plain
        encoded = encode_row(row, template, tokenizer)
        assert tokenizer.decode(encoded.ids[:-1]) == "".join(segment.text for segment in segments)
        return [id for id in encoded.ids if id in added]

    plain: list[int] = []
    plain = special("a")

    @settings(max_examples=40, deadline=None)
    @given(hostile)
    def check(text: str) -> None:
        assert special(f"a{text}b") == plain

    check()


def test_a_template_of_text_puts_the_context_into_the_input() -> None:
    template = TEXT_TEMPLATES["alpaca-reasoning"]
    row = replace(ROW, input="by train", system="Be brief.", history=history_to_json(HISTORY))
    context = "System: Be brief.\nUser:  How far is it?\n\nAssistant: 240 km\n\nby train"
    assert f"### Input:\n{context}\n\n### Reasoning:" in "".join(one.text for one in template.segments(row))
    assert template.row_prompt_segments(row) == template.segments(row)[:1]
    joined = "".join(one.text for one in template.segments(row))
    assert joined.startswith("".join(one.text for one in template.row_answer_segments(row)))
    assert joined.startswith("".join(one.text for one in template.row_continue_segments(row, "The")))
    with pytest.raises(DataError, match="earlier turns cannot be read"):
        template.segments(replace(ROW, history="[1]"))


def test_the_key_of_a_row_holds_the_program_and_its_date(tmp_path: Path) -> None:
    dated = Chat("{{ strftime_now('%d %B %Y') }}" + TOOLS, IM, "<|im_end|>")
    tokenizer = TextTokenizer.from_folder(write_chat(tmp_path, dated))
    one, two = (bind_chat_template(ChatTemplateSettings(), tokenizer, day) for day in ("2026-01-02", "2026-01-03"))
    assert one.before.startswith("02 January 2026<|im_start|>") and (one.day, two.day) == ("2026-01-02", "2026-01-03")
    row = replace(ROW, system="S")
    assert one.row_prompt_segments(row)[0].text.startswith("02 January 2026")
    assert one.content_hash() != two.content_hash()
    assert len(bind_chat_template(ChatTemplateSettings(), tokenizer).day) == 10
