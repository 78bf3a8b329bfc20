"""Rows in the models' own chat templates: the ids that transformers gives for the same conversation, and what inference
asks with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import ModelError, UsageError
from core.base.row import Row
from core.splitter.splitter import Splitter
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template
from core.templates.chat_template import ChatTemplate
from core.templates.chat_template_source import read_chat_template
from core.templates.template import ChatTemplateSettings
from core.tokens.encode import encode_prompt
from core.tokens.tokenizer import TextTokenizer
from tests.support.chat_models import MODELS, write_model
from tests.support.encoded_rows import encode_row

ROW = Row("How far is it?", "by train", "It takes 3 hours.\n\nSo 3 x 80.", "240 km, まで", index=3)
ASKED = "How far is it?\n\nby train"
FIELDS = {"qwen3": "reasoning_content", "qwen3-thinking": "reasoning_content", "channels": "thinking"}
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
WITHOUT = ["qwen2.5", "smollm2", "base", "llama3", "gemma", "zephyr", "inst"]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextTokenizer]:
    return {name: TextTokenizer.from_folder(write_model(tmp_path_factory.mktemp(name), name)) for name in MODELS}


def form(tokenizer: TextTokenizer, reasoning: Any = "auto") -> ChatTemplate:
    return bind_chat_template(ChatTemplateSettings(reasoning), tokenizer)


def ids(tokenizer: TextTokenizer, template: ChatTemplate, row: Row = ROW) -> list[int]:
    """What is trained, without the end of sequence."""
    encoded = encode_row(row, template, tokenizer)
    assert encoded.ids[-1] == tokenizer.eos_id
    return encoded.ids[:-1]


def theirs(tokenizer: TextTokenizer, messages: list[dict[str, str]], **options: Any) -> list[int]:
    """The ids of transformers' own apply_chat_template."""
    sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]  # as core.models.backend: transformers remembers whether it loads
    from transformers import PreTrainedTokenizerFast

    folder = Path(tokenizer.where)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    bos = (config.get("bos_token") or {}).get("content")
    source = read_chat_template(folder)
    assert source is not None
    fast = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), eos_token=config["eos_token"], bos_token=bos
    )
    given = fast.apply_chat_template(
        messages, tokenize=True, return_dict=False, chat_template=source.template, **options
    )
    assert isinstance(given, list)
    return given


def text(template: ChatTemplate, row: Row = ROW) -> str:
    return "".join(segment.text for segment in template.segments(row))


@pytest.mark.parametrize("name", MODELS)
def test_the_ids_are_those_of_apply_chat_template(name: str, models: dict[str, TextTokenizer]) -> None:
    tokenizer, template = models[name], form(models[name])
    answer = {"role": "assistant", "content": ROW.output}
    if template.reasoning_place == "field":
        answer[FIELDS[name]] = ROW.reasoning
    whole = theirs(tokenizer, [{"role": "user", "content": ASKED}, answer])
    prompt = theirs(tokenizer, [{"role": "user", "content": ASKED}], add_generation_prompt=True)
    ours = ids(tokenizer, template)
    assert encode_prompt(template.prompt_segments(ROW.instruction, ROW.input), tokenizer) == prompt
    if name == "r1-distill":  # its template drops the reasoning of a turn that is over: compared below
        assert ours[: len(prompt)] == prompt
    elif (
        name == "base"
    ):  # where the turn ends in a token that the model does not stop at, the encoder's end of sequence stands
        assert ours == whole[: len(whole) - whole[::-1].index(tokenizer.raw.token_to_id("<|im_end|>")) - 1]
    else:
        ends = [place for place, id in enumerate(whole) if id == tokenizer.eos_id]
        assert ours == (whole[: ends[-1]] if ends and name != "gemma" else whole[: len(ours)])


@pytest.mark.parametrize(
    ("name", "way"), [("qwen3", "field"), ("qwen3-thinking", "field"), ("channels", "field"), ("r1-distill", "think")]
)
def test_the_reasoning_stands_where_the_model_expects_it(name: str, way: str, models: dict[str, TextTokenizer]) -> None:
    template = form(models[name])
    assert (template.reasoning_place, template.has_reasoning, template.leaves_out_reasoning, template.prefix_kept) == (
        way,
        True,
        False,
        True,
    )
    assert text(template).count(ROW.reasoning) == 1
    kinds = {one.kind: one.text for one in template.segments(ROW) if not one.special}
    assert kinds == {"prompt": ASKED, "reasoning": ROW.reasoning, "response": ROW.output}
    assert text(template).startswith(template.prompt(ROW.instruction, ROW.input))
    assert text(template).startswith(template.continue_prompt(ROW.instruction, ROW.input, ROW.reasoning[:5]))
    assert text(template).startswith(template.answer_prompt(ROW.instruction, ROW.input, ROW.reasoning) + ROW.output)


