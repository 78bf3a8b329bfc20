"""The engine's client, for the chat screen and the command line. Light: no torch, and httpx is imported late.

It belongs to one event loop. It polls only while a server starts, five times a second; while a model loads or an answer
streams, it asks for the status once a second where nothing else is heard, so that a server that hangs is noticed.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from core.base.errors import EngineError, ModelError, SuironError, UsageError
from core.base.paths import absolute_name
from core.base.safe_text import safe_line
from core.engine import launch
from core.engine.client_requests import chat_request, score_request
from core.engine.engine_process import EngineEnd, EngineMovement, end_by_force, hangs
from core.engine.hang_watch import QuietWatch, SilentEngine, answer_unless_hung, wait_unless_hung
from core.engine.protocol import (
    AnswerEvent,
    AnswerFinish,
    AnswerPiece,
    ChatQuestion,
    EngineHangs,
    EngineStatus,
    ModelHeld,
    ScoreReply,
)
from core.engine.sentinel import LoopWarning

if TYPE_CHECKING:
    import httpx

_POLL = 0.2  # seconds between two checks on a server that starts or ends
_START = 60.0  # seconds a server may take until it listens; on a busy machine importing its libraries takes a few
_END = 10.0  # seconds that a server may take to end after its reply
_ANSWER = 15.0  # seconds a server may take for a short reply: while it imports torch, its event loop is slow


class EngineClient:
    """An `Engine` (see `protocol`) over the Unix socket of this home's server."""

    def __init__(self, idle: float = launch.IDLE_SECONDS) -> None:
        """idle: seconds without a request after which a server that it starts ends."""
        self._idle = idle
        self._http: httpx.AsyncClient | None = None
        self._socket: Path | None = None
        self._silence = SilentEngine()
        self._answer_id = ""
        self._name = uuid.uuid4().hex
        self._loaded: tuple[str, str] | None = None  # model and adapter after the last `ensure`

    async def status(self) -> EngineStatus | None:
        socket = await asyncio.to_thread(launch.find_engine)
        if socket is None:
            await self._check_hidden()
            return None
        try:
            return await self._silence.status_or_last(lambda: self._status_of(socket))
        except EngineError:
            if await asyncio.to_thread(launch.engine_running):
                raise
            return None  # it ended just before the request

    async def ensure(
        self, model: str, adapter: str, on_status: Callable[[EngineStatus], None], *, take: bool = False
    ) -> EngineStatus:
        socket = await asyncio.to_thread(launch.find_engine)
        if socket is None:
            on_status(
                EngineStatus(state="loading", model=model, adapter=adapter, message="starting the inference server")
            )
            socket = await self._start()
        last: EngineStatus | None = None
        request = {
            "model": absolute_name(model),
            "adapter": adapter,
            "stream": True,
            "client": self._name,
            "pid": os.getpid(),
            "take": take,
        }
        async with self._stream(socket, "/suiron/load", request, "while it loaded the model") as lines:
            async for line in lines:
                last = _decode(line, EngineStatus)
                on_status(last)
        if last is None or last.state not in ("ready", "failed"):
            self._died("while it loaded the model")
        if last.state == "failed":
            kind = ModelHeld if last.can_take else ModelError
            raise kind(*(last.error or (last.message, model, "")))
        self._loaded = (last.model, last.adapter)
        return last

    async def ask(self, question: ChatQuestion) -> AsyncIterator[AnswerEvent]:
        socket = await asyncio.to_thread(launch.find_engine)
        if socket is None:
            raise EngineError("no inference server is running", "", "Load a model first")
        answer_id = self._answer_id = uuid.uuid4().hex
        finished = False
        try:
            async with self._stream(
                socket,
                "/v1/chat/completions",
                chat_request(question, answer_id, self._name, self._loaded),
                "in the middle of the answer",
            ) as lines:
                async for line in lines:
                    if not line.startswith(b"data: ") or line == b"data: [DONE]":
                        continue
                    for item in _items(_decode(line[6:], dict[str, Any])):
                        finished = isinstance(item, AnswerFinish)
                        yield item
            if not finished:
                self._died("in the middle of the answer")
        finally:
            if self._answer_id == answer_id:
                self._answer_id = ""

    async def score(self, prefix: ChatQuestion | str, continuations: Sequence[str | list[int]]) -> ScoreReply:
        """How likely each continuation is behind a question, or behind a text as it stands. Raises UsageError for what
        the model cannot be asked, EngineError as `ask` does."""
        socket = await asyncio.to_thread(launch.find_engine)
        if socket is None:
            raise EngineError("no inference server is running", "", "Load a model first")
        request = score_request(prefix, continuations, self._name, self._loaded)
        body = b""
        async with self._stream(socket, "/suiron/score", request, "while it scored") as lines:
            async for line in lines:
                body += line
        reply: ScoreReply = _decode(body, ScoreReply)
        return reply

    async def stop(self) -> None:
        answer_id = self._answer_id
        socket = await asyncio.to_thread(launch.find_engine) if answer_id else None
        if socket is not None:  # else the answer ends by itself, with the error that its server has ended
            await self._send(socket, "POST", "/suiron/stop", {"id": answer_id})

    async def unload(self, why: str = "") -> EngineStatus | None:
        """Make the server give up all its models: answers in progress end, with the reason `unloaded`. Returns its
        status once the memory is free; None where no server runs. why: what needs the memory."""
        socket = await asyncio.to_thread(launch.find_engine)
        if socket is None:
            return None

        async def check() -> None:
            await self._check_alive(socket)

        sending = self._send(socket, "POST", "/suiron/unload", {"why": why}, patient=True)
        status: EngineStatus = _decode(await wait_unless_hung(sending, check), EngineStatus)
        return status

    async def shutdown(self) -> None:
        await self.end()

    async def end(self) -> EngineEnd:
        """End the server, if one is running: it is asked to, and ended by force where it does not answer or does not
        end. Returns how it was ended."""
        pid = await asyncio.to_thread(launch.lock_holder)
        if pid is None:
            await self.close()
            return "none"
        try:
            if await self._ask_to_end(pid):
                return "asked"
        except EngineError:
            pass  # it hangs, or its socket is gone
        finally:
            await self.close()
        return await asyncio.to_thread(end_by_force)

    async def close(self) -> None:
        """Close the connections; the server keeps running. The client can be used again."""
        await self._silence.close()
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    # -- inside --

    async def _ask_to_end(self, pid: int) -> bool:
        """Whether the server ended by itself after it was asked. Raises EngineError where it cannot be asked."""
        socket = await asyncio.to_thread(launch.find_engine)
        if socket is None:
            return False
        await self._send(socket, "POST", "/suiron/shutdown", {})
        for _ in range(int(_END / _POLL)):  # it replies first and then ends
            if await asyncio.to_thread(launch.lock_holder) != pid:
                return True
            await asyncio.sleep(_POLL)
        return False

    async def _check_hidden(self) -> None:
        """Nothing listens. Raises EngineError where a server has the lock all the same, and does not move."""
        pid = await asyncio.to_thread(launch.lock_holder)
        if pid is None:
            return
        movement = await asyncio.to_thread(EngineMovement, pid)
        await asyncio.sleep(_POLL)
        if await asyncio.to_thread(movement.since_last) == "stopped":
            raise hangs(pid)

    async def _status_of(self, socket: Path) -> EngineStatus:
        try:
            reply = await self._send(socket, "GET", "/suiron/status")
        except EngineHangs:
            raise
        except EngineError:
            if not await asyncio.to_thread(launch.engine_running):
                raise
            # a busy server closes a connection for its age before it has read the request on it
            reply = await self._send(socket, "GET", "/suiron/status")
        status: EngineStatus = _decode(reply, EngineStatus)
        return status

    async def _check_alive(self, socket: Path) -> None:
        """Raises EngineError where the server does not answer any more."""
        await self._status_of(socket)

    async def _start(self) -> Path:
        pid = await asyncio.to_thread(launch.start_engine, self._idle)
        for _ in range(int(_START / _POLL)):
            await asyncio.sleep(_POLL)
            # Any engine that answers is used: another terminal may have started one at the same moment, and then this
            # one has ended.
            socket = await asyncio.to_thread(launch.find_engine)
            if socket is not None:
                return socket
            status = launch.exit_status(pid)
            if status == launch.AlreadyRunning.exit_code:
                await self._check_hidden()
            if status not in (None, launch.AlreadyRunning.exit_code):
                how = f"signal {-status}" if status < 0 else f"status {status}"
                log_line = await asyncio.to_thread(launch.last_log_line)
                raise EngineError(
                    f"the inference server ended at its start ({how}): {log_line}",
                    str(launch.log_path()),
                    "Read its log",
                )
        raise EngineError(
            f"the inference server did not start within {_START:g} seconds",
            str(launch.log_path()),
            "Read its log",
        )

    async def _client(self, socket: Path) -> httpx.AsyncClient:
        httpx = await asyncio.to_thread(_import_httpx)  # a tenth of a second, the first time
        if self._http is not None and self._socket != socket:
            await self.close()
        if self._http is None:
            timeout = httpx.Timeout(_ANSWER)
            # trust_env: a proxy in the environment is not for a local socket.
            transport = httpx.AsyncHTTPTransport(uds=str(socket))
            self._http = httpx.AsyncClient(
                transport=transport, base_url="http://engine", timeout=timeout, trust_env=False
            )
            self._socket = socket
        return self._http

    async def _send(self, socket: Path, method: str, path: str, body: Any = None, *, patient: bool = False) -> bytes:
        """The reply to a request. patient: it may take any time; the caller looks whether the server hangs."""
        client = await self._client(socket)
        import httpx

        timeout = httpx.Timeout(_ANSWER, read=None if patient else _ANSWER)
        try:
            request = client.request(method, path, content=None if body is None else _encode(body), timeout=timeout)
            reply = await (request if patient else answer_unless_hung(request))
        except httpx.TimeoutException as error:
            what = f"the inference server did not answer within {_ANSWER:g} seconds"
            raise EngineError(what, str(socket), "Wait, or end it and ask again") from error
        except httpx.TransportError as error:
            raise EngineError(
                "the inference server has ended", str(socket), "Try again: a new server starts"
            ) from error
        if reply.is_error:
            raise _error(reply.content)
        return reply.content

    @asynccontextmanager
    async def _stream(self, socket: Path, path: str, body: Any, when: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """The lines of the reply as they arrive. Raises EngineError with `when` where the server dies."""
        client = await self._client(socket)
        import httpx

        # No limit on waiting for the next line: a long prompt or the queue may take any time.
        timeout = httpx.Timeout(_ANSWER, read=None)
        request = client.build_request("POST", path, content=_encode(body), timeout=timeout)

        async def check() -> None:
            await self._check_alive(socket)

        watch: QuietWatch | None = None
        try:
            reply = await wait_unless_hung(client.send(request, stream=True), check)
            watch = QuietWatch(check, reply.aclose)
            try:
                if reply.is_error:
                    raise _error(await reply.aread())
                yield _lines(reply.aiter_raw(), watch.heard)
            finally:
                await watch.close()
                await reply.aclose()
        except (httpx.TransportError, httpx.StreamError):
            if watch is not None and watch.failure is not None:
                raise watch.failure from None
            self._died(when)

    def _died(self, when: str) -> NoReturn:
        crash = safe_line(launch.last_crash(), 200)
        raise EngineError(
            f"the inference server ended {when}{f' ({crash})' if crash else ''}",
            str(launch.log_path()),
            "Ask again: a new server starts; the log may say why the old one ended",
        )


def _import_httpx() -> Any:
    import httpx

    return httpx


async def _lines(blocks: AsyncIterator[bytes], heard: Callable[[], None]) -> AsyncIterator[bytes]:
    """The lines without their newline and without empty ones. heard: called for every block. (httpx's own method also
    breaks at U+2028 and U+0085, which JSON may contain.)"""
    rest = b""
    async for block in blocks:
        heard()
        *lines, rest = (rest + block).split(b"\n")
        for line in lines:
            if line:
                yield line
    if rest:  # the reply ended as it should: where the server dies, httpx raises an error
        yield rest


def _items(chunk: dict[str, Any]) -> list[AnswerEvent]:
    if "error" in chunk:
        raise _error(msgspec.json.encode(chunk))
    items: list[AnswerEvent] = []
    for choice in chunk.get("choices", []):
        delta = choice.get("delta", {})
        if text := delta.get("reasoning_content"):
            items.append(AnswerPiece("reasoning", text))
        if text := delta.get("content"):
            items.append(AnswerPiece("response", text))
    if "suiron" in chunk:
        items.append(msgspec.convert(chunk["suiron"], AnswerFinish | LoopWarning))
    return items


def _encode(body: Any) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as error:  # bytes of a command line or a file name, which Python keeps as lone surrogates
        raise UsageError(
            "the text contains bytes that are not UTF-8", repr(error.object)[:80], "Write it in UTF-8"
        ) from error


def _error(body: bytes) -> SuironError:
    """The error in a reply: the client's own mistakes as UsageError, all others as EngineError."""
    described = _decode(body, dict[str, Any]).get("error", {})
    message = str(described.get("message", "the inference server refused the request")).rstrip(".")
    parts = described.get("suiron") or (message, "", "")
    is_usage_error = described.get("type") == "invalid_request_error"
    return UsageError(*parts) if is_usage_error else EngineError(*parts)


def _decode(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EngineError(
            "the inference server sent a reply that cannot be read",
            str(launch.log_path()),
            "End the server and try again",
        ) from error
