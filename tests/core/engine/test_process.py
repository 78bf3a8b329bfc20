"""The engine as its users meet it: a process of its own behind a real socket, and the client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.base import child
from core.base.child import ROOT
from core.base.errors import EngineError, ModelError, UsageError
from core.engine import launch
from core.engine.client import EngineClient
from core.engine.protocol import AnswerFinish, AnswerPiece, ChatQuestion, Engine, EngineStatus
from tests.support.engine_processes import SLOW, process_client

LONG = ChatQuestion(instruction="Go on for ever.", template="alpaca", max_tokens=4000)


@pytest.fixture(autouse=True)
def no_runtime_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)


@pytest.fixture
def client() -> Iterator[EngineClient]:
    with process_client() as started:
        yield started


def nothing(_: EngineStatus) -> None:
    pass


async def ended(pid: int) -> int:
    async with asyncio.timeout(SLOW):
        while (status := launch.exit_status(pid)) is None:  # noqa: ASYNC110 - a process of the operating system's
            await asyncio.sleep(0.05)
    return status


async def told(client: Engine, question: ChatQuestion) -> tuple[str, AnswerFinish]:
    text, finish = "", None
    async for item in client.ask(question):
        if isinstance(item, AnswerPiece):
            text += item.text
        elif isinstance(item, AnswerFinish):
            finish = item
    assert finish is not None
    return text, finish


async def test_a_whole_life(client: EngineClient, tiny_folder: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    """Start, load, ask, stop, swap, fail, die and come back: in one test, because each start imports torch."""
    heard: list[EngineStatus] = []
    assert await client.status() is None
    await client.stop()  # without an answer: nothing
    await client.shutdown()  # without a server: nothing
    with pytest.raises(EngineError, match="no inference server"):
        await told(client, LONG)

    ready = await client.ensure(str(tiny_folder), "", heard.append)
    assert (ready.state, ready.model, ready.adapter) == ("ready", str(tiny_folder), "")
    assert heard[0].message == "starting the inference server"
    assert heard[-1] == ready
    assert ready.memory_gib
    first = ready.pid
    assert first in launch._children
    assert os.getsid(first) == first, "a session of its own: the terminal's end does not reach it"
    path = launch.find_engine()
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(launch.log_path().stat().st_mode) == 0o600

    question = ChatQuestion(instruction="How high is 立山?", max_tokens=50)
    base, finish = await told(client, question)
    assert base
    assert (finish.reason, finish.ending, finish.tokens) == ("length", "in_reasoning", 50)
    assert finish.tokens_per_second > 0
    drafted, _ = await told(client, msgspec.structs.replace(question, draft="立山", on_loop="stop"))
    assert drafted == base
    scores = await client.score(question, ["3015 m", [5, 6]])
    assert [len(one.tokens) for one in scores.continuations] == [6, 2]
    assert scores.prefix_tokens == finish.prompt_tokens
    assert (await client.score("Once", [" upon"])).continuations[0].sum < 0
    with pytest.raises(UsageError, match="no tokens"):
        await client.score("Once", [""])

    await client.ensure(str(tiny_folder), str(tiny_adapter), nothing)
    tuned, _ = await told(client, question)
    assert tuned != base
    assert (await told(client, ChatQuestion(instruction="How high is 立山?", max_tokens=50, tuned=False)))[0] == base

    # Stop: the iteration goes on to its Finish.
    stopped: list[Any] = []
    async for item in client.ask(LONG):
        stopped.append(item)
        if len(stopped) == 5:
            await client.stop()
    assert isinstance(stopped[-1], AnswerFinish)
    assert stopped[-1].reason == "stopped"
    assert stopped[-1].tokens < 500

    # Leave early: the server stops as well, and the next question has its turn at once.
    leaving = client.ask(LONG)
    await anext(leaving)
    await leaving.aclose()
    assert (await told(client, question))[0] == tuned

    with pytest.raises(UsageError, match="context"):
        await told(client, ChatQuestion(instruction="x" * 5000))
    with pytest.raises(ModelError) as failure:
        await client.ensure(str(tmp_path / "nowhere"), "", nothing)
    assert failure.value.do
    failed = await client.status()
    assert failed is not None
    assert (failed.state, failed.pid) == ("failed", first)

    # kill -9 in the middle of an answer: said, and the next start works.
    await client.ensure(str(tiny_folder), "", nothing)
    with pytest.raises(EngineError, match="middle of the answer") as death:
        async for _ in client.ask(LONG):
            os.kill(first, signal.SIGKILL)
    assert "log" in death.value.do
    assert await ended(first) == -signal.SIGKILL
    assert path.exists(), "a killed engine leaves its socket"
    assert await client.status() is None

    again = await client.ensure(str(tiny_folder), "", nothing)
    assert again.pid != first
    assert (await told(client, question))[0] == base

    await client.shutdown()
    assert await ended(again.pid) == 0
    assert not path.exists()
    assert await client.status() is None


async def test_two_terminals_that_start_at_once_share_one_engine(client: EngineClient) -> None:
    other = EngineClient()
    one, two = await asyncio.gather(client._start(), other._start())
    assert one == two
    statuses = [await client.status(), await other.status()]
    assert statuses[0] is not None
    assert statuses[1] is not None
    assert statuses[0].pid == statuses[1].pid
    assert statuses[0].state == "empty"
    loser = next(pid for pid in launch._children if pid != statuses[0].pid)
    assert await ended(loser) == launch.AlreadyRunning.exit_code
    await client.shutdown()
    await other.close()
    assert await ended(statuses[0].pid) == 0


async def test_an_idle_engine_ends_and_a_signal_ends_it_clean(client: EngineClient) -> None:
    pid = await asyncio.to_thread(launch.start_engine, 0.2)
    assert await ended(pid) == 0
    assert launch.find_engine() is None
    pid = await asyncio.to_thread(launch.start_engine, 0)
    await _found()
    os.kill(pid, signal.SIGTERM)
    assert await ended(pid) == 0
    assert not launch.socket_path().exists()


async def _found() -> None:
    async with asyncio.timeout(SLOW):
        while launch.find_engine() is None:  # noqa: ASYNC110 - another process's socket
            await asyncio.sleep(0.05)


async def test_a_server_that_cannot_start_is_told_with_its_last_words(
    client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = launch.engine_folder() / "core"
    (broken / "engine").mkdir(parents=True)
    (broken / "engine" / "__main__.py").write_text("raise SystemExit('the libraries are not there')")
    monkeypatch.setattr(child, "ROOT", launch.engine_folder())
    with pytest.raises(EngineError, match="the libraries are not there"):
        await client.ensure("demo", "", nothing)


@contextlib.asynccontextmanager
async def speaking(reply: bytes) -> AsyncIterator[None]:
    """An engine's socket behind which something answers every request with `reply` and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1):
            writer.write(reply)
        writer.close()

    with launch.claim_engine() as listener:
        server = await asyncio.start_unix_server(answer, sock=socket.socket(fileno=os.dup(listener.fileno())))
        async with server:
            yield


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
PIECE = 'data: {"choices": [{"delta": {"content": "a\u2028b\u0085c"}}]}\n\n'.encode()


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (b"", "middle of the answer"),
        (HEAD + PIECE, "middle of the answer"),
        (HEAD + b"data: {nonsense\n\n", "cannot be read"),
        (
            HEAD
            + b'data: {"error": {"message": "boom", "type": "server_error", "suiron": ["boom", "here", "do"]}}\n\n',
            "here: boom. do.",
        ),
        (b"SSH-2.0-OpenSSH\r\n", "middle of the answer"),
    ],
)
async def test_whatever_answers_the_client_ends_with_a_readable_error(
    reply: bytes, says: str, client: EngineClient
) -> None:
    async with speaking(reply):
        with pytest.raises(EngineError, match=says):
            await told(client, LONG)
    await client.close()


async def test_line_separators_inside_an_answer_do_not_cut_it(client: EngineClient) -> None:
    seen = []
    async with speaking(HEAD + PIECE):
        with pytest.raises(EngineError, match="middle"):
            async for item in client.ask(LONG):
                seen.append(item)
    assert seen == [AnswerPiece("response", "a\u2028b\u0085c")]
    await client.close()


def test_the_terminals_side_is_light() -> None:
    code = (
        "import sys, core.engine.client, core.engine.launch, core.engine.protocol\n"
        "heavy = {'torch', 'transformers', 'peft', 'httpx', 'starlette', 'uvicorn', 'tokenizers'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
