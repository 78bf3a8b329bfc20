"""The routes, in this process: the tiny model behind them, or one that can be held at every token."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from core.engine.openai_api import BODY_LIMIT
from core.engine.protocol import AnswerFinish, EngineStatus
from core.engine.server import make_app
from core.models import loading
from core.models.checked_model import CheckedModel
from core.models.loading import LoadedModel
from core.tokens.tokenizer import TextTokenizer
from tests.core.engine.scripted_model import ScriptedModel, load_scripted

SLOW = 60.0  # seconds before a test that waits for something gives up


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine", timeout=SLOW)
    async with app.router.lifespan_context(app), client as http:
        yield http


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with served(make_app(end=lambda: None)) as client:
        yield client


@pytest.fixture
async def tiny(http: httpx.AsyncClient, tiny_folder: Path) -> httpx.AsyncClient:
    assert (await load(http, tiny_folder)).state == "ready"
    return http


async def load(http: httpx.AsyncClient, model: Path | str, adapter: Path | str = "") -> EngineStatus:
    reply = await http.post("/suiron/load", json={"model": str(model), "adapter": str(adapter), "stream": True})
    lines = [msgspec.json.decode(line, type=EngineStatus) for line in reply.content.splitlines()]
    assert all(line.state == "loading" for line in lines[:-1])
    return lines[-1]


def question(**fields: Any) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": "How high is 立山?"}],
        "temperature": 0,
        "max_tokens": 30,
        **fields,
    }


def events(reply: httpx.Response) -> list[dict[str, Any]]:
    assert reply.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in reply.content.split(b"\n\n") if line]
    assert lines[-1] == b"data: [DONE]"
    return [json.loads(line.removeprefix(b"data: ")) for line in lines[:-1]]


async def test_streamed_and_whole_are_the_same_answer(tiny: httpx.AsyncClient) -> None:
    whole = (await tiny.post("/v1/chat/completions", json=question())).json()
    first, *chunks, last, usage = events(
        await tiny.post("/v1/chat/completions", json=question(stream=True, stream_options={"include_usage": True}))
    )
    assert first["choices"][0]["delta"]["role"] == "assistant"
    message = whole["choices"][0]["message"]
    for key in ("reasoning_content", "content"):
        assert "".join(chunk["choices"][0]["delta"].get(key, "") for chunk in chunks) == (message[key] or "")
    assert message["reasoning_content"]
    assert last["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"] == "length"
    finish = msgspec.convert(last["suiron"], AnswerFinish)
    assert (finish.reason, finish.ending, finish.tokens) == ("length", "in_reasoning", 30)
    assert usage["choices"] == []
    prompt = finish.prompt_tokens
    cached = finish.reused_tokens
    assert cached == prompt - 1, "the same was asked before"
    assert whole["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}
    whole["usage"]["prompt_tokens_details"]["cached_tokens"] = cached
    assert (
        usage["usage"]
        == whole["usage"]
        == {
            "prompt_tokens": prompt,
            "completion_tokens": 30,
            "total_tokens": prompt + 30,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
    )
    assert whole["object"] == "chat.completion"
    assert {chunk["object"] for chunk in (first, *chunks, last)} == {"chat.completion.chunk"}


async def test_completions_streamed_and_whole(tiny: httpx.AsyncClient) -> None:
    asked = {"prompt": "Once upon a time", "max_tokens": 20, "temperature": 0.8, "seed": 5}
    whole = (await tiny.post("/v1/completions", json=asked)).json()
    chunks = events(await tiny.post("/v1/completions", json={**asked, "stream": True}))
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == whole["choices"][0]["text"] != ""
    assert whole["object"] == "text_completion"
    assert whole["usage"]["completion_tokens"] == 20


async def test_sampling_fields_reach_the_choice_of_tokens(tiny: httpx.AsyncClient, tiny_folder: Path) -> None:
    asked = {"prompt": "Once", "max_tokens": 40, "temperature": 0, "ignore_eos": True}

    async def text(**fields: Any) -> str:
        reply = await tiny.post("/v1/completions", json=asked | fields)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["choices"][0]["text"])

    plain = await text()
    assert await text(repetition_penalty=1.0, top_k=-1, min_p=0.0) == plain
    [letter] = TextTokenizer.from_folder(tiny_folder).encode("a")[0]
    bias = {str(letter): 100}
    assert await text(logit_bias=bias) == "a" * 40
    assert (await text(logit_bias=bias, no_repeat_ngram_size=1)).count("a") == 1
    assert await text(logit_bias=bias, frequency_penalty=2) == "a" * 40  # 40 times 2 are less than the bias
    assert (await text(logit_bias={str(letter): 20}, frequency_penalty=2)).count("a") < 15


async def test_models_and_status(http: httpx.AsyncClient, tiny_folder: Path, tiny_adapter: Path) -> None:
    assert (await http.get("/v1/models")).json()["data"] == []
    assert (await status(http)).state == "empty"
    await load(http, tiny_folder, tiny_adapter)
    names = [model["id"] for model in (await http.get("/v1/models")).json()["data"]]
    assert names[1:] == [str(tiny_folder)]
    now = await status(http)
    assert (now.state, now.model, now.adapter, now.pid, now.error) == (
        "ready",
        str(tiny_folder),
        str(tiny_adapter),
        os.getpid(),
        None,
    )
    assert now.backend
    assert now.memory_gib is not None
    assert now.memory_gib > 0.05


async def status(http: httpx.AsyncClient) -> EngineStatus:
    return msgspec.json.decode((await http.get("/suiron/status")).content, type=EngineStatus)


async def text_of(http: httpx.AsyncClient, **fields: Any) -> str:
    reply = await http.post("/v1/chat/completions", json=question(**fields))
    assert reply.status_code == 200, reply.text
    message = reply.json()["choices"][0]["message"]
    return f"{message['reasoning_content']}|{message['content']}"


async def test_adapters_come_and_go_without_loading_the_base_again(
    http: httpx.AsyncClient, tiny_folder: Path, tiny_adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    read = loading.load_checked

    def counted(checked: CheckedModel, progress: Any) -> LoadedModel:
        loads.append(checked.name)
        return read(checked, progress)

    monkeypatch.setattr(loading, "load_checked", counted)
    adapter = tmp_path / "run-7" / "adapter"
    shutil.copytree(tiny_adapter, adapter)
    await load(http, tiny_folder)
    base = await text_of(http)
    assert (await load(http, tiny_folder, adapter)).state == "ready"
    tuned = await text_of(http)
    assert tuned != base
    names = [model["id"] for model in (await http.get("/v1/models")).json()["data"]]
    assert names == [f"{tiny_folder}:run-7", str(tiny_folder)]
    # The base model beneath it, by Suiron's word and by OpenAI's.
    template = {"template": "alpaca-reasoning"}
    assert await text_of(http, suiron={**template, "tuned": False}) == base
    assert await text_of(http, suiron=template, model=names[1]) == base
    assert await text_of(http, suiron=template, model=names[0]) == tuned

    retrain(adapter)
    assert (await load(http, tiny_folder, adapter)).state == "ready"
    assert await text_of(http) not in (base, tuned)
    assert (await load(http, tiny_folder)).state == "ready"
    assert await text_of(http) == base
    assert loads == [str(tiny_folder)]


async def test_each_client_is_answered_by_what_it_holds(
    http: httpx.AsyncClient, tiny_folder: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
    await load(http, tiny_folder)
    mine = {"template": "alpaca-reasoning", "holds": [str(tiny_folder), ""]}
    base = await text_of(http, suiron=mine)
    await load(http, tiny_folder, tiny_adapter)
    assert await text_of(http, suiron=mine) == base  # it is still there, beneath the adapter of another terminal
    tuned = {**mine, "holds": [str(tiny_folder), f"{tiny_adapter}/"]}
    assert await text_of(http, suiron=tuned) != base
    assert await text_of(http, suiron={**tuned, "tuned": False}) == base
    for gone in ([str(tmp_path), ""], [str(tiny_folder), str(tmp_path)]):
        refused = await http.post("/v1/chat/completions", json=question(suiron={**mine, "holds": gone}))
        assert refused.status_code == 503
        assert "another terminal" in refused.json()["error"]["message"]


async def test_a_name_that_is_not_here_is_refused_even_while_a_load_waits(held: Held) -> None:
    async with served(held.app) as http:
        answer = asyncio.create_task(http.post("/v1/chat/completions", json=question(max_tokens=5)))
        await until(lambda: held.model.passes == 1)
        await http.post("/suiron/load", json={"model": "another"})
        unknown = await http.post("/v1/chat/completions", json=question(model="gpt-4"))
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
        known = asyncio.create_task(http.post("/v1/chat/completions", json=question(model="another", max_tokens=3)))
        held.release(1000)
        assert finish_of(await answer).tokens == 5
        assert finish_of(await known).tokens == 3


def retrain(adapter: Path) -> None:
    """Other weights in the same folder, as a new training leaves them."""
    from safetensors.torch import load_file, save_file

    path = adapter / "adapter_model.safetensors"
    save_file({name: -tensor if "lora_B" in name else tensor for name, tensor in load_file(path).items()}, path)


async def test_a_failed_load_says_why_and_the_server_goes_on(
    http: httpx.AsyncClient, tiny_folder: Path, tmp_path: Path
) -> None:
    failed = await load(http, tmp_path / "nowhere")
    assert failed.state == "failed"
    assert failed.error is not None
    assert all(failed.error)
    refused = await http.post("/v1/chat/completions", json=question())
    assert refused.status_code == 503
    assert refused.json()["error"]["suiron"] == list(failed.error)
    assert (await status(http)).state == "failed"

    assert (await load(http, tiny_folder)).state == "ready"
    assert (await load(http, tiny_folder, tmp_path)).state == "failed"  # no adapter there
    assert (await http.post("/v1/chat/completions", json=question())).status_code == 503, (
        "the base model must not pass for the tuned one"
    )
    assert (await load(http, tiny_folder)).state == "ready"
    assert await text_of(http)


async def test_an_adapter_of_another_model_is_refused_and_the_base_is_unharmed(
    http: httpx.AsyncClient, tiny_folder: Path, tiny_adapter: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    await load(http, tiny_folder)
    base = await text_of(http)
    other = tmp_path / "other"
    shutil.copytree(tiny_adapter, other)
    weights = load_file(other / "adapter_model.safetensors")
    save_file(
        {name: tensor.repeat(1, 2) if "lora_A" in name else tensor for name, tensor in weights.items()},
        other / "adapter_model.safetensors",
    )
    failed = await load(http, tiny_folder, other)
    assert failed.state == "failed"
    assert "does not fit" in failed.message
    assert (await load(http, tiny_folder)).state == "ready"
    assert await text_of(http) == base


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "object"),
        (b'{"messages": []}', "messages"),
        (b'{"messages": [{"role": "user"}]}', "content"),
        (b'{"messages": [{"role": "king", "content": "x"}]}', "role"),
        (b'{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "type"),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": "many"}', "max_tokens"),
        (b'{"messages": [{"role": "user", "content": "x"}], "max_tokens": -1}', "max_tokens"),
        (b'{"messages": [{"role": "user", "content": "x"}], "temperature": -1}', "temperature"),
        (b'{"messages": [{"role": "user", "content": "x"}], "top_p": 0}', "top_p"),
        (b'{"messages": [{"role": "user", "content": "x"}], "n": 9}', "n`"),
        (b'{"messages": [{"role": "user", "content": "x"}], "tools": [1]}', "tools[0]"),
        (b'{"messages": [{"role": "user", "content": "x"}], "response_format": {"type": "json"}}', "response_format"),
        (b'{"messages": [{"role": "user", "content": "x"}], "web_search": 1}', "does not support web_search"),
        (b'{"messages": [{"role": "user", "content": "x", "mood": 1}]}', "does not support mood in $.messages[0]"),
        (b'{"messages": [{"role": "user", "content": "x"}], "suiron": {"template": "nonsense"}}', "nonsense"),
        (b'{"messages": [{"role": "user", "content": "x"}], "suiron": {"id": ""}}', "id"),
    ],
)
async def test_bad_requests_are_told_what_is_wrong(tiny: httpx.AsyncClient, body: bytes, says: str) -> None:
    reply = await tiny.post("/v1/chat/completions", content=body)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert says in error["message"]
    assert error["type"] == "invalid_request_error"


async def test_what_does_not_fit_or_is_not_here(tiny: httpx.AsyncClient) -> None:
    long = await tiny.post("/v1/completions", json={"prompt": "x" * 5000})
    assert long.status_code == 400
    assert "5000 tokens" in long.json()["error"]["message"]
    streamed = await tiny.post("/v1/completions", json={"prompt": "x" * 5000, "stream": True})
    assert streamed.status_code == 400, "a refusal must not hide inside a stream"
    assert (await tiny.post("/v1/completions", content=b" " * (BODY_LIMIT + 1))).status_code == 413
    other = await tiny.post("/v1/completions", json={"prompt": "x", "model": "gpt-4"})
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    assert (await tiny.get("/v1/nothing")).json()["error"]["message"]
    assert (await tiny.get("/v1/completions")).status_code == 405
    relative = await tiny.post("/suiron/load", json={"model": "m", "adapter": "here"})
    assert (relative.status_code, (await status(tiny)).state) == (400, "ready")


# -- one answer held at every token --


class Held:
    """An app whose model writes `abcdefgh...` and waits at each token for `gate`."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = threading.Semaphore(0)
        self.model = load_scripted(monkeypatch, folder, "abcdefgh" * 500, self.gate)
        self.app = make_app(end=lambda: None, first=("held", ""))

    def release(self, tokens: int) -> None:
        for _ in range(tokens):
            self.gate.release()


