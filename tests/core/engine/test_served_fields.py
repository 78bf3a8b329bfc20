"""Fields of a request beyond sampling, through the routes: stop strings, budgets, loops, several answers and prompts,
log-probabilities. The model writes what the test says, one token a byte."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from core.engine.protocol import AnswerFinish
from core.engine.sentinel import LoopWarning
from core.engine.server import make_app
from core.tokens.tokenizer import TextTokenizer
from tests.core.engine.scripted_model import load_scripted

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
Writes = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@asynccontextmanager
async def served() -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(end=lambda: None)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine", timeout=60)
    async with app.router.lifespan_context(app), client as http:
        yield http


@pytest.fixture
def writes(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Writes:
    """A server whose model writes a text."""

    @asynccontextmanager
    async def make(text: str) -> AsyncIterator[httpx.AsyncClient]:
        load_scripted(monkeypatch, tiny_folder, text)
        async with served() as http:
            await http.post("/suiron/load", json={"model": "scripted", "stream": True})
            yield http

    return make


@pytest.fixture
async def tiny(tiny_folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with served() as http:
        await http.post("/suiron/load", json={"model": str(tiny_folder), "stream": True})
        yield http


def chat(suiron: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "How high is it?"}]
    return {
        "messages": messages,
        "temperature": 0,
        "suiron": {"template": "alpaca-reasoning"} | (suiron or {}),
        **fields,
    }


async def events(http: httpx.AsyncClient, route: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    reply = await http.post(route, json={**body, "stream": True, "stream_options": {"include_usage": True}})
    lines = [line.removeprefix(b"data: ") for line in reply.content.split(b"\n\n") if line]
    assert lines.pop() == b"[DONE]", reply.text
    return [json.loads(line) for line in lines]


def finish_of(reply: httpx.Response) -> AnswerFinish:
    assert reply.status_code == 200, reply.text
    return msgspec.convert(reply.json()["suiron"], AnswerFinish)


async def test_a_stop_string_ends_the_answer_before_or_behind_it(writes: Writes) -> None:
    async with writes("a hill, a tower. The end of it") as http:
        body = {"prompt": "x", "temperature": 0, "stop": ["tower", "zzz"]}
        reply = await http.post(COMPLETIONS, json=body)
        finish = finish_of(reply)
        assert reply.json()["choices"][0] | {} == {
            "index": 0,
            "text": "a hill, a ",
            "finish_reason": "stop",
            "logprobs": None,
        }
        assert (finish.reason, finish.stop_string, finish.tokens) == ("stop_string", "tower", len("a hill, a tower"))
        assert reply.json()["usage"]["completion_tokens"] == finish.tokens
        whole = await http.post(COMPLETIONS, json=body | {"include_stop_str_in_output": True})
        assert whole.json()["choices"][0]["text"] == "a hill, a tower"
        later = await http.post(COMPLETIONS, json=body | {"min_tokens": 20})
        assert later.json()["choices"][0]["text"].startswith("a hill, a tower. The")
        assert finish_of(await http.post(COMPLETIONS, json=body | {"max_tokens": 15})).reason == "stop_string"


async def test_a_reasoning_is_closed_at_its_budget_and_the_response_follows(writes: Writes) -> None:
    async with writes("I think and think and think.\n\n### Response:\n3015 m") as http:
        free = await http.post(CHAT, json=chat(max_tokens=100))
        assert free.json()["choices"][0]["message"]["reasoning_content"] == "I think and think and think."
        for budget, thought in ((7, "I think"), (0, None)):
            reply = await http.post(CHAT, json=chat({"thinking_budget": budget}, max_tokens=100))
            assert reply.json()["choices"][0]["message"]["reasoning_content"] == thought
            finish = finish_of(reply)
            assert (finish.reasoning_closed, finish.ending) == (True, "complete")
        assert not finish_of(await http.post(CHAT, json=chat({"thinking_budget": 90}, max_tokens=100))).reasoning_closed


async def test_a_loop_is_told_while_it_goes_on_and_can_end_the_answer(writes: Writes) -> None:
    async with writes("so " * 400) as http:
        chunks = await events(http, COMPLETIONS, {"prompt": "x", "temperature": 0, "max_tokens": 900})
        told = [at for at, chunk in enumerate(chunks) if chunk.get("suiron", {}).get("type") == "loop"]
        assert len(told) == 1
        warning = msgspec.convert(chunks[told[0]]["suiron"], LoopWarning)
        assert (warning.form, warning.period) == ("period", 3)
        ends = next(at for at, chunk in enumerate(chunks) if chunk.get("suiron", {}).get("type") == "finish")
        assert told[0] < ends
        assert msgspec.convert(chunks[ends]["suiron"], AnswerFinish).loop == warning
        body = {"prompt": "x", "temperature": 0, "suiron": {"on_loop": "stop"}}
        finish = finish_of(await http.post(COMPLETIONS, json=body))
        assert (finish.reason, finish.loop) == ("loop", warning)
        assert finish.tokens == warning.since + warning.tokens


async def test_several_answers_share_one_prefill_and_have_seeds_of_their_own(tiny: httpx.AsyncClient) -> None:
    body = chat(temperature=1.0, seed=7, max_tokens=12, ignore_eos=True)
    together = (await tiny.post(CHAT, json={**body, "n": 3})).json()
    assert [choice["index"] for choice in together["choices"]] == [0, 1, 2]
    for number, choice in enumerate(together["choices"]):
        alone = (
            await tiny.post(CHAT, json={**body, "seed": 7 + number, "suiron": {**body["suiron"], "cold": True}})
        ).json()
        assert choice["message"] == alone["choices"][0]["message"]
    prompt = together["suiron"]["prompt_tokens"]
    assert together["usage"] == {
        "prompt_tokens": prompt,
        "completion_tokens": 36,
        "total_tokens": prompt + 36,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    other = chat(messages=[{"role": "user", "content": "Something else that is new"}], n=3, max_tokens=5)
    *chunks, usage = await events(tiny, CHAT, other)
    finishes = [msgspec.convert(chunk["suiron"], AnswerFinish) for chunk in chunks if "suiron" in chunk]
    assert [finish.reused_tokens > finish.prompt_tokens - 20 for finish in finishes] == [False, True, True]
    assert usage["usage"]["completion_tokens"] == sum(finish.tokens for finish in finishes)


async def test_a_stop_and_a_bad_prompt_are_of_all_answers(tiny: httpx.AsyncClient) -> None:
    await tiny.post("/suiron/stop", json={"id": "all"})
    stopped = await tiny.post(CHAT, json=chat({"id": "all"}, n=4))
    assert {choice["finish_reason"] for choice in stopped.json()["choices"]} == {"stop"}
    assert stopped.json()["usage"]["completion_tokens"] == 0
    bad = await tiny.post(COMPLETIONS, json={"prompt": ["a", "x" * 5000], "stream": True})
    assert bad.status_code == 400, "a refusal must not hide inside a stream"
    wrong = await tiny.post(COMPLETIONS, json={"prompt": [1, 999_999]})
    assert (wrong.status_code, "999999 is no token" in wrong.text) == (400, True)


async def test_prompts_as_ids_and_in_lists_with_their_own_text_before_them(
    tiny: httpx.AsyncClient, tiny_folder: Path
) -> None:
    tokenizer = TextTokenizer.from_folder(tiny_folder)
    body = {"temperature": 0, "max_tokens": 6, "ignore_eos": True}

    async def texts(prompt: Any, **more: Any) -> list[str]:
        reply = await tiny.post(COMPLETIONS, json={"prompt": prompt, **body, **more})
        assert reply.status_code == 200, reply.text
        return [choice["text"] for choice in reply.json()["choices"]]

    [one], [two] = await texts("Once upon"), await texts("Another")
    assert await texts(["Once upon", "Another"]) == [one, two]
    assert await texts(["Once upon", "Another"], n=2) == [one, one, two, two]
    ids = [[*tokenizer.bos_ids, *tokenizer.encode(text)[0]] for text in ("Once upon", "Another")]
    assert await texts(ids) == [one, two]
    assert await texts(ids[0]) == [one]
    assert await texts(["Once upon", "Another"], echo=True) == ["Once upon" + one, "Another" + two]
    assert await texts([f"Number {number}" for number in range(20)], max_tokens=0) == [""] * 20


@pytest.mark.parametrize("temperature", [0, 0.8])
async def test_log_probabilities_are_of_the_tokens_that_were_chosen(
    tiny: httpx.AsyncClient, tiny_model: Any, tiny_folder: Path, temperature: float
) -> None:
    import torch

    tokenizer = TextTokenizer.from_folder(tiny_folder)
    body = {"temperature": temperature, "seed": 3, "max_tokens": 12, "ignore_eos": True, "logprobs": 3}
    ids = [*tokenizer.bos_ids, *tokenizer.encode("Once upon")[0]]
    told = (await tiny.post(COMPLETIONS, json={"prompt": ids, **body})).json()["choices"][0]["logprobs"]
    assert len(told["tokens"]) == len(told["top_logprobs"]) == 12
    chunks = await events(tiny, COMPLETIONS, {"prompt": ids, **body})
    parts = [choice["logprobs"] for chunk in chunks for choice in chunk["choices"] if choice["logprobs"]]
    assert [value for part in parts for value in part["token_logprobs"]] == pytest.approx(
        told["token_logprobs"], abs=1e-4
    )
    assert [value for part in parts for value in part["text_offset"]] == told["text_offset"]

    as_chat = {**chat(temperature=temperature, seed=3, max_tokens=12, ignore_eos=True), "logprobs": True}
    content = (await tiny.post(CHAT, json={**as_chat, "top_logprobs": 2})).json()["choices"][0]["logprobs"]["content"]
    assert len(content) == 12
    assert all(len(entry["top_logprobs"]) == 2 and entry["logprob"] <= 0 for entry in content)
    spelled = [tokenizer.encode(bytes(entry["bytes"]).decode())[0] for entry in content if entry["bytes"][0] < 128]
    assert all(len(one) == 1 for one in spelled)

    first = torch.log_softmax(tiny_model(torch.tensor([ids])).logits[0, -1].float(), -1)
    best = first.topk(3).values.tolist()
    assert sorted(told["top_logprobs"][0].values(), reverse=True) == pytest.approx(best, abs=0.1)
    assert any(math.isclose(told["token_logprobs"][0], value, abs_tol=0.1) for value in first.tolist())


async def test_a_draft_makes_the_same_answer_in_fewer_passes(writes: Writes) -> None:
    thought, answer = "It is in Toyama, I think.", "3015 m, or a little less"
    async with writes(f"{thought}\n\n### Response:\n{answer}") as http:
        plain = await http.post(CHAT, json=chat())
        old = {"type": "content", "content": "3015 m, or a bit less"}
        drafted = await http.post(CHAT, json=chat({"draft_reasoning": thought}, prediction=old))
        assert drafted.json()["choices"] == plain.json()["choices"]
        assert (finish_of(plain).drafted_tokens, finish_of(plain).draft_why) == (0, "")
        assert finish_of(drafted).drafted_tokens > 40
        budget = await http.post(CHAT, json=chat({"draft": answer, "thinking_budget": 500}))
        assert budget.json()["choices"] == plain.json()["choices"]
        assert "thinking budget" in finish_of(budget).draft_why
        body = {"prompt": "x", "temperature": 0, "suiron": {"draft": "It is", "cold": True}}
        cold = finish_of(await http.post(COMPLETIONS, json=body))
        assert (cold.drafted_tokens, cold.draft_why) == (0, "a cold answer was asked for")
