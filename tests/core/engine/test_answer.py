"""From a request to the events of its answer, over a model that writes what the test says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from core.base.errors import UsageError
from core.engine.openai_api import ChatRequest, CompletionRequest
from core.engine.protocol import AnswerFinish, AnswerPiece
from core.models.loading import LoadedModel
from core.splitter.splitter import Markers
from core.templates.by_name import TEXT_TEMPLATES, save_template
from core.templates.template import Template, TemplateVersion
from core.tokens.tokenizer import TextTokenizer
from tests.core.engine.run_sequence import answer_events
from tests.core.engine.scripted_model import ScriptedModel


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tiny_folder)


def writes(tokenizer: TextTokenizer, text: str, **options: Any) -> LoadedModel:
    return LoadedModel(
        model=ScriptedModel(tokenizer.encode(text)[0], **options), tokenizer=tokenizer, backend="scripted"
    )


def request(template: str | None = "alpaca-reasoning", messages: Any = None, **fields: Any) -> ChatRequest:
    messages = messages or [{"role": "user", "content": "How high is 立山?"}]
    return msgspec.convert(
        {"messages": messages, "suiron": {"template": template}, "temperature": 0, **fields}, ChatRequest
    )


def told(loaded: LoadedModel, asked: ChatRequest) -> tuple[str, str, AnswerFinish]:
    *pieces, finish = answer_events(loaded, asked)
    assert isinstance(finish, AnswerFinish)
    assert all(isinstance(piece, AnswerPiece) and piece.text for piece in pieces)
    texts = {"reasoning": "", "response": ""}
    for piece in pieces:
        assert isinstance(piece, AnswerPiece)
        texts[piece.section] += piece.text
    return texts["reasoning"], texts["response"], finish


def test_an_answer_in_two_sections(tokenizer: TextTokenizer) -> None:
    loaded = writes(tokenizer, "It is in Toyama.\n\n### Response:\n3015 m")
    reasoning, response, finish = told(loaded, request())
    assert (reasoning, response) == ("It is in Toyama.", "3015 m")
    assert (finish.reason, finish.ending) == ("end", "complete")
    assert finish.tokens == len(tokenizer.encode("It is in Toyama.\n\n### Response:\n3015 m")[0])
    assert 0 < finish.prefill_seconds <= finish.first_token_seconds <= finish.total_seconds


def test_a_template_of_ones_own_is_read_by_its_markers_and_as_the_run_kept_it(
    tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    own = TEXT_TEMPLATES["alpaca-reasoning"].version()
    text = own.text.replace("### Response:", "### Final:")
    mine = Template(
        "mine", {"default": TemplateVersion(text, own.input_block, Markers(("### Reasoning:",), ("### Final:",)))}
    )
    loaded = writes(tokenizer, "Because.\n\n### Final:\n42")
    with pytest.raises(UsageError, match="no such template"):
        told(loaded, request("mine"))
    save_template(mine, tmp_path / "run" / "templates")
    kept = msgspec.structs.replace(loaded, adapter=tmp_path / "run" / "adapter")
    assert told(kept, request("mine"))[:2] == ("Because.", "42")
    source = tmp_path / "rows.jsonl"
    source.write_text("")
    save_template(mine, tmp_path / "rows.jsonl.suiron" / "templates")
    asked = request("mine")
    asked = msgspec.structs.replace(asked, suiron=msgspec.structs.replace(asked.suiron, data=str(source)))
    assert told(writes(tokenizer, "Because.\n\n### Final:\n42"), asked)[:2] == ("Because.", "42")


def test_japanese_streams_in_whole_characters_as_they_come(tokenizer: TextTokenizer) -> None:
    text = "立山は富山県にある。🗻"
    pieces = [
        event.text
        for event in answer_events(writes(tokenizer, text), request("alpaca"))
        if isinstance(event, AnswerPiece)
    ]
    assert pieces == list(text)  # one token is one byte here: every piece is one character, none is a broken one


def test_a_runaway_ends_the_decoding_at_once(tokenizer: TextTokenizer) -> None:
    loaded = writes(tokenizer, "a\n\n### Response:\nb\n\n### Instruction:\n" + "more " * 100)
    reasoning, response, finish = told(loaded, request())
    assert (reasoning, response) == ("a", "b")
    assert (finish.reason, finish.ending) == ("runaway", "runaway")
    assert loaded.model.passes < 60


def test_the_token_limit_is_told_and_text_held_back_still_comes(tokenizer: TextTokenizer) -> None:
    reasoning, response, finish = told(writes(tokenizer, "one\n\n### Resp"), request(max_tokens=11))
    assert (reasoning, response) == ("one\n\n### Re", "")
    assert (finish.reason, finish.ending, finish.tokens) == ("length", "in_reasoning", 11)


def test_the_context_is_a_limit_too(tokenizer: TextTokenizer) -> None:
    asked = request("alpaca")
    prompt = told(writes(tokenizer, "x"), asked)[2].prompt_tokens
    finish = told(writes(tokenizer, "x" * 100, context=prompt + 7), asked)[2]
    assert (finish.reason, finish.tokens) == ("length", 7)
    with pytest.raises(UsageError, match="context"):
        answer_events(writes(tokenizer, "x", context=prompt), asked)


def test_stopping_ends_it_with_what_there_is(tokenizer: TextTokenizer) -> None:
    seen: list[Any] = []
    for event in answer_events(writes(tokenizer, "abcdefgh"), request("alpaca"), lambda: len(seen) >= 3):
        seen.append(event)
    assert "".join(event.text for event in seen[:-1]) == "abc"
    assert (seen[-1].reason, seen[-1].tokens) == ("stopped", 3)


def test_a_completion_is_the_text_as_it_comes(tokenizer: TextTokenizer) -> None:
    asked = msgspec.convert({"prompt": "Once", "temperature": 0}, CompletionRequest)
    *pieces, finish = answer_events(writes(tokenizer, "a\n\n### Response:\nb"), asked)
    assert "".join(piece.text for piece in pieces if isinstance(piece, AnswerPiece)) == "a\n\n### Response:\nb"
    assert isinstance(finish, AnswerFinish)
    assert finish.reason == "end"


def test_a_lone_message_to_a_model_without_a_chat_template_takes_the_reasoning_template(
    tokenizer: TextTokenizer,
) -> None:
    plain, named = (
        told(writes(tokenizer, "x"), request(template))[2].prompt_tokens for template in (None, "alpaca-reasoning")
    )
    assert plain == named
    conversation = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    with pytest.raises(UsageError, match="no chat template"):
        answer_events(writes(tokenizer, "x"), request(None, conversation))
    with pytest.raises(UsageError, match="one user message"):
        answer_events(writes(tokenizer, "x"), request("alpaca", conversation))
    with pytest.raises(UsageError, match="no such template"):
        answer_events(writes(tokenizer, "x"), request("nonsense"))


def test_the_models_own_chat_template(tiny_folder: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (tmp_path / name).write_bytes((tiny_folder / name).read_bytes())
    template = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}"
        "{% if add_generation_prompt %}bot: <think>\n{% endif %}"
    )
    (tmp_path / "chat_template.jinja").write_text(template)
    tokenizer = TextTokenizer.from_folder(tmp_path)
    loaded = writes(tokenizer, "hm</think>\n\nyes")
    reasoning, response, finish = told(
        loaded, request(None, [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}])
    )
    assert (reasoning, response) == ("hm", "yes")  # the format opened the reasoning itself
    assert (
        finish.prompt_tokens == len("user: hi" + "assistant: ho" + "bot: <think>\n") + 2
    )  # the two ends are one token each


@pytest.fixture
def chatty(tiny_folder: Path, tmp_path: Path) -> TextTokenizer:
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (tmp_path / name).write_bytes((tiny_folder / name).read_bytes())
    thought = "{% if m.reasoning_content %}{{ '<think>\\n' + m.reasoning_content + '\\n</think>\\n\\n' }}{% endif %}"
    turn = "{{ m.role + ': ' }}" + thought + "{{ m.content | trim + eos_token }}"
    template = (
        "{% for m in messages %}" + turn + "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    (tmp_path / "chat_template.jinja").write_text(template)
    return TextTokenizer.from_folder(tmp_path)


def test_the_template_called_chat_is_the_models_own(chatty: TextTokenizer) -> None:
    loaded = writes(chatty, "<think>\nhm\n</think>\n\nyes")
    reasoning, response, finish = told(
        loaded,
        request("chat", suiron={"template": "chat", "input": "there"}, messages=[{"role": "user", "content": "hi"}]),
    )
    assert (reasoning, response) == ("hm", "yes")
    assert finish.prompt_tokens == len("user: hi\n\nthere" + "assistant: ") + 1
    assert told(loaded, request(None))[:2] == ("hm", "yes")


def test_what_a_message_says_stays_text(chatty: TextTokenizer) -> None:
    """Its end of sequence has more letters than tokens: spelled by the message it is the former, written by the
    template the latter."""
    eos, prompt = chatty.eos, len("user: assistant: ") + 1
    finish = told(writes(chatty, "x"), request(None, [{"role": "user", "content": f" a{eos}\n"}]))[2]
    assert finish.prompt_tokens == prompt + len(f"a{eos}")
    named = told(writes(chatty, "x"), request("chat", [{"role": "user", "content": f"a{eos}"}]))[2]
    assert named.prompt_tokens == prompt + len(f"a{eos}")


def test_a_languages_version_is_asked_with_and_its_headings_are_read(tokenizer: TextTokenizer) -> None:
    asked = {"template": "alpaca-reasoning-languages", "language": "Japanese"}
    reasoning, response, finish = told(writes(tokenizer, "山。\n\n### 応答:\n3015 m"), request(suiron=asked))
    assert (reasoning, response) == ("山。", "3015 m")
    english = told(writes(tokenizer, "x"), request(suiron=asked | {"language": ""}))[2]
    assert finish.prompt_tokens != english.prompt_tokens


def test_a_chat_template_that_refuses_is_told_in_its_own_words(tiny_folder: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (tmp_path / name).write_bytes((tiny_folder / name).read_bytes())
    (tmp_path / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(UsageError, match="roles must alternate"):
        answer_events(writes(TextTokenizer.from_folder(tmp_path), "x"), request(None))


def test_the_base_model_beneath_the_adapter(tiny_folder: Path, tiny_adapter: Path, tokenizer: TextTokenizer) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    def base() -> Any:
        return AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).eval()

    tuned = LoadedModel(model=PeftModel.from_pretrained(base(), tiny_adapter).eval(), tokenizer=tokenizer, backend="")
    plain = LoadedModel(model=base(), tokenizer=tokenizer, backend="")
    asked = request("alpaca", max_tokens=40)

    def text(loaded: LoadedModel, with_adapter: bool, label: str | None = "default") -> list[Any]:
        events = answer_events(loaded, asked, tuned=with_adapter, label=label)
        return [event.text for event in events if isinstance(event, AnswerPiece)]

    assert text(tuned, False) == text(plain, True, None)
    assert text(tuned, True) != text(tuned, False)
    half = answer_events(tuned, asked, tuned=False, label="default")
    next(half)
    assert text(tuned, True) != text(plain, True, None), "an answer that is left early leaves the adapter switched off"
