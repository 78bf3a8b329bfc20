"""What goes on beside a load, and what an unload or a lost GPU ends: in this process, with a model that is held."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import msgspec
import pytest

from core.engine import load_check
from core.engine.protocol import EngineStatus
from core.engine.server import make_app
from core.models import loading
from tests.core.engine.test_server import Held, finish_of, held, load, question, served, status, until

__all__ = ["held"]
MINE = {"client": "me", "pid": 0}


class Gate:
    """A function that waits before it does its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        behind = getattr(where, name)

        def wait(*args: Any, **more: Any) -> Any:
            if "another" in str(args[0]):
                self.reached.set()
                self.open.wait()
            return behind(*args, **more)

        monkeypatch.setattr(where, name, wait)


@pytest.mark.parametrize(("where", "name"), [(load_check, "resolve_and_check"), (loading, "load_checked")])
async def test_answers_go_on_while_another_model_is_checked_and_read(
    held: Held, monkeypatch: pytest.MonkeyPatch, where: Any, name: str
) -> None:
    gate = Gate(monkeypatch, where, name)
    async with served(held.app) as http:
        before = asyncio.create_task(http.post("/v1/chat/completions", json=question(max_tokens=2000)))
        await until(lambda: held.model.passes == 1)
        await http.post("/suiron/load", json={"model": "another", **MINE})
        await until(lambda: gate.reached.is_set() or held.release(1))  # a load goes on between two steps
        assert not before.done()
        held.release(10_000)
        assert finish_of(await before).tokens == 2000
        mine = {"holds": ["held", ""]}
        behind = {"holds": ["another", ""]}
        assert finish_of(await http.post("/v1/chat/completions", json=question(max_tokens=3, suiron=mine))).tokens == 3
        waiting = asyncio.create_task(http.post("/v1/chat/completions", json=question(max_tokens=4, suiron=behind)))
        now = await status(http)
        assert (now.state, now.model) == ("loading", "another")
        gate.open.set()
        assert finish_of(await waiting).tokens == 4
        assert {model.model for model in (await status(http)).loaded} == {"held", "another"}


async def test_an_unload_ends_answers_and_frees_everything(held: Held) -> None:
    async with served(held.app) as http:
        asked = [
            asyncio.create_task(http.post("/v1/chat/completions", json=question(max_tokens=2000))) for _ in range(3)
        ]
        await until(lambda: len(held.app.state.worker._stops) == 3 and held.model.passes)
        unloading = asyncio.create_task(http.post("/suiron/unload", json={"why": "the run 7 starts\n"}))
        held.release(10_000)
        empty = msgspec.json.decode((await unloading).content, type=EngineStatus)
        assert (empty.state, empty.loaded, empty.memory_gib) == ("empty", (), None)
        assert "the run 7 starts" in empty.message
        assert [finish_of(reply).reason for reply in await asyncio.gather(*asked)] == ["unloaded"] * 3
        assert (await http.get("/v1/models")).json()["data"] == []
        refused = await http.post("/v1/chat/completions", json=question())
        assert refused.status_code == 503
        assert (await load(http, "held")).state == "ready"
        assert finish_of(await http.post("/v1/chat/completions", json=question(max_tokens=3))).tokens == 3


async def test_an_unload_does_not_wait_for_a_model_that_is_only_looked_for(
    held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch, load_check, "resolve_and_check")
    async with served(held.app) as http:
        await until(lambda: held.app.state.worker.targets)
        await http.post("/suiron/load", json={"model": "another", **MINE})
        await until(gate.reached.is_set)
        now = msgspec.json.decode((await http.post("/suiron/unload", json={})).content, type=EngineStatus)
        assert (now.state, now.loaded) == ("loading", ())
        gate.open.set()
        await until(lambda: held.app.state.worker.status.state == "ready")


async def test_a_model_that_is_unloaded_between_check_and_turn_is_checked_again(held: Held) -> None:
    async with served(held.app) as http:
        held.release(10_000)
        await until(lambda: held.app.state.worker.targets)
        answer = asyncio.create_task(http.post("/v1/chat/completions", json=question(max_tokens=5)))
        loading_again = asyncio.create_task(load(http, "held"))
        await http.post("/suiron/unload", json={})
        assert (await loading_again).state == "ready"
        await answer


async def test_a_lost_gpu_is_said_to_everybody_and_ends_the_process(held: Held) -> None:
    ended = threading.Event()
    app = make_app(end=ended.set, first=("held", ""))
    fault = "CUDA error: an illegal memory access was encountered\nCompile with TORCH_USE_CUDA_DSA"
    async with served(app) as http:
        await until(lambda: app.state.worker.targets)

        def fails(*_: Any, **__: Any) -> Any:
            raise RuntimeError(fault)

        held.model.forward = fails  # type: ignore[method-assign]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(held.model), "__call__", lambda *_, **__: fails())
            reply = await http.post("/v1/chat/completions", json=question())
        assert reply.status_code == 503
        parts = reply.json()["error"]["suiron"]
        assert "illegal memory access" in parts[0]
        assert "new server" in parts[2]
        await until(ended.is_set)
        assert (await status(http)).state == "failed"
        assert app.state.worker.busy, "the interpreter's usual end would crash"


async def test_asking_for_the_status_is_no_use(held: Held) -> None:
    async with served(held.app) as http:
        worker = held.app.state.worker
        await until(lambda: worker.targets and not worker.busy)
        used = worker._last_used
        for _ in range(3):
            assert (await status(http)).state == "ready"
        assert worker._last_used == used


async def test_every_new_status_is_told(held: Held) -> None:
    told: list[EngineStatus] = []
    async with served(make_app(end=lambda: None, first=("held", ""), on_status=told.append)) as http:
        held.release(100)
        await http.post("/v1/chat/completions", json=question(max_tokens=3))
        await until(lambda: told[-1].state == "ready" and not told[-1].running)
    states = [status.state for status in told]
    assert states[0] == "empty"
    assert states[-1] == "ready"
    assert any(status.running for status in told)
