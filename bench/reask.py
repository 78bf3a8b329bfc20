"""Asking again after an edit, through client and server: the time to the first token, against a cold question.

    python -m bench.reask [--model demo] [--tokens 600] [--back 500] [--times 3]

A question of about `--tokens` tokens is asked cold, unchanged, with an edit in its last word, and with one `--back`
tokens before its end; then it is only read (`max_tokens` 0), as a terminal does while a person types, and asked. Last,
a longer answer is asked for again after an edit, with and without the old answer as its draft. Prints JSON:
milliseconds at the client until the first text, as medians; the server's own prefill; the tokens that were fed; and
tokens a second of the longer answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from typing import Any

import msgspec

from core.engine.client import EngineClient
from core.engine.protocol import AnswerFinish, AnswerPiece, ChatQuestion

_SENTENCE = "A train leaves the old town at nine and passes a bridge, a mill and two quiet villages before it stops."
_WORDS = _SENTENCE.split()

_LONG = 128  # tokens of an answer that is asked for again


def question(words: list[str], **more: Any) -> ChatQuestion:
    """A greedy question that begins at once and is stopped soon."""
    return ChatQuestion(instruction=" ".join(words), template="alpaca", max_tokens=4, **more)


async def measure(model: str, adapter: str, tokens: int, back: int, times: int) -> dict[str, Any]:
    """One report. tokens: of the question, about; back: the place of the far edit, in tokens before its end."""
    client = EngineClient(idle=60)
    await client.ensure(model, adapter, lambda _: None)
    try:
        words = await _words(client, tokens)
        report: dict[str, Any] = {"model": model}
        await _ask(client, question(words, cold=True))  # the first answer of a process also loads kernels
        found: dict[str, list[dict[str, float]]] = {}
        for turn in range(times):
            edited = [*words[:-1], f"stops{turn}."]
            far = list(words)
            far[-max(2, round(len(words) * back / tokens))] = f"bridge{turn}"
            read = [*words, f"Where{turn}?"]
            found.setdefault("cold", []).append(await _ask(client, question(words, cold=True)))
            await _ask(client, question(words))
            found.setdefault("unchanged", []).append(await _ask(client, question(words)))
            found.setdefault("edit at the end", []).append(await _ask(client, question(edited)))
            found.setdefault(f"edit {back} tokens back", []).append(await _ask(client, question(far)))
            await _ask(client, msgspec.structs.replace(question(read), max_tokens=0))
            found.setdefault("read before", []).append(await _ask(client, question(read)))
        report["answer like the one before"] = await _drafted(client, words, times)
        cold = statistics.median(it["first_ms"] for it in found["cold"])
        for name, measured in found.items():
            median = {key: round(statistics.median(it[key] for it in measured), 1) for key in measured[0]}
            report[name] = median | {"share_of_cold": round(median["first_ms"] / cold, 3)}
        return report
    finally:
        await client.shutdown()


async def _drafted(client: EngineClient, words: list[str], times: int) -> dict[str, Any]:
    """Tokens a second of an answer whose question was edited at its end: without a draft, and with the old answer."""
    old = await _texts(client, msgspec.structs.replace(question(words), max_tokens=_LONG))
    found: dict[str, list[float]] = {"plain": [], "drafted": []}
    finish = None
    for turn in range(times):
        asked = msgspec.structs.replace(question([*words[:-1], f"stops{turn}."]), max_tokens=_LONG)
        found["plain"].append((await _finish(client, asked)).tokens_per_second)
        finish = await _finish(client, msgspec.structs.replace(asked, draft=old))
        found["drafted"].append(finish.tokens_per_second)
    plain, drafted = (statistics.median(rates) for rates in found.values())
    report: dict[str, Any] = {
        "plain": round(plain, 1),
        "drafted": round(drafted, 1),
        "ratio": round(drafted / plain, 2),
    }
    return report | ({"from_draft": finish.drafted_tokens, "why_not": finish.draft_why} if finish is not None else {})


async def _texts(client: EngineClient, asked: ChatQuestion) -> str:
    return "".join([item.text async for item in client.ask(asked) if isinstance(item, AnswerPiece)])


async def _words(client: EngineClient, tokens: int) -> list[str]:
    """Words that make a prompt of about so many tokens."""
    few = await _finish(client, question(_WORDS * 4))
    more = await _finish(client, question(_WORDS * 8))
    each = (more.prompt_tokens - few.prompt_tokens) / (4 * len(_WORDS))
    rest = few.prompt_tokens - each * 4 * len(_WORDS)
    count = max(2, round((tokens - rest) / each))
    return [_WORDS[at % len(_WORDS)] for at in range(count)]


async def _finish(client: EngineClient, asked: ChatQuestion) -> AnswerFinish:
    async for item in client.ask(asked):
        if isinstance(item, AnswerFinish):
            return item
    raise RuntimeError("the answer ended without saying how")


async def _ask(client: EngineClient, asked: ChatQuestion) -> dict[str, float]:
    start, first = time.perf_counter(), 0.0
    async for item in client.ask(asked):
        if not first:  # a piece of text, or the end of an answer without any
            first = time.perf_counter() - start
        if isinstance(item, AnswerFinish):
            return {
                "first_ms": first * 1000,
                "prefill_ms": item.prefill_seconds * 1000,
                "prompt_tokens": item.prompt_tokens,
                "fed_tokens": item.prompt_tokens - item.reused_tokens,
            }
    raise RuntimeError("the answer ended without saying how")


def main() -> None:
    parser = argparse.ArgumentParser(description="first token of a re-ask against a cold one, through the server")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--adapter", default="", help="the folder of an adapter")
    parser.add_argument("--tokens", type=int, default=600)
    parser.add_argument("--back", type=int, default=500)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["SUIRON_HOME"] = home  # an engine of our own, beside one that may run
        report = asyncio.run(
            measure(arguments.model, arguments.adapter, arguments.tokens, arguments.back, arguments.times)
        )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
