"""The official `openai` client against our routes: what it sends by default, and what it reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from core.engine.server import make_app
from core.tokens.tokenizer import TextTokenizer


@pytest.fixture
async def client(tiny_folder: Path) -> AsyncIterator[openai.AsyncOpenAI]:
    app = make_app(end=lambda: None)
    transport = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), timeout=60)
    async with app.router.lifespan_context(app), transport as http:
        load = {"model": str(tiny_folder), "stream": True}
        assert (await http.post("http://engine/suiron/load", json=load)).status_code == 200
        yield openai.AsyncOpenAI(api_key="none", base_url="http://engine/v1", http_client=http, max_retries=0)


MESSAGES: Any = [{"role": "user", "content": "How high is 立山?"}]


async def model_name(client: openai.AsyncOpenAI) -> str:
    [model] = [model.id async for model in client.models.list()]
    return model


async def test_a_chat_whole_and_streamed(client: openai.AsyncOpenAI) -> None:
    name = await model_name(client)
    whole = await client.chat.completions.create(
        model=name, messages=MESSAGES, max_completion_tokens=20, temperature=0, n=2, logprobs=True, top_logprobs=2
    )
    assert [choice.index for choice in whole.choices] == [0, 1]
    message: Any = whole.choices[0].message
    assert message.reasoning_content or message.content
    assert whole.choices[0].finish_reason in ("stop", "length")
    assert whole.choices[0].logprobs is not None
    assert whole.choices[0].logprobs.content
    assert whole.usage is not None
    assert whole.usage.completion_tokens == sum(
        len(choice.logprobs.content or []) for choice in whole.choices if choice.logprobs is not None
    )

    stream = await client.chat.completions.create(
        model=name,
        messages=MESSAGES,
        max_completion_tokens=20,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    texts = {"content": "", "reasoning_content": ""}
    usage = None
    async for chunk in stream:
        for choice in chunk.choices:
            for key in texts:
                texts[key] += getattr(choice.delta, key, None) or ""
        usage = chunk.usage or usage
    assert texts == {"content": message.content or "", "reasoning_content": message.reasoning_content or ""}
    assert usage is not None
    assert usage.prompt_tokens == whole.usage.prompt_tokens
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == usage.prompt_tokens - 1


async def test_completions_of_texts_and_ids(client: openai.AsyncOpenAI, tiny_folder: Path) -> None:
    name, tokenizer = await model_name(client), TextTokenizer.from_folder(tiny_folder)
    asked: Any = {"model": name, "max_tokens": 8, "temperature": 0, "extra_body": {"ignore_eos": True}}
    both = await client.completions.create(prompt=["Once", "Twice"], **asked)
    ids = [*tokenizer.bos_ids, *tokenizer.encode("Twice")[0]]
    [of_ids] = (await client.completions.create(prompt=ids, **asked)).choices
    assert of_ids.text == both.choices[1].text
    stream = await client.completions.create(prompt="Twice", stream=True, **asked)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == of_ids.text
    [echoed] = (await client.completions.create(prompt="Twice", echo=True, **asked)).choices
    assert echoed.text == "Twice" + of_ids.text
    [scored] = (await client.completions.create(prompt="Twice", logprobs=2, **asked)).choices
    assert scored.logprobs is not None
    assert len(scored.logprobs.token_logprobs or []) == 8


async def test_refusals_are_its_errors(client: openai.AsyncOpenAI) -> None:
    name = await model_name(client)
    with pytest.raises(openai.NotFoundError, match="gpt-4"):
        await client.chat.completions.create(model="gpt-4", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError, match="response_format"):
        await client.chat.completions.create(model=name, messages=MESSAGES, response_format={"type": "json_object"})
    with pytest.raises(openai.BadRequestError, match="no tokens"):
        await client.completions.create(model=name, prompt="")
    with pytest.raises(openai.BadRequestError, match="5000 tokens"):
        await client.completions.create(model=name, prompt="x" * 5000, stream=True)
    with pytest.raises(openai.BadRequestError, match="mood"):
        await client.completions.create(model=name, prompt="x", extra_body={"mood": 1})


async def test_a_client_that_goes_in_mid_stream_ends_its_answer(client: openai.AsyncOpenAI) -> None:
    name = await model_name(client)
    stream = await client.completions.create(
        model=name, prompt="x", max_tokens=200, stream=True, extra_body={"ignore_eos": True}
    )
    await stream.close()
    [after] = (await client.completions.create(model=name, prompt="y", max_tokens=2)).choices
    assert after.finish_reason