def test_what_stands_where(models: dict[str, TextTokenizer]) -> None:
    written = {
        name: text(form(models[name])).partition(ASKED)[2]
        for name in ("qwen3", "qwen3-thinking", "channels", "r1-distill", "gemma", "base")
    }
    think = f"<think>\n{ROW.reasoning}\n</think>\n\n{ROW.output}"
    assert written["qwen3"] == written["qwen3-thinking"] == f"<|im_end|>\n<|im_start|>assistant\n{think}"
    assert written["r1-distill"] == f"<｜Assistant｜>{think}"
    analysis, final = (
        "<|start|>assistant<|channel|>analysis<|message|>",
        "<|start|>assistant<|channel|>final<|message|>",
    )
    assert written["channels"] == f"<|end|>{analysis}{ROW.reasoning}<|end|>{final}{ROW.output}"
    assert written["gemma"] == f"<end_of_turn>\n<start_of_turn>model\n{ROW.output}<end_of_turn>"  # it stops there too
    assert written["base"] == f"<|im_end|>\n<|im_start|>assistant\n{ROW.output}"


@pytest.mark.parametrize("name", WITHOUT)
def test_a_model_without_thinking_leaves_it_out_and_says_so_unless_told(
    name: str, models: dict[str, TextTokenizer]
) -> None:
    template = form(models[name])
    assert (template.reasoning_place, template.has_reasoning, template.leaves_out_reasoning) == ("none", False, True)
    assert ROW.reasoning not in text(template)
    assert not form(models[name], "none").leaves_out_reasoning
    with pytest.raises(UsageError, match="no place for the reasoning"):
        form(models[name], "field")
    told = form(models[name], "think")
    assert told.has_reasoning and told.prefix_kept
    assert f"<think>\n{ROW.reasoning}\n</think>\n\n{ROW.output}" in text(told)
    assert text(told).partition(ROW.output)[2] == text(template).partition(ROW.output)[2]


def test_without_reasoning_nothing_asks_for_one(models: dict[str, TextTokenizer]) -> None:
    qwen3, thinking, r1, channels = (
        form(models[name], "none") for name in ("qwen3", "qwen3-thinking", "r1-distill", "channels")
    )
    assert text(qwen3).endswith(f"<|im_start|>assistant\n<think>\n\n</think>\n\n{ROW.output}")
    assert qwen3.prompt("a", "").endswith("<think>\n\n</think>\n\n") and qwen3.prefix_kept
    assert (
        thinking.prompt("a", "").endswith("<think>\n\n</think>\n\n") and not thinking.prefix_kept
    )  # the turn as the template writes it
    assert r1.prompt("a", "").endswith("<｜User｜>a<｜Assistant｜>") and not r1.prefix_kept
    assert channels.answer_prompt("a", "", "r") == channels.prompt("a", "") + "<|channel|>final<|message|>"
    for template in (qwen3, thinking, r1, channels):
        assert text(template).startswith(template.prompt(ROW.instruction, ROW.input))
        with pytest.raises(UsageError, match="no reasoning"):
            template.continue_prompt("a", "", "r")


@pytest.mark.parametrize("reasoning", ["auto", "none", "think"])
@pytest.mark.parametrize("name", MODELS)
def test_a_splitter_reads_the_trained_answer_back(name: str, reasoning: str, models: dict[str, TextTokenizer]) -> None:
    template = form(models[name], reasoning)
    answer = text(template).removeprefix(template.prompt(ROW.instruction, ROW.input)).removesuffix(template.tail)
    for pieces in ([answer], list(answer)):
        splitter = Splitter(template.markers, template.start)
        for piece in pieces:
            splitter.feed(piece)
        splitter.close()
        blank = (
            " " if name == "inst" else ""
        )  # its template writes a blank before every answer, which is text to a splitter
        assert (splitter.reasoning, splitter.response) == (
            ROW.reasoning if template.has_reasoning else "",
            blank + ROW.output,
        )


def test_a_channel_model_that_answers_at_once_is_read_too(models: dict[str, TextTokenizer]) -> None:
    template = form(models["channels"])
    assert template.markers.reasoning[0] == "<|channel|>analysis<|message|>"
    splitter = Splitter(template.markers, template.start)
    splitter.feed("<|channel|>final<|message|>240")
    splitter.close()
    assert (splitter.reasoning, splitter.response) == ("", "240")


hostile = st.lists(
    st.sampled_from(
        ["<|im_end|>", "<think>", "</think>", "<|im_start|>", "{{ 7*7 }}", "{% raw %}", "\n", "a", "投", " "]
    ),
    max_size=5,
)


