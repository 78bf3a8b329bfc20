"""Notices, while a client waits for the engine, that the engine does not move any more. Light: no HTTP, no torch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from core.engine import launch
from core.engine.engine_process import EngineMovement, hangs
from core.engine.protocol import EngineStatus
from core.engine.status_file import read_status

T = TypeVar("T")

QUIET = 1.0  # seconds without a byte after which a client asks whether the engine is still there
PROMPT = 0.06  # seconds after which a status is taken from the engine's file
_LOOK = 1.5  # seconds between two looks at a process that does not answer
_STILL = 2  # looks in a row without any movement: then it hangs


async def answer_unless_hung(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which waits for a short answer of the engine. Raises EngineError where the engine is
    stopped, or does nothing at all instead of answering; a busy one is waited for."""
    task = asyncio.ensure_future(work)
    movement: EngineMovement | None = None
    still = 0
    try:
        while not (await asyncio.wait({task}, timeout=_LOOK))[0]:
            if movement is None:
                pid = await asyncio.to_thread(launch.lock_holder)
                if pid is None:
                    continue
                movement = await asyncio.to_thread(EngineMovement, pid)
                did = await asyncio.to_thread(movement.since_last)
                did = "moves" if did == "still" else did  # no time has passed yet
            else:
                did = await asyncio.to_thread(movement.since_last)
            still = still + 1 if did == "still" else 0
            if did == "stopped" or still >= _STILL:
                raise hangs(movement.pid)
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class SilentEngine:
    """Answers for an engine that is too busy to, until it turns out that it does nothing at all."""

    def __init__(self) -> None:
        # A request that was not answered promptly goes on: one that is given up costs its connection.
        self._asking: asyncio.Future[EngineStatus] | None = None
        self._movement: EngineMovement | None = None
        self._looked = 0.0
        self._still = 0

    async def status_or_last(self, ask: Callable[[], Coroutine[Any, Any, EngineStatus]]) -> EngineStatus:
        """What `ask` returns, where that comes promptly; else the last status in the engine's file. Where there is
        none, `ask` is waited for. Raises EngineError where the engine is stopped, or has not moved over several
        calls."""
        if self._asking is not None and self._asking.done():
            await self.close()  # the answer to an earlier call
        task = self._asking = self._asking or asyncio.ensure_future(ask())
        if not (await asyncio.wait({task}, timeout=PROMPT))[0]:
            pid = await asyncio.to_thread(launch.lock_holder)
            last = await asyncio.to_thread(read_status, pid) if pid is not None else None
            if last is not None and not task.done():
                await self._look(last.pid)
                return last
        try:
            status = await task
        finally:
            await self.close()
        self._movement = None
        return status

    async def close(self) -> None:
        """Give up the request that is on its way."""
        task, self._asking = self._asking, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _look(self, pid: int) -> None:
        now = asyncio.get_running_loop().time()
        if self._movement is None or self._movement.pid != pid:
            self._movement, self._looked, self._still = await asyncio.to_thread(EngineMovement, pid), now, 0
        did = await asyncio.to_thread(self._movement.since_last)
        if did == "moves":
            self._looked, self._still = now, 0
        elif did == "still" and now - self._looked >= _LOOK:
            self._looked, self._still = now, self._still + 1
        if did == "stopped" or self._still >= _STILL:
            await self.close()
            raise hangs(pid)


async def wait_unless_hung(work: Coroutine[Any, Any, T], check: Callable[[], Awaitable[None]]) -> T:
    """The result of `work`, which may take any time. `check` is called whenever it has taken a while longer, and raises
    where nothing will come."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=QUIET))[0]:
            await check()
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class QuietWatch:
    """Watches a stream from beside it, so that its pieces cost nothing more than a time. check: called after each
    second without a piece; raises where nothing will come. give_up: ends the stream then."""

    def __init__(self, check: Callable[[], Awaitable[None]], give_up: Callable[[], Awaitable[None]]) -> None:
        self._check, self._give_up = check, give_up
        self._last = asyncio.get_running_loop().time()
        self.failure: Exception | None = None
        """What `check` raised."""
        self._task = asyncio.create_task(self._watch())

    def heard(self) -> None:
        """A piece came."""
        self._last = self._task.get_loop().time()

    async def close(self) -> None:
        """End the watch."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            quiet = self._task.get_loop().time() - self._last
            if quiet < QUIET:
                await asyncio.sleep(QUIET - quiet)
                continue
            try:
                await self._check()
            except Exception as error:  # said by whoever reads the stream, which ends now
                self.failure = error
                await self._give_up()
                return
            await asyncio.sleep(QUIET)
