"""What a token costs beside the model: scheduler, rows, text, queue, server-sent events, client, in microseconds.

    python -m bench.token_path [--tokens 2000] [--times 3] [--rate 700]

A scripted model with no arithmetic writes a long answer, at `--rate` tokens a second and as fast as it can. Measured is
the CPU time of the whole path, server and client in one process over a Unix socket, and its share of a token's time at
that rate. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from core.engine.steps.rows import RowStep

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the server's own process does, before torch is loaded


class CountingStep:
    """A step that makes tokens of one byte without any arithmetic."""

    path = "plain"
    pause = 0.0
    """Seconds that a step takes, as the device would: without the interpreter's lock."""

    def __init__(self, rows: int, tokens: list[int]) -> None:
        self.rows, self._tokens = rows, tokens
        self.live = [False] * rows
        self._lengths = [0] * rows

    def length(self, row: int) -> int:
        return self._lengths[row]

    def set_adapter(self, row: int, adapter: str | None) -> None:
        pass

    def feed(self, row: int, ids: list[int]) -> None:
        self._lengths[row] += len(ids)

    def prefill(self, row: int, ids: list[int], choice: Any) -> None:
        self.feed(row, ids)
        self.live[row] = True

    def chosen(self) -> None:
        """As on a GPU, tokens are read when they are fed."""

    def advance(self) -> list[int | None]:
        if self.pause:
            time.sleep(self.pause)
        made: list[int | None] = [None] * self.rows
        for row, live in enumerate(self.live):
            if live:
                made[row] = self._tokens[self._lengths[row] % len(self._tokens)]
                self._lengths[row] += 1
        return made

    def cut(self, row: int, length: int) -> int:
        self._lengths[row], self.live[row] = min(length, self._lengths[row]), False
        return self._lengths[row]

    def release(self, row: int) -> None:
        self.cut(row, 0)


def prepare(folder: Path) -> Any:
    """A loaded model whose rows are scripted; every load gives it."""
    from core.models.backend import prepare_imports

    prepare_imports()
    from core.engine import load_check
    from core.engine.caches import lane_maker
    from core.engine.caches.lane import Lane
    from core.models import loading
    from core.models.backend import choose_inference_backend
    from core.models.checked_model import CheckedModel
    from core.models.loading import LoadedModel
    from core.tokens.tokenizer import TextTokenizer
    from tests.support.tiny_model import make_tiny_model

    make_tiny_model(folder)
    from transformers import AutoModelForCausalLM

    tokenizer = TextTokenizer.from_folder(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.config.max_position_embeddings = 1 << 20
    tokens = tokenizer.encode("It has been a long way, and the answer is not near. ")[0]
    backend = choose_inference_backend(True)
    loaded = LoadedModel(model=model, tokenizer=tokenizer, backend=backend)

    def checked(name: str, *_: Any, form: Any, **__: Any) -> CheckedModel:
        return CheckedModel(name=name, folder=folder, fingerprint=name, form=form, backend=backend, tokenizer=tokenizer)

    rows = lane_maker.MOST_ROWS
    replaced: list[tuple[Any, str, Any]] = [
        (load_check, "resolve_and_check", checked),
        (loading, "load_checked", lambda *_: loaded),
        (lane_maker.LaneMaker, "plain_lane", lambda _: Lane(cast("RowStep", CountingStep(rows, tokens)), rows)),
    ]
    for where, name, scripted in replaced:
        setattr(where, name, scripted)
    return tokens


def bare(tokens: list[int], count: int) -> float:
    """Microseconds a token of the loop over the step alone."""
    step = CountingStep(8, tokens)
    step.prefill(0, [1], None)
    start = time.perf_counter()
    for _ in range(count):
        step.advance()
    return (time.perf_counter() - start) / count * 1e6


def pause_cost(rate: float) -> float:
    """CPU microseconds of waiting for a step that takes 1 / rate seconds: no part of the path."""
    start = time.process_time()
    for _ in range(500):
        time.sleep(1 / rate)
    return (time.process_time() - start) / 500 * 1e6


async def whole(count: int, times: int, folder: Path, rates: list[float]) -> dict[str, dict[str, float]]:
    """For each rate (0: as fast as it can) CPU microseconds a token of the whole path, and tokens an event."""
    import uvicorn

    from core.engine import launch
    from core.engine.client import EngineClient
    from core.engine.protocol import AnswerFinish, ChatQuestion
    from core.engine.server import make_app

    path = folder / "bench.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    launch.find_engine = lambda: path
    options: dict[str, Any] = {"http": "h11", "ws": "none", "lifespan": "on", "log_config": None, "access_log": False}
    server = uvicorn.Server(uvicorn.Config(make_app(end=lambda: None), **options))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    client = EngineClient()
    await client.ensure("scripted", "", lambda _: None)
    asked = ChatQuestion(instruction="Go", template="alpaca", max_tokens=count, cold=True)
    report = {}
    for rate in rates:
        CountingStep.pause = 1 / rate if rate else 0.0
        found, events = [], []
        for _ in range(times + 1):
            start, pieces = time.process_time(), 0
            async for item in client.ask(asked):
                pieces += not isinstance(item, AnswerFinish)
            found.append((time.process_time() - start) / count * 1e6)
            events.append(count / pieces)
        cost = statistics.median(found[1:]) - (pause_cost(rate) if rate else 0.0)
        name = f"at {rate:g} tokens a second" if rate else "as fast as it can"
        report[name] = {"us_a_token": round(cost, 1), "tokens_an_event": round(statistics.median(events[1:]), 1)}
        if rate:
            report[name]["percent_of_a_token"] = round(cost * rate / 1e4, 2)
    await client.close()
    server.should_exit = True
    await serving
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description="what a token costs beside the model, in microseconds")
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--rate", type=float, default=700, help="tokens a second")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["SUIRON_HOME"] = home
        tokens = prepare(Path(home) / "model")
        report = {
            "bare_loop_us": round(bare(tokens, arguments.tokens), 2),
            "whole_path": asyncio.run(whole(arguments.tokens, arguments.times, Path(home), [0, arguments.rate])),
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
