"""Asking servers of several kinds, and broken ones."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from typing import Any, cast

import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from core.base.errors import EngineError, ModelError, SuironError, UsageError
from core.engine.protocol import AnswerFinish, AnswerPiece, ChatQuestion, EngineStatus, SamplingWishes
from core.engine.remote import remote_answer
from core.engine.remote_client import RemoteClient
from tests.support.scripted_server import (
    ScriptedServer,
    error,
    no_model,
    refuse_fields,
    scripted_server,
    unknown_server,
)

KEY = "remotekey-0123456789"
CHAT = ChatQuestion(instruction="How high is 立山?", template="chat")
TEXT = ChatQuestion(instruction="How high is 立山?", template="alpaca-reasoning")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with unknown_server(monkeypatch) as script:
        yield script


class Asked:
    """An answer as it was read."""

    def __init__(self) -> None:
        self.reasoning = self.response = ""
        self.finish: AnswerFinish | None = None
        self.error: SuironError | None = None
        self.status: EngineStatus | None = None


async def ask(
    server: ScriptedServer,
    question: ChatQuestion = CHAT,
    model: str = "tiny",
    reasoning: str = "",
    patience: float = 60,
) -> Asked:
    asked = Asked()
    client = RemoteClient(server.url, patience=patience)
    try:
        asked.status = await client.ensure(model, "", lambda status: None)
        async for item in client.ask(question, reasoning):
            if isinstance(item, AnswerFinish):
                asked.finish = item
            elif item.section == "reasoning":
                asked.reasoning += item.text
            else:
                asked.response += item.text
    except SuironError as raised:
        asked.error = raised
    finally:
        await client.close()
    return asked


def has_three_parts(raised: SuironError | None) -> SuironError:
    assert raised is not None
    assert raised.what
    assert raised.where
    assert raised.do
    return raised


# -- answers --


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_in_a_field_of_its_own(server: ScriptedServer, field: str) -> None:
    server.deltas = [
        {"role": "assistant", "content": ""},
        {field: "First "},
        {field: "I look."},
        {"content": "\n\n"},
        {"content": "3015 m, said in <think>"},
    ]
    server.usage = {"prompt_tokens": 9, "completion_tokens": 6, "prompt_tokens_details": {"cached_tokens": 4}}
    asked = await ask(server)
    assert (asked.reasoning, asked.response) == ("First I look.", "3015 m, said in <think>")
    finish = asked.finish
    assert finish is not None
    assert (finish.reason, finish.ending, finish.prompt_tokens, finish.tokens) == ("end", "complete", 9, 6)
    assert finish.reused_tokens == 4
    assert finish.path == "at " + server.url.removeprefix("http://")
    [body] = server.bodies
    assert body["messages"] == [{"role": "user", "content": "How high is 立山?"}]
    assert (body["model"], body["stream"], body["max_tokens"], body["temperature"]) == ("tiny", True, 1024, 0.0)


async def test_reasoning_in_tags_however_they_are_cut(server: ScriptedServer) -> None:
    server.deltas = [{"content": letter} for letter in "<think>\nI look.\n</think>\n\n3015 m"]
    asked = await ask(server)
    assert (asked.reasoning, asked.response) == ("I look.", "3015 m")


async def test_a_closing_tag_alone_is_remembered_and_forgotten(server: ScriptedServer) -> None:
    server.deltas = [{"content": "I look.\n</think>\n\n3015 m"}]
    assert (await ask(server)).reasoning == ""  # text that was returned cannot be taken back
    asked = await ask(server)
    assert (asked.reasoning, asked.response) == ("I look.", "3015 m")
    server.deltas = [{"content": "3015 m"}]
    await ask(server)
    assert (await ask(server)).response == "3015 m"


async def test_a_tag_inside_a_sentence_teaches_nothing(server: ScriptedServer) -> None:
    server.deltas = [{"content": "The tag </think> closes a reasoning."}]
    await ask(server)
    server.deltas = [{"content": "3015 m"}]
    assert (await ask(server)).response == "3015 m"


async def test_a_text_template_goes_to_completions(server: ScriptedServer) -> None:
    server.texts = ["I look.\n\n### Resp", "onse:\n3015 m", "\n\n### Instruction:\nNext"]
    asked = await ask(server, TEXT)
    assert (asked.reasoning, asked.response) == ("I look.", "3015 m")
    assert asked.finish is not None
    assert asked.finish.reason == "runaway"
    assert server.requests[-1][0] == "/v1/completions"
    assert server.bodies[-1]["prompt"].rstrip().endswith("### Reasoning:") or "立山" in server.bodies[-1]["prompt"]


async def test_without_completions_the_question_goes_as_a_message_and_that_is_said(server: ScriptedServer) -> None:
    server.texts = None
    asked = await ask(server, TEXT)
    assert asked.response == "Hello"
    assert asked.finish is not None
    assert "alpaca-reasoning" in asked.finish.path_why
    again = await ask(server, TEXT)
    assert again.status is not None
    assert "text templates" in again.status.backend
    assert [path for path, body in server.requests if body] == [
        "/v1/completions",
        "/v1/chat/completions",
        "/v1/chat/completions",  # tried once
    ]


async def test_ollama_is_not_asked_for_completions(server: ScriptedServer) -> None:
    server.models = {"qwen3:8b": "library"}
    asked = await ask(server, TEXT, "qwen3:8b")
    assert [path for path, body in server.requests if body] == ["/v1/chat/completions"]
    assert asked.finish is not None
    assert asked.finish.path_why


async def test_a_server_that_does_not_stream(server: ScriptedServer) -> None:
    server.streams = False
    server.deltas = [{"content": "<think>a</think>b"}]
    asked = await ask(server)
    assert (asked.reasoning, asked.response) == ("a", "b")


async def test_without_counts_events_are_counted(server: ScriptedServer) -> None:
    server.usage = None
    server.deltas = [{"content": "a"}, {"content": "b"}]
    asked = await ask(server)
    assert asked.finish is not None
    assert asked.finish.tokens == 2


async def test_another_model_that_answers_is_named(server: ScriptedServer) -> None:
    server.answers_as = "large\x1b[31m"
    asked = await ask(server)
    assert asked.finish is not None
    assert "large" in asked.finish.path_why
    assert "\x1b" not in asked.finish.path_why


@pytest.mark.parametrize(("finish", "reason"), [("length", "length"), ("stop", "end"), ("tool_calls", "end")])
async def test_why_it_ended(server: ScriptedServer, finish: str, reason: str) -> None:
    server.finish = finish
    asked = await ask(server)
    assert asked.finish is not None
    assert asked.finish.reason == reason


# -- a reasoning that is continued --


async def test_a_reasoning_goes_on_in_a_text_template(server: ScriptedServer) -> None:
    server.texts = ["look.\n\n### Response:\n3015 m"]
    asked = await ask(server, TEXT, reasoning="First I ")
    assert server.bodies[-1]["prompt"].endswith("First I ")
    assert (asked.reasoning, asked.response) == ("look.", "3015 m")


async def test_a_reasoning_goes_on_in_the_last_message(server: ScriptedServer) -> None:
    server.deltas = [{"content": "look.\n</think>\n\n3015 m"}]
    asked = await ask(server, CHAT, reasoning="First I ")
    body = server.bodies[-1]
    assert body["continue_final_message"] is True
    assert body["add_generation_prompt"] is False
    assert body["messages"][-1] == {"role": "assistant", "content": "<think>\nFirst I "}
    assert (asked.reasoning, asked.response) == ("look.", "3015 m")


async def test_where_the_field_is_refused_its_place_must_do(server: ScriptedServer) -> None:
    server.refuse = refuse_fields("continue_final_message")
    server.deltas = [{"content": "look.\n</think>\n\n3015 m"}]
    asked = await ask(server, CHAT, reasoning="First I ")
    assert "continue_final_message" not in server.bodies[-1]
    assert asked.reasoning == "look."
    assert asked.finish is not None
    assert "continues" in asked.finish.path_why


# -- what a server refuses --


async def test_a_chosen_field_that_is_refused_is_named_not_dropped(server: ScriptedServer) -> None:
    server.refuse = refuse_fields("min_p")
    question = ChatQuestion(instruction="a", template="chat", sampling=SamplingWishes(min_p=0.1, top_k=5))
    raised = has_three_parts((await ask(server, question)).error)
    assert isinstance(raised, UsageError)
    assert "min_p" in raised.what
    assert "top_k" not in raised.what
    assert len(server.bodies) == 1


async def test_fields_that_change_no_answer_are_left_out(server: ScriptedServer) -> None:
    server.refuse = refuse_fields("stream_options", "chat_template_kwargs")
    question = ChatQuestion(instruction="a", template="chat-plain")
    asked = await ask(server, question)
    assert asked.response == "Hello"
    assert asked.finish is not None
    assert "reasoning" in asked.finish.path_why
    assert len(server.bodies) == 3


async def test_the_other_name_of_the_token_limit(server: ScriptedServer) -> None:
    def refuse(path: str, body: dict[str, Any]) -> Response | None:
        words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
        return error(400, words, param="max_tokens") if "max_tokens" in body else None

    server.refuse = refuse
    assert (await ask(server)).response == "Hello"
    assert server.bodies[-1]["max_completion_tokens"] == 1024


@pytest.mark.parametrize("field", [{"cold": True}, {"thinking_budget": 10}])
async def test_what_only_the_own_engine_can_is_refused_in_words(server: ScriptedServer, field: dict[str, Any]) -> None:
    raised = has_three_parts((await ask(server, ChatQuestion(instruction="a", template="chat", **field))).error)
    assert isinstance(raised, UsageError)
    assert not server.bodies


async def test_an_adapter_of_this_machine_is_refused(server: ScriptedServer) -> None:
    client = RemoteClient(server.url)
    with pytest.raises(UsageError, match="adapter"):
        await client.ensure("tiny", "/some/adapter", lambda status: None)
    await client.close()


async def test_reading_ahead_asks_nothing(server: ScriptedServer) -> None:
    asked = await ask(server, ChatQuestion(instruction="a", template="chat", max_tokens=0))
    assert asked.finish is not None
    assert asked.finish.tokens == 0
    assert not server.bodies


# -- which model --


async def test_the_only_model_needs_no_name(server: ScriptedServer) -> None:
    asked = await ask(server, model="")
    assert asked.status is not None
    assert asked.status.model == "tiny"
    server.models = {"tiny": "a", "large": "a"}
    raised = has_three_parts((await ask(server, model="")).error)
    assert "tiny, large" in raised.do


async def test_an_unknown_model_is_refused_with_those_there_are(server: ScriptedServer) -> None:
    raised = has_three_parts((await ask(server, model="typo")).error)
    assert isinstance(raised, ModelError)
    assert "tiny" in raised.do


async def test_a_server_without_a_list_is_asked_by_name(server: ScriptedServer) -> None:
    server.models = None
    assert (await ask(server, model="any")).response == "Hello"
    server.refuse = no_model
    raised = has_three_parts((await ask(server, TEXT, model="any")).error)
    assert isinstance(raised, ModelError)
    assert "any" in raised.where


# -- errors --


async def test_a_key_is_sent_and_never_shown(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.key = KEY
    raised = has_three_parts((await ask(server)).error)
    assert "SUIRON_API_KEY" in raised.do
    monkeypatch.setenv("SUIRON_API_KEY", KEY)
    assert (await ask(server)).response == "Hello"
    server.key = "another"
    raised = has_three_parts((await ask(server)).error)  # the server's words quote it
    assert KEY not in str(raised)


async def test_a_rate_limit_says_how_long(server: ScriptedServer) -> None:
    server.refuse = lambda path, body: error(429, "slow down", {"Retry-After": "12.2"}) if body else None
    assert has_three_parts((await ask(server)).error).do == "Ask again in 13 seconds"
    server.refuse = lambda path, body: error(429, "slow down", {"Retry-After": "nan"}) if body else None
    assert has_three_parts((await ask(server)).error).do == "Wait a while and ask again"


async def test_no_redirect_is_followed_with_the_key(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUIRON_API_KEY", KEY)
    with scripted_server() as other:
        server.refuse = lambda path, body: RedirectResponse(other.url + path)
        raised = has_three_parts((await ask(server)).error)
        assert other.url in raised.what
        assert not other.requests


async def test_nobody_there() -> None:
    with scripted_server() as gone:
        pass
    raised = has_three_parts((await ask(gone)).error)
    assert "cannot be reached" in raised.what


@pytest.mark.parametrize(
    "events",
    [
        b"data: {not json\n\n",
        b'data: {"choices": [{"delta": {"content": 5}}]}\n\n',
        b'data: {"choices": "a"}\n\n',
        b"data: \xff\xfe\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"<html>",
        b"",
    ],
)
async def test_a_malformed_stream_is_said(server: ScriptedServer, events: bytes) -> None:
    server.events = events
    raised = has_three_parts((await ask(server)).error)
    assert isinstance(raised, EngineError)


async def test_a_stream_that_is_cut_keeps_the_text_so_far(server: ScriptedServer) -> None:
    chunk = json.dumps({"choices": [{"delta": {"content": "3015 m <"}}]})
    server.events = f"data: {chunk}\n\n".encode()
    asked = await ask(server)
    assert asked.response == "3015 m <"
    assert "broke off" in has_three_parts(asked.error).what


async def test_an_error_inside_a_stream_keeps_the_text_so_far(server: ScriptedServer) -> None:
    chunk = json.dumps({"choices": [{"delta": {"content": "3015"}}]})
    server.events = f'data: {chunk}\n\ndata: {{"error": {{"message": "out of memory\x07"}}}}\n\n'.encode()
    server.events = server.events.replace(b"\x07", b"\\u0007")
    asked = await ask(server)
    assert asked.response == "3015"
    raised = has_three_parts(asked.error)
    assert "out of memory" in raised.what
    assert "\x07" not in raised.what


async def test_a_filter_is_named(server: ScriptedServer) -> None:
    server.finish = "content_filter"
    asked = await ask(server)
    assert asked.response == "Hello"
    assert "filter" in has_three_parts(asked.error).what


async def test_an_answer_without_an_end_is_cut(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_answer, "TEXT_LIMIT", 1000)
    server.deltas = [{"content": "x" * 600}] * 3
    asked = await ask(server)
    assert "more than any answer" in has_three_parts(asked.error).what
    assert len(asked.response) == 600


@pytest.mark.parametrize(
    "reply",
    [
        lambda: Response(b"<html>", 200),
        lambda: JSONResponse({"data": 5}),
        lambda: JSONResponse({"data": [{}]}),
        lambda: Response(b"x" * 5_000_000, 200),
        lambda: Response(b"x" * 5_000_000, 500),
        lambda: Response(b"\xff\x1b[31m", 500),
        lambda: JSONResponse([1], 400),
        lambda: Response(b"packed", headers={"Content-Encoding": "gzip"}),
    ],
)
async def test_a_list_of_models_that_is_none(server: ScriptedServer, reply: Callable[[], Response]) -> None:
    server.refuse = lambda path, body: reply()
    raised = has_three_parts((await ask(server)).error)
    assert "\x1b" not in str(raised)
    assert len(str(raised)) < 1000


async def test_silence_ends(server: ScriptedServer) -> None:
    gate = threading.Event()

    def wait(path: str, body: dict[str, Any]) -> Response | None:
        if body:
            gate.wait(30)
        return None

    server.refuse = wait
    asked = await ask(server, patience=0.2)
    gate.set()
    assert "silent" in has_three_parts(asked.error).what


async def test_stopping_keeps_the_text_and_leaves_the_server(server: ScriptedServer) -> None:
    server.hold = threading.Event()
    client = RemoteClient(server.url)
    await client.ensure("tiny", "", lambda status: None)
    items: list[AnswerPiece | AnswerFinish] = []
    async for item in client.ask(CHAT):
        items.append(item)
        if isinstance(item, AnswerPiece):
            await client.stop()
    assert isinstance(items[0], AnswerPiece)
    assert isinstance(items[-1], AnswerFinish)
    assert items[-1].reason == "stopped"
    assert await asyncio.to_thread(server.left.wait, 30)
    await client.stop()  # nothing to stop
    await client.close()


async def test_stopping_before_anything_was_sent_ends_too(server: ScriptedServer) -> None:
    client = RemoteClient(server.url)
    await client.ensure("tiny", "", lambda status: None)

    async def read() -> list[AnswerPiece | AnswerFinish]:
        return [item async for item in client.ask(CHAT)]

    async def stop() -> None:
        await client.stop()

    items, _ = await asyncio.gather(read(), stop())
    assert isinstance(items[-1], AnswerFinish)
    assert items[-1].reason == "stopped"
    await client.close()


async def test_leaving_early_leaves_the_server(server: ScriptedServer) -> None:
    server.hold = threading.Event()
    client = RemoteClient(server.url)
    await client.ensure("tiny", "", lambda status: None)
    async with aclosing(cast("AsyncGenerator[AnswerPiece | AnswerFinish]", client.ask(CHAT))) as answer:
        async for _ in answer:
            break
    assert await asyncio.to_thread(server.left.wait, 30)
    await client.close()


# -- the network --


async def test_a_proxy_is_for_other_hosts_only(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    remote = RemoteClient("http://models.example/v1")
    server.refuse = lambda path, body: error(503, "a proxy")
    with pytest.raises(EngineError):
        await remote.models()
    await remote.close()
    assert server.headers[-1]["host"] == "models.example"
    with scripted_server() as near:
        before = len(server.requests)
        assert (await ask(near)).response == "Hello"
        assert len(server.requests) == before