@pytest.fixture
def held(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Held(tiny_folder, monkeypatch)
    yield made
    made.release(10_000)  # no thread is left waiting


async def until(condition: Any) -> None:
    async with asyncio.timeout(SLOW):
        while not condition():  # noqa: ASYNC110 - the condition is a thread's, which knows no event
            await asyncio.sleep(0.01)


def finish_of(reply: httpx.Response) -> AnswerFinish:
    return msgspec.convert(reply.json()["suiron"], AnswerFinish)


async def test_a_stop_ends_the_answer_within_two_tokens(held: Held) -> None:
    async with served(held.app) as http:
        answer = asyncio.create_task(
            http.post("/v1/chat/completions", json=question(max_tokens=2000, suiron={"id": "one"}))
        )
        held.release(20)
        await until(lambda: held.model.passes == 21)
        stopped = await http.post("/suiron/stop", json={"id": "one"})
        assert stopped.json() == {"id": "one", "stopped": True}
        held.release(1000)
        finish = finish_of(await answer)
        assert finish.reason == "stopped"
        assert finish.tokens <= 21 + 2
        assert (await http.post("/suiron/stop", json={"id": "one"})).json()["stopped"] is False


async def test_a_stop_that_is_faster_than_its_question_still_stops_it(held: Held) -> None:
    async with served(held.app) as http:
        await http.post("/suiron/stop", json={"id": "two"})
        finish = finish_of(await http.post("/v1/chat/completions", json=question(suiron={"id": "two"})))
        assert (finish.reason, finish.tokens) == ("stopped", 0)


async def test_answers_advance_together_and_each_can_be_stopped(held: Held) -> None:
    async with served(held.app) as http:
        first = asyncio.create_task(
            http.post("/v1/chat/completions", json=question(max_tokens=300, suiron={"id": "a"}))
        )
        await until(lambda: held.model.passes == 1)
        other = [{"role": "user", "content": "Something else"}]
        second = asyncio.create_task(
            http.post("/v1/chat/completions", json=question(max_tokens=300, messages=other, suiron={"id": "b"}))
        )
        await until(lambda: len(held.app.state.worker._stops) == 2)
        twice = await http.post("/v1/chat/completions", json=question(suiron={"id": "a"}))
        assert twice.status_code == 400
        held.release(1)  # the second one has its turn after a step of the first
        await until(lambda: held.app.state.worker.status.running == 2)
        held.release(20)
        await http.post("/suiron/stop", json={"id": "b"})
        held.release(10)
        assert finish_of(await second).reason == "stopped"
        assert not first.done(), "the other one goes on"
        held.release(1000)
        assert finish_of(await first).tokens == 300


async def test_fifty_requests_at_once_are_all_answered(tiny: httpx.AsyncClient) -> None:
    asked = [question(max_tokens=5, messages=[{"role": "user", "content": f"Number {n}"}]) for n in range(50)]
    replies = await asyncio.gather(*(tiny.post("/v1/chat/completions", json=body) for body in asked))
    assert {reply.status_code for reply in replies} == {200}
    assert {finish_of(reply).tokens for reply in replies} <= set(range(6))
    alone = [await tiny.post("/v1/chat/completions", json=body) for body in asked[:10]]
    for one, other in zip(replies, alone, strict=False):
        assert one.json()["choices"] == other.json()["choices"]


async def test_what_was_asked_before_is_not_fed_again_and_cold_is_from_nothing(tiny: httpx.AsyncClient) -> None:
    first = finish_of(await tiny.post("/v1/chat/completions", json=question()))
    assert (first.path, first.reused_tokens) == ("plain", 0)
    assert first.reuse_why
    again = finish_of(await tiny.post("/v1/chat/completions", json=question()))
    assert (again.reused_tokens, again.reuse_why) == (first.prompt_tokens - 1, "")
    cold = finish_of(await tiny.post("/v1/chat/completions", json=question(suiron={"cold": True})))
    assert (cold.path, cold.reused_tokens, cold.reuse_why) == ("plain", 0, "a cold answer was asked for")
    now = await status(tiny)
    assert now.loaded[0].kept_sequences == 1
    assert 0 < now.loaded[0].cache_gib < now.loaded[0].cache_budget_gib


async def test_a_question_without_an_answer_is_only_read(tiny: httpx.AsyncClient) -> None:
    read = await tiny.post("/v1/chat/completions", json=question(max_tokens=0, suiron={"client": "me"}))
    finish = finish_of(read)
    assert (finish.tokens, finish.reason, read.json()["choices"][0]["message"]["content"]) == (0, "length", "")
    assert read.json()["usage"]["completion_tokens"] == 0
    asked = finish_of(await tiny.post("/v1/chat/completions", json=question(suiron={"client": "me"})))
    assert asked.reused_tokens == finish.prompt_tokens - 1


async def test_a_newer_question_of_the_same_client_ends_the_reading_of_the_older(held: Held) -> None:
    async with served(held.app) as http:
        await load(http, "held")
        blocker = asyncio.create_task(http.post("/v1/chat/completions", json=question(max_tokens=40)))
        await until(lambda: held.model.passes == 1)
        long = [{"role": "user", "content": "x" * 3000}]
        reading = asyncio.create_task(
            http.post("/v1/chat/completions", json=question(messages=long, max_tokens=0, suiron={"client": "me"}))
        )
        await until(lambda: len(held.app.state.worker._stops) == 2)
        newer = asyncio.create_task(
            http.post("/v1/chat/completions", json=question(max_tokens=2, suiron={"client": "me"}))
        )
        await until(lambda: len(held.app.state.worker._stops) == 3)
        held.release(1000)
        assert finish_of(await reading).reason == "stopped"
        assert finish_of(await newer).tokens == 2
        await blocker


async def test_an_answer_whose_text_cannot_be_made_fails_alone(
    tiny: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> list[Any]:
        raise ValueError("no text")

    with monkeypatch.context() as patch:
        patch.setattr("core.engine.answer_reader.AnswerReader.push", broken)
        reply = await tiny.post("/v1/chat/completions", json=question())
    assert reply.status_code == 503
    assert "no text" in reply.json()["error"]["message"]
    assert finish_of(await tiny.post("/v1/chat/completions", json=question(max_tokens=3))).tokens == 3


async def test_an_empty_prompt_is_refused(tiny: httpx.AsyncClient) -> None:
    reply = await tiny.post("/v1/completions", json={"prompt": ""})
    assert reply.status_code == 400
    assert "no tokens" in reply.json()["error"]["message"]


async def test_memory_that_runs_out_ends_the_answer_and_not_the_engine(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(held.app) as http:
        held.release(10_000)
        forward = held.model.forward

        def short(*args: Any, **more: Any) -> Any:
            if held.model.passes >= 10:
                raise MemoryError
            return forward(*args, **more)

        monkeypatch.setattr(ScriptedModel, "__call__", lambda self, *args, **more: short(*args, **more))
        streamed = await http.post("/v1/chat/completions", json=question(stream=True))
        blocks = [line for line in streamed.content.split(b"\n\n") if line]
        assert "memory ran out" in json.loads(blocks[-1].removeprefix(b"data: "))["error"]["message"]
        assert len(blocks) > 2, "what was written before is lost"
        monkeypatch.undo()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("passes", [0, 5])
async def test_a_client_that_goes_away_ends_its_answer(held: Held, stream: bool, passes: int) -> None:
    async with served(held.app):
        body = json.dumps(question(max_tokens=2000, stream=stream)).encode()
        gone = asyncio.Event()
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            for message in messages:
                return message
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(_: Any) -> None:
            pass

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/chat/completions",
            "headers": [],
            "query_string": b"",
            "asgi": {},
        }
        call = asyncio.create_task(held.app(scope, receive, send))
        held.release(passes)
        await until(lambda: held.model.passes == 1 + passes)
        gone.set()
        await call
        held.release(1000)
        await until(lambda: not held.app.state.worker.busy)
        assert held.model.passes <= 1 + passes + 2
        assert not held.app.state.worker._stops


async def test_a_load_waits_for_the_answer_in_progress(held: Held) -> None:
    async with served(held.app) as http:
        answer = asyncio.create_task(http.post("/v1/chat/completions", json=question(max_tokens=10)))
        await until(lambda: held.model.passes == 1)
        reply = await http.post("/suiron/load", json={"model": "another"})
        assert reply.status_code == 202
        assert (await status(http)).message == "waits for the answer in progress"
        held.release(1000)
        assert finish_of(await answer).tokens == 10
        assert (await load(http, "another")).state == "ready"


async def test_a_model_that_fails_in_the_middle_says_so_and_answers_again(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(held.app) as http:
        held.release(1000)
        broken, tokens = [0, 1, 2, 10_000], held.model.tokens
        held.model.tokens = broken  # the fourth token lies outside the vocabulary
        streamed = await http.post("/v1/chat/completions", json=question(stream=True))
        last = json.loads(streamed.content.split(b"\n\n")[-2].removeprefix(b"data: "))
        assert last["error"]["type"] == "server_error"
        assert "IndexError" in last["error"]["message"]
        held.model.tokens = tokens
        assert finish_of(await http.post("/v1/chat/completions", json=question(max_tokens=4))).tokens == 4


async def test_shutdown_asks_the_process_to_end() -> None:
    ended: list[bool] = []
    async with served(make_app(end=lambda: ended.append(True))) as http:
        assert (await http.post("/suiron/shutdown", json={})).json() == {"ending": True}
    assert ended == [True]


async def test_two_loads_at_once_each_hear_their_own_end(held: Held) -> None:
    async with served(held.app) as http:
        one, two = await asyncio.gather(load(http, "one"), load(http, "two"))
        assert (one.state, one.model) == ("ready", "one")
        assert (two.state, two.model) == ("ready", "two")
