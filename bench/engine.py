"""Decoding: Suiron's loop against `model.generate` of the same model, in this process and through the server's socket.

    python -m bench.engine [--model demo] [--adapter FOLDER] [--tokens 100] [--times 3] [--no-socket]

Prints JSON: tokens per second after the first one, as medians; `ratio` is ours to generate's, from alternating turns of
one run. `same_ids` compares the greedy tokens (promised in float32; in bfloat16 a cached and a fresh sum may round
differently). The socket's part asks the same question through client and server, and stops a long answer:
`tokens_after_stop` counts what still came after the server had acknowledged.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the server's own process does, before torch is loaded

from core.engine.client import EngineClient
from core.engine.protocol import AnswerFinish, AnswerPiece, ChatQuestion

QUESTION = ChatQuestion(instruction="A train runs 120 km in 90 minutes. How fast is it in km per hour?", max_tokens=100)
LONG = ChatQuestion(
    instruction="Count from one to a thousand in words.", template="alpaca", max_tokens=2000, temperature=1.0, seed=1
)


def in_process(model: str, adapter: str, tokens: int, times: int) -> dict[str, Any]:
    """Both loops in this process, in the format the model is loaded in and, on a CPU, in float32."""
    from core.models.loading import load_for_inference
    from core.templates.by_name import get_template
    from core.tokens.encode import encode_prompt

    loaded = load_for_inference(model, Path(adapter) if adapter else None, progress=lambda _: None)
    prompt = encode_prompt(get_template(QUESTION.template).prompt(QUESTION.instruction, ""), loaded.tokenizer)
    report: dict[str, Any] = {"backend": str(loaded.backend), "prompt_tokens": len(prompt)}
    dtype = str(loaded.model.dtype).removeprefix("torch.")
    report[dtype] = _compare(loaded.model, loaded.tokenizer, prompt, tokens, times)
    if loaded.model.device.type == "cpu" and dtype != "float32":
        report["float32"] = _compare(loaded.model.float(), loaded.tokenizer, prompt, tokens, times)
    return report


def _compare(model: Any, tokenizer: Any, prompt: list[int], tokens: int, times: int) -> dict[str, Any]:
    ours, generates, same = [], [], True
    for turn in range(times + 1):
        rate, ids = _ours(model, tokenizer, prompt, tokens)
        other, others = _generate(model, prompt, tokens)
        same &= ids == others
        if turn:  # the first turn warms caches and thread pools
            ours.append(rate)
            generates.append(other)
    our_rate, its = statistics.median(ours), statistics.median(generates)
    return {
        "suiron": round(our_rate, 1),
        "generate": round(its, 1),
        "ratio": round(our_rate / its, 2),
        "same_ids": same,
    }


def _ours(model: Any, tokenizer: Any, prompt: list[int], tokens: int) -> tuple[float, list[int]]:
    from core.engine.answer_reader import AnswerReader
    from core.engine.caches.row_pool import make_pool
    from core.engine.sequence import AnswerSequence
    from core.engine.steps.step import GREEDY

    pool = make_pool(model, (), 1 << 30)
    text = AnswerReader(tokenizer, None)
    sequence = AnswerSequence(prompt, text, choice=GREEDY, limit=tokens, stop_ids=frozenset(), cold=True)
    sequence.begin()
    pool.place(sequence)
    while not pool.feed(sequence, 256):
        pass
    while sequence.reason is None:
        pool.advance()
        if sequence.text_is_due(time.perf_counter()):
            sequence.new_text()
    *_, finish = sequence.finish()
    assert isinstance(finish, AnswerFinish)
    return finish.tokens_per_second, sequence.tokens


def _generate(model: Any, prompt: list[int], tokens: int) -> tuple[float, list[int]]:
    """generate's rate after its first token: the time for all of them less the time for one."""
    import torch

    input_ids = torch.tensor([prompt], device=model.device)
    options = {
        "attention_mask": torch.ones_like(input_ids),
        "do_sample": False,
        "eos_token_id": None,
        "pad_token_id": 0,
    }

    def timed(count: int) -> tuple[float, list[int]]:
        start = time.perf_counter()
        ids = model.generate(input_ids=input_ids, max_new_tokens=count, min_new_tokens=count, **options)[
            0, len(prompt) :
        ].tolist()
        return time.perf_counter() - start, ids

    first, _ = timed(1)
    whole, ids = timed(tokens)
    return (tokens - 1) / (whole - first), ids


async def over_the_socket(model: str, adapter: str) -> dict[str, Any]:
    client = EngineClient(idle=60)
    start = time.perf_counter()
    status = await client.ensure(model, adapter, lambda _: None)
    report: dict[str, Any] = {
        "seconds_to_ready": round(time.perf_counter() - start, 2),
        "memory_gib": round(status.memory_gib or 0.0, 2),
    }
    try:
        # The first answer of a process also loads kernels; what a person lives with are the later ones.
        report["first_answer"] = await _answer(client)
        report["later_answers"] = [await _answer(client) for _ in range(2)]
        report["tokens_after_stop"] = await _after_stop(client)
    finally:
        await client.shutdown()
    return report


async def _answer(client: EngineClient) -> dict[str, Any]:
    asked, first_piece = time.perf_counter(), 0.0
    async for item in client.ask(QUESTION):
        if isinstance(item, AnswerFinish):
            return {
                "tokens_per_second": round(item.tokens_per_second, 1),
                "reason": item.reason,
                "tokens": item.tokens,
                "prefill_seconds": round(item.prefill_seconds, 3),
                "first_piece_seconds": round(first_piece, 3),
            }
        first_piece = first_piece or time.perf_counter() - asked
    raise RuntimeError("the answer ended without saying how")


async def _after_stop(client: EngineClient) -> int:
    """Pieces (on most tokens one each) of a long answer that arrive after `stop` has returned."""
    seen = after = 0
    acknowledged: asyncio.Task[None] | None = None
    async for item in client.ask(LONG):
        if isinstance(item, AnswerPiece):
            seen += 1
            after += acknowledged is not None and acknowledged.done()
        if seen == 10 and acknowledged is None:
            acknowledged = asyncio.create_task(client.stop())
    return after


def main() -> None:
    parser = argparse.ArgumentParser(description="decoding speed against model.generate, and through the socket")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--adapter", default="", help="the folder of an adapter")
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--no-socket", action="store_true")
    arguments = parser.parse_args()
    report = {
        "model": arguments.model,
        "in_process": in_process(arguments.model, arguments.adapter, arguments.tokens, arguments.times),
    }
    if not arguments.no_socket:
        with tempfile.TemporaryDirectory() as home:
            os.environ["SUIRON_HOME"] = home  # an engine of our own, beside one that may run
            report["socket"] = asyncio.run(over_the_socket(arguments.model, arguments.adapter))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
