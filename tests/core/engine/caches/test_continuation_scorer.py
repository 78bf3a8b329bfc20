"""Scores of continuations against a plain forward pass of prefix and continuation together."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.engine.caches.continuation_scorer import ContinuationScorer
from core.engine.server import make_app
from core.tokens.tokenizer import TextTokenizer


def plain_scores(model: Any, prefix: list[int], continuation: list[int]) -> list[float]:
    import torch

    ids = [*prefix, *continuation]
    with torch.inference_mode():
        logs = torch.log_softmax(model(torch.tensor([ids])).logits[0].float(), -1)
    return [float(logs[len(prefix) - 1 + place, token]) for place, token in enumerate(continuation)]


def scored(scorer: ContinuationScorer, prefix: list[int], continuations: list[list[int]]) -> list[list[float]]:
    turns = scorer.score(prefix, continuations, None)
    while True:
        try:
            next(turns)
        except StopIteration as end:
            return list(end.value)


@pytest.mark.parametrize("kind", ["llama", "sliding", "hybrid"])
@pytest.mark.parametrize("continues", [True, False])
@pytest.mark.parametrize("most", [256, 7])
def test_they_are_those_of_a_plain_pass(kind: str, continues: bool, most: int, request: pytest.FixtureRequest) -> None:
    if kind == "hybrid" and continues:
        pytest.skip("its layers begin anew where several tokens come behind a kept state")
    model, source = request.getfixturevalue(kind), random.Random(3)
    scorer = ContinuationScorer(model, continues=continues)
    scorer._pass = most
    prefix: list[int] = []
    for length in (1, 30, 34, 12):
        prefix = prefix[: source.randrange(len(prefix) + 1)]
        prefix += [source.randrange(1, 250) for _ in range(max(1, length - len(prefix)))]
        continuations = [[source.randrange(1, 250) for _ in range(source.randrange(1, 20))] for _ in range(9)]
        for found, continuation in zip(scored(scorer, prefix, continuations), continuations, strict=True):
            assert found == pytest.approx(plain_scores(model, prefix, continuation), abs=1e-4)


def test_what_prefixes_have_in_common_is_fed_once(llama: Any) -> None:
    scorer = ContinuationScorer(llama, continues=True)
    prefix = list(range(5, 45))
    scored(scorer, prefix, [[1, 2]])
    assert scorer.kept == 0
    assert scored(scorer, [*prefix[:30], 99, 98], [[7, 8]])[0] == pytest.approx(
        plain_scores(llama, [*prefix[:30], 99, 98], [7, 8]), abs=1e-4
    )
    assert scorer.kept == 30


async def test_the_route_scores_beside_live_answers_and_refuses_by_name(tiny_folder: Path, tiny_adapter: Path) -> None:
    tokenizer = TextTokenizer.from_folder(tiny_folder)
    app = make_app(end=lambda: None)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine", timeout=60)
    async with app.router.lifespan_context(app), client as http:

        async def score(**body: Any) -> httpx.Response:
            return await http.post("/suiron/score", json=body)

        await http.post("/suiron/load", json={"model": str(tiny_folder), "adapter": str(tiny_adapter), "stream": True})
        answering = asyncio.create_task(
            http.post("/v1/completions", json={"prompt": "Once", "max_tokens": 60, "ignore_eos": True})
        )
        texts = [" there was a tower", "立山"]
        together = (await score(prompt="Once upon a time", continuations=texts)).json()
        assert (await answering).json()["usage"]["completion_tokens"] == 60
        for text, one in zip(texts, together["continuations"], strict=True):
            assert one["tokens"] == tokenizer.encode(text)[0]
            assert one["sum"] == pytest.approx(sum(one["log_probabilities"]))
            assert one["mean"] == pytest.approx(one["sum"] / len(one["tokens"]))
            alone = (await score(prompt="Once upon a time", continuations=[one["tokens"]])).json()
            assert alone["continuations"][0]["log_probabilities"] == pytest.approx(one["log_probabilities"], abs=0.2)
            assert alone["kept_tokens"] == together["prefix_tokens"] - 1
        assert "".join(together["continuations"][0]["texts"]) == texts[0]

        row = {"messages": [{"role": "user", "content": "How high is it?"}], "continuations": ["3015 m"]}
        tuned = (await score(**row, suiron={"template": "alpaca"})).json()
        base = (await score(**row, suiron={"template": "alpaca", "tuned": False})).json()
        assert (tuned["prefix_tokens"], tuned["kept_tokens"], base["kept_tokens"]) == (base["prefix_tokens"], 0, 0)
        assert tuned["continuations"][0]["sum"] != base["continuations"][0]["sum"]

        for body, says in (
            ({"continuations": ["a"]}, "either"),
            ({"prompt": "a", "messages": row["messages"], "continuations": ["a"]}, "either"),
            ({"prompt": "a", "continuations": []}, "continuations"),
            ({"prompt": "a", "continuations": ["a", ""]}, "continuations[1]"),
            ({"prompt": "", "continuations": ["a"]}, "no tokens"),
            ({"prompt": "a", "continuations": [[999_999]]}, "999999 is no token"),
            ({"prompt": "a", "continuations": ["a" * 5000]}, "context"),
            ({"prompt": "a", "continuations": ["a"], "temperature": 1}, "temperature"),
            ({"prompt": "a", "continuations": ["a"], "suiron": {"cold": True}}, "suiron.cold"),
        ):
            refused = await score(**body)
            assert (refused.status_code, says in refused.text) == (400, True), refused.text
