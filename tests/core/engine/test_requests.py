"""Requests: what is read, what is refused by name, and what becomes of the fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.engine.openai_logprobs import chat_log_probabilities, completion_log_probabilities
from core.engine.openai_requests import ChatRequest, CompletionRequest
from core.engine.parse_request import RefusedRequest, parse_request
from core.engine.protocol import ChatQuestion, SamplingWishes
from core.engine.request_choice import breaker_ids, request_seed, token_choice
from core.engine.sampling.token_choice import GREEDY, DryPenalty, TokenChoice, TokenScores
from core.tokens.tokenizer import TextTokenizer

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def tokenizer(tiny_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tiny_folder)


def chat(**fields: Any) -> ChatRequest:
    return parse_request(json.dumps({"messages": HI, **fields}).encode(), ChatRequest)


def completion(**fields: Any) -> CompletionRequest:
    return parse_request(json.dumps({"prompt": "x", **fields}).encode(), CompletionRequest)


def refusal(kind: Any = ChatRequest, **fields: Any) -> str:
    body = {"messages": HI} if kind is ChatRequest else {"prompt": "x"}
    with pytest.raises(RefusedRequest) as caught:
        parse_request(json.dumps({**body, **fields}).encode(), kind)
    assert caught.value.status == 400
    return caught.value.message


def test_what_clients_send_by_default_changes_nothing() -> None:
    request = chat(
        n=1,
        user="me",
        store=False,
        metadata={"a": "b"},
        stream=None,
        temperature=None,
        top_p=None,
        seed=None,
        stop=None,
        logit_bias={},
        tools=[],
        tool_choice="auto",
        parallel_tool_calls=True,
        response_format={"type": "text"},
        modalities=["text"],
        service_tier="auto",
        logprobs=False,
        presence_penalty=0,
        top_k=-1,
        stream_options={"include_usage": True},
    )
    assert (request.include_usage, request.answers, request.token_limit, request.alternatives) == (True, 1, None, None)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"mood": 1}, "does not support mood: leave it out"),
        ({"repeat_penalty": 1.1}, "repeat_penalty: use repetition_penalty"),
        ({"n_predict": 5}, "n_predict: use max_tokens"),
        ({"suiron": {"mood": 1}}, "mood in $.suiron"),
        ({"messages": [{**HI[0], "mood": 1}]}, "mood in $.messages[0]"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"store": True}, "store"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"n": 9}, "n`"),
        ({"stop": ["a", ""]}, "stop"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"presence_penalty": 2.5}, "presence_penalty"),
        ({"min_p": 1.5}, "min_p"),
        ({"dry_base": 0.5}, "dry_base"),
        ({"logit_bias": {"one": 1}}, "logit_bias"),
        ({"logit_bias": {"1": 101}}, "logit_bias"),
        ({"stream_options": {"mood": True}}, "mood"),
        ({"continue_final_message": True}, "assistant's message"),
        ({"suiron": {"on_loop": "panic"}}, "on_loop"),
        ({"suiron": {"thinking_budget": -1}}, "thinking_budget"),
        ({"messages": [{"role": "user"}]}, "content"),
        ({"messages": [{**HI[0], "reasoning_content": "x"}]}, "assistant"),
        ({"prediction": {"type": "content"}}, "prediction"),
    ],
)
def test_what_cannot_be_honoured_is_refused_by_name(fields: dict[str, Any], says: str) -> None:
    assert says in refusal(**fields)


def test_completions_refuse_by_name_too() -> None:
    for fields, says in (
        ({"messages": HI}, "messages"),
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 2}, "best_of"),
        ({"prompt": [1, "a"]}, "mixes"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["x"] * 65}, "64"),
        ({"prompt": [-1]}, "prompt"),
        ({"echo": True, "logprobs": 2}, "/suiron/score"),
        ({"suiron": {"thinking_budget": 3}}, "thinking_budget"),
        ({"suiron": {"template": "alpaca"}}, "template"),
    ):
        assert says in refusal(CompletionRequest, **fields)


def test_limits_and_answers() -> None:
    assert chat(max_tokens=5).token_limit == 5
    assert chat(max_tokens=5, max_completion_tokens=7).token_limit == 7
    assert chat(max_tokens=5, suiron={"prefill": True}).token_limit == 0
    assert chat(max_completion_tokens=0).token_limit == 0
    assert completion(max_tokens=0).token_limit == 0
    assert chat(n=3).answers == 3
    assert chat(stop="x").stop_strings == ("x",)
    assert chat(stop=["x", "y"]).stop_strings == ("x", "y")
    assert completion(suiron={"draft": "old"}).draft == "old"
    assert chat(prediction={"type": "content", "content": "old"}).draft == "old"
    assert chat(tools=[{"type": "function"}], tool_choice="none").template_tools is None


def test_prompts_as_texts_and_ids() -> None:
    assert completion().prompts == ("x",)
    assert completion(prompt=["x", "y"]).prompts == ("x", "y")
    assert completion(prompt=[1, 2]).prompts == ([1, 2],)
    assert completion(prompt=[[1, 2], [3]]).prompts == ([1, 2], [3])


def test_every_sampling_field_reaches_the_choice(tokenizer: TextTokenizer) -> None:
    fields = {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "presence_penalty": 0.2,
        "frequency_penalty": 0.3,
        "no_repeat_ngram_size": 3,
        "dry_multiplier": 0.8,
        "dry_allowed_length": 4,
        "dry_sequence_breakers": ["\n"],
        "logit_bias": {"7": -5, "8": 0},
        "min_tokens": 2,
    }
    choice = token_choice(chat(**fields, logprobs=True, top_logprobs=5), tokenizer, 11)
    assert choice == TokenChoice(
        temperature=0.5,
        top_p=0.9,
        seed=11,
        top_k=40,
        min_p=0.1,
        repetition_penalty=1.1,
        presence_penalty=0.2,
        frequency_penalty=0.3,
        no_repeat_ngram=3,
        dry=DryPenalty(0.8, 1.75, 4, tuple(tokenizer.encode("\n")[0])),
        bias=((7, -5.0),),
        min_tokens=2,
        stop_ids=tuple(sorted(tokenizer.stop_ids)),
        alternatives=5,
    )
    assert token_choice(completion(**fields, logprobs=0), tokenizer, 11) == msgspec.structs.replace(
        choice, alternatives=0
    )


def test_a_bare_request_samples_as_openai_does_and_greedy_ones_keep_the_cheap_path(tokenizer: TextTokenizer) -> None:
    assert token_choice(chat(), tokenizer, 3) == TokenChoice(temperature=1.0, seed=3)
    assert token_choice(chat(temperature=0), tokenizer, 0) == GREEDY
    assert token_choice(chat(temperature=0), tokenizer, 0).takes_best_score
    assert request_seed(chat(seed=9)) == 9
    assert len({request_seed(chat()) for _ in range(5)}) > 1
    assert len(breaker_ids(tokenizer, ("\n", ":"))) == 2


def test_a_questions_settings_are_a_requests_fields() -> None:
    wishes = SamplingWishes(top_k=5, dry_multiplier=0.5, stop=("x",), frequency_penalty=0.1)
    question = ChatQuestion(instruction="hi", sampling=wishes)
    assert msgspec.to_builtins(ChatQuestion(instruction="hi").sampling) == {}
    request = chat(**msgspec.to_builtins(question.sampling))
    assert {name: getattr(request, name) for name in SamplingWishes.__struct_fields__} == {
        **{name: getattr(wishes, name) for name in SamplingWishes.__struct_fields__},
        "stop": ["x"],
    }
    for field in msgspec.structs.fields(SamplingWishes):
        if field.name != "stop":
            assert getattr(chat(), field.name) == field.default, field.name


def test_messages_become_what_templates_take() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    broken = {"function": {"name": "add", "arguments": "{a"}}
    request = chat(
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "user", "content": "q", "name": "ann"},
            {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call, broken]},
            {"role": "tool", "content": "2", "tool_call_id": "c1"},
            {"role": "assistant", "content": "r", "reasoning": "so", "refusal": None, "annotations": []},
        ]
    )
    assert [message.row_form() for message in request.messages] == [
        {"role": "developer", "content": "ab"},
        {"role": "user", "content": "q", "name": "ann"},
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}},
                {"type": "function", "function": {"name": "add", "arguments": "{a"}},
            ],
        },
        {"role": "tool", "content": "2", "tool_call_id": "c1"},
        {"role": "assistant", "content": "r", "reasoning_content": "so"},
    ]


def test_log_probabilities_in_openais_forms() -> None:
    words = {1: b"a", 2: b"\xe5\xb1", 3: b"\xb1", 4: b"b"}
    scores = [TokenScores(1, -0.5, ((1, -0.5), (4, -1.0))), TokenScores(2, -0.1, ((2, -0.1), (3, -3.0)))]
    told = chat_log_probabilities(scores, words.__getitem__)
    assert [entry["token"] for entry in told["content"]] == ["a", "\ufffd"]
    assert told["content"][1]["bytes"] == [0xE5, 0xB1]
    assert told["content"][0]["top_logprobs"][1] == {"token": "b", "logprob": -1.0, "bytes": [98]}
    assert completion_log_probabilities(scores, words.__getitem__, offset=3) == {
        "tokens": ["a", "\ufffd"],
        "token_logprobs": [-0.5, -0.1],
        "top_logprobs": [{"a": -0.5, "b": -1.0}, {"\ufffd": -0.1}],
        "text_offset": [3, 4],
    }
