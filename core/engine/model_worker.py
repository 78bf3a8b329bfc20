"""One model, one worker thread, many askers: loads and answers take turns in the order they came.

The event loop's side lives here (statuses, streams, stops); what runs in the thread is `resident` (loading) and
whatever an asker hands in. One thread, because switching the adapter off is a flag of the module: two answers at once
would read each other's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from core.base.errors import EngineError, ModelError, SuironError, UsageError
from core.base.safe_text import safe_line
from core.engine.protocol import EngineStatus

if TYPE_CHECKING:
    from core.engine.resident_model import Resident
    from core.models.loading import LoadedModel

T = TypeVar("T")
Stopped = Callable[[], bool]
Work = Callable[["LoadedModel", Stopped], Generator[T, None, None]]

_log = logging.getLogger("suiron.engine")
_EARLY_STOPS = 64  # stops kept for answers that have not arrived yet


class Holder:
    """Make it inside a running event loop; all methods belong to that loop's thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._resident: Resident | None = (
            None  # made in the worker thread: it imports torch, and the loop must answer meanwhile
        )
        self._trouble: SuironError | None = EngineError(
            "no model is loaded", "", "Load one first"
        )  # the worker's: why it cannot answer
        self._status = EngineStatus(state="empty", message="no model is loaded", pid=os.getpid())
        self._watchers: set[asyncio.Event] = set()
        self._stops: dict[str, threading.Event] = {}
        self._early: deque[str] = deque(maxlen=_EARLY_STOPS)
        self._pending = 0
        self._last_used = time.monotonic()
        threading.Thread(target=self._work, name="model", daemon=True).start()

    # -- what is held --

    @property
    def status(self) -> EngineStatus:
        memory = None
        with contextlib.suppress(EngineError):  # nothing is loaded, or the worker is giving it back this moment
            memory = self._resident.memory_gib() if self._resident is not None else None
        return msgspec.structs.replace(self._status, memory_gib=memory)

    @property
    def busy(self) -> bool:
        """Whether the worker thread has something to do."""
        return self._pending > 0

    @property
    def idle_seconds(self) -> float:
        return 0.0 if self.busy else time.monotonic() - self._last_used

    def load(self, model: str, adapter: str) -> asyncio.Future[EngineStatus]:
        """Queue the load; the future's result is the status it ended with, `ready` or `failed`. It never raises."""
        done: asyncio.Future[EngineStatus] = self._loop.create_future()
        held = self._status.state == "ready" and self._resident is not None and self._resident.holds(model, adapter)
        if self._pending > 0 or not held:
            waiting = "waits for the answer in progress" if self._pending else "loading"
            self._set(EngineStatus(state="loading", model=model, adapter=adapter, message=waiting, pid=os.getpid()))

        def report(message: str) -> None:
            self._post(
                self._set, EngineStatus(state="loading", model=model, adapter=adapter, message=message, pid=os.getpid())
            )

        def job() -> None:
            status = self._load(model, adapter, report)
            self._post(self._loaded, status, done)

        self._put(job)
        return done

    async def statuses(self, until: asyncio.Future[EngineStatus]) -> AsyncIterator[EngineStatus]:
        """The status of a load now and whenever it changes, at most ten times a second, and last the result of
        `until`."""
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            while not until.done():
                changed.clear()
                if (
                    self._status.state == "loading"
                ):  # else it is how an earlier load ended, which this one only waited for
                    yield self.status
                waiter = asyncio.ensure_future(changed.wait())
                either: set[asyncio.Future[Any]] = {waiter, until}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                waiter.cancel()
                await asyncio.wait({until}, timeout=0.1)
            yield msgspec.structs.replace(until.result(), memory_gib=self.status.memory_gib)
        finally:
            self._watchers.discard(changed)

    # -- answers --

    async def ask(self, answer_id: str, work: Work[T]) -> Answer[T]:
        """Queue `work` and wait until it has begun: it is called in the worker thread with the model and a flag to
        heed, checks what it was given and returns the iterator of the answer's parts. What it raises before it returns,
        this raises."""
        if answer_id in self._stops:
            raise UsageError("an answer with this id is already in progress", answer_id, "Choose another id")
        answer: Answer[T] = Answer(self, answer_id)
        self._stops[answer_id] = answer.stop
        if answer_id in self._early:
            answer.stop.set()

        def job() -> None:
            self._answer(answer, work)

        self._put(job)
        try:
            await answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    def stop(self, answer_id: str) -> bool:
        """End the answer with this id within two tokens; False where there is none. One that arrives after its stop
        ends at once."""
        stop = self._stops.get(answer_id)
        if stop is None:
            self._early.append(answer_id)
            return False
        stop.set()
        return True

    def stop_all(self) -> None:
        for stop in self._stops.values():
            stop.set()

    # -- the loop's side --

    def _put(self, job: Callable[[], None]) -> None:
        self._pending += 1
        self._jobs.put(job)

    def _set(self, status: EngineStatus) -> None:
        self._status = status
        for watcher in self._watchers:
            watcher.set()

    def _loaded(self, status: EngineStatus, done: asyncio.Future[EngineStatus]) -> None:
        if not done.done():
            done.set_result(status)
        self._set(status)

    def _settled(self) -> None:
        self._pending -= 1
        self._last_used = time.monotonic()

    # -- the worker's side --

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            self._post(self._settled)

    def _post(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody is left to tell
            self._loop.call_soon_threadsafe(call, *args)

    def _load(self, model: str, adapter: str, report: Callable[[str], None]) -> EngineStatus:
        try:
            if self._resident is None:
                report("importing the libraries")
                from core.engine.resident_model import Resident

                self._resident = Resident()
            self._resident.load(model, adapter, report)
            self._trouble, backend = None, self._resident.loaded.backend
        except Exception as error:
            self._trouble = trouble = _explain(error, model)
            _log.error(
                "the model is not loaded: %s", safe_line(str(trouble))
            )  # who started a server by hand reads its log alone
            return EngineStatus(
                state="failed",
                model=model,
                adapter=adapter,
                message=trouble.what,
                error=(trouble.what, trouble.where, trouble.do),
                pid=os.getpid(),
            )
        return EngineStatus(
            state="ready", model=model, adapter=adapter, backend=str(backend), message="ready", pid=os.getpid()
        )

    def _answer(self, answer: Answer[T], work: Work[T]) -> None:
        try:
            if self._trouble is not None or self._resident is None:
                raise self._trouble or EngineError("no model is loaded")
            parts = work(self._resident.loaded, answer.stop.is_set)
            self._post(answer.put, _BEGUN)
            with contextlib.closing(parts):
                for part in parts:
                    self._post(answer.put, part)
            self._post(answer.put, _DONE)
        except SuironError as error:
            self._post(answer.put, error)
        except Exception as error:
            self._post(answer.put, _explain(error, self._status.model))


_BEGUN, _DONE = object(), object()


class Answer(Generic[T]):
    """An answer in progress: iterate it for its parts. `close` ends it in the worker too, and is called by whoever
    asked, always."""

    def __init__(self, holder: Holder, answer_id: str) -> None:
        self.id = answer_id
        self.stop = threading.Event()
        self._holder = holder
        self._parts: asyncio.Queue[Any] = asyncio.Queue()

    def put(self, part: Any) -> None:
        self._parts.put_nowait(part)

    async def begin(self) -> None:
        await self._next()

    async def __aiter__(self) -> AsyncIterator[T]:
        while (part := await self._next()) is not _DONE:
            yield part

    def close(self) -> None:
        self.stop.set()
        self._holder._stops.pop(self.id, None)

    async def _next(self) -> Any:
        part = await self._parts.get()
        if isinstance(part, BaseException):
            raise part
        return part


def _explain(error: Exception, model: str) -> SuironError:
    """The error as one with three parts. What nobody foresaw goes into the log whole."""
    if isinstance(error, SuironError):
        return error
    _log.error("unforeseen", exc_info=error)
    if (
        isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    ):  # torch's own, without importing torch here
        return ModelError(
            "memory ran out", model, "Choose a smaller model or a shorter prompt, or end what else uses the memory"
        )
    return ModelError(
        f"{type(error).__name__}: {error}", model, "The engine's log has the details; load the model again"
    )