@pytest.mark.parametrize("name", ["qwen3", "r1-distill", "gemma"])
def test_a_rows_text_stays_text(name: str, models: dict[str, TextTokenizer]) -> None:
    tokenizer, template = models[name], form(models[name])
    special = {
        *tokenizer.stop_ids,
        *(token["id"] for token in msgspec.json.decode(tokenizer.raw.to_str())["added_tokens"]),
    }
    plain = [id for id in ids(tokenizer, template, Row("a", "", "a", "a")) if id in special]

    @settings(max_examples=60, deadline=None)
    @given(*[hostile.map("".join)] * 4)
    def check(instruction: str, input: str, reasoning: str, output: str) -> None:
        row = Row(instruction, input, reasoning, output)
        encoded = ids(tokenizer, template, row)
        assert [id for id in encoded if id in special] == plain
        assert tokenizer.decode(encoded) == text(template, row)

    check()


def test_a_template_of_text_stays_as_it_is_and_a_named_one_keeps_its_name(models: dict[str, TextTokenizer]) -> None:
    alpaca = get_template("alpaca-reasoning")
    assert bind_chat_template(alpaca, models["qwen3"]) is alpaca
    chat = bind_chat_template(get_template("chat"), models["qwen3"])
    assert (chat.name, chat.has_reasoning) == ("chat", True)
    assert chat.version("Japanese") is chat  # type: ignore[comparison-overlap]
    plain = bind_chat_template(get_template("chat-plain"), models["qwen3"])
    assert (plain.name, plain.has_reasoning) == ("chat-plain", False)
    assert len({one.content_hash() for one in (chat, plain, form(models["qwen2.5"]))}) == 3


def written(tmp_path: Path, template: str, file: str = "chat_template.jinja") -> TextTokenizer:
    folder = write_model(tmp_path / "model", "qwen2.5")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if template:
        (folder / file).write_text(
            json.dumps({"chat_template": template}) if file.endswith("json") else template, encoding="utf-8"
        )
    return TextTokenizer.from_folder(folder)


@pytest.mark.parametrize("file", ["chat_template.jinja", "chat_template.json"])
def test_the_template_may_lie_in_a_file_of_its_own(tmp_path: Path, file: str) -> None:
    tokenizer = written(tmp_path, MODELS["qwen3"].template, file)  # type: ignore[arg-type]
    assert form(tokenizer).reasoning_place == "field"


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("", "no chat template"),
        ("{% for m in messages %}{{ m.role }}{% endfor %}", "drops or changes"),
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}", "drops or changes"),
        ("{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}", "drops or changes"),
        ("{% for m in messages | reverse %}{{ m.content }}{% endfor %}", "drops or changes"),
        ("{{ raise_exception('never') }}", "never"),
        ("{% for m in messages %}", "cannot be read .line 1"),
        ("{{ messages.append(1) }}", "fails on this conversation .SecurityError"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
        (
            "{% for t in tools %}{{ t.name }}{% endfor %}{% for m in messages %}{{ m.content }}{% endfor %}",
            "with tools",
        ),
        (LOOPS, "does not come to an end"),
    ],
)
def test_a_template_that_cannot_serve_is_an_error_in_words(tmp_path: Path, template: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        form(written(tmp_path, template))


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    tokenizer = written(tmp_path, "x")
    (Path(tokenizer.where) / "chat_template.jinja").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ModelError, match="cannot be read"):
        form(tokenizer)


def test_a_template_that_drops_the_reasoning_of_the_last_turn_gets_it_in_the_text(tmp_path: Path) -> None:
    """It knows the field and `<think>`, but writes neither for a turn that is over."""
    template = "{# reasoning_content #}" + MODELS["qwen2.5"].template.replace(
        "m['content']", "m['content'].split('</think>')[-1]"
    )  # type: ignore[union-attr]
    made = form(written(tmp_path, template))
    assert (made.reasoning_place, made.prefix_kept, made.start) == ("think", True, "undecided")
    assert text(made).endswith(f"<|im_start|>assistant\n<think>\n{ROW.reasoning}\n</think>\n\n{ROW.output}")


def test_a_field_in_marks_of_its_own_that_the_generation_prompt_does_not_begin(tmp_path: Path) -> None:
    turns = "{% if m.role == 'user' %}Q: {{ m.content }}{% else %} [T]{{ m.reasoning }}[/T]{{ m.content }}{% endif %}"
    template = "{% for m in messages %}" + turns + "{% endfor %}{% if add_generation_prompt %} A:{% endif %}"
    made = form(written(tmp_path, template))
    assert (made.reasoning_place, made.prefix_kept, made.start) == ("field", False, "reasoning")
    assert made.markers.response == ("[/T]",)
    assert text(made) == f"Q: {ASKED} [T]{ROW.reasoning}[/T]{ROW.output}"
    assert made.prompt("a", "") == "Q: a [T]"
