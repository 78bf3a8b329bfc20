"""Runs one model in one worker thread for many clients: loads and answers take turns in the order of their requests.

This module is the event loop's side (statuses, streams, stops); the thread runs `resident_model` (loading) and the work
of requests. There is one thread, because switching the adapter off sets a flag of the module, which would affect two
answers at once.
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
    from core.engine.resident_model import ResidentModel
    from core.models.loading import LoadedModel

T = TypeVar("T")
StopCheck = Callable[[], bool]
"""Whether the answer is to end; called before every token."""
AnswerWork = Callable[["LoadedModel", StopCheck], Generator[T, None, None]]
"""Checks a request and returns the iterator of its answer's parts; both run in the worker thread."""

_log = logging.getLogger("suiron.engine")
_EARLY_STOPS = 64  # stops kept for answers that have not arrived yet


class ModelWorker:
    """Owns the worker thread and its queue. Make it inside a running event loop; call its methods in that loop's
    thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        # Made in the worker thread: it imports torch, and the loop must stay responsive.
        self._resident: ResidentModel | None = None
        # Set by the worker: the reason why it cannot answer.
        self._trouble: SuironError | None = EngineError("no model is loaded", "", "Load one first")
        self._status = EngineStatus(state="empty", message="no model is loaded", pid=os.getpid())
        self._watchers: set[asyncio.Event] = set()
        self._stops: dict[str, threading.Event] = {}
        self._early: deque[str] = deque(maxlen=_EARLY_STOPS)
        self._pending = 0
        self._last_used = time.monotonic()
        threading.Thread(target=self._work, name="model", daemon=True).start()

    # -- the loaded model --

    @property
    def status(self) -> EngineStatus:
        """The status of the loaded model, or of the current load."""
        memory = None
        with contextlib.suppress(EngineError):  # no model is loaded, or the worker is just unloading it
            memory = self._resident.memory_gib() if self._resident is not None else None
        return msgspec.structs.replace(self._status, memory_gib=memory)

    @property
    def busy(self) -> bool:
        """Whether the worker thread has something to do."""
        return self._pending > 0

    @property
    def idle_seconds(self) -> float:
        """Seconds since the worker last had something to do."""
        return 0.0 if self.busy else time.monotonic() - self._last_used

    def load(self, model: str, adapter: str) -> asyncio.Future[EngineStatus]:
        """Queue the load; the future's result is the final status, `ready` or `failed`. It never raises."""
        done: asyncio.Future[EngineStatus] = self._loop.create_future()
        ready = self._status.state == "ready" and self._resident is not None
        loaded = ready and self._resident is not None and self._resident.has_loaded(model, adapter)

        def loading(message: str) -> EngineStatus:
            return EngineStatus(state="loading", model=model, adapter=adapter, message=message, pid=os.getpid())

        if self._pending > 0 or not loaded:
            self._set_status(loading("waits for the answer in progress" if self._pending else "loading"))

        def report(message: str) -> None:
            self._post(self._set_status, loading(message))

        def job() -> None:
            status = self._load(model, adapter, report)
            self._post(self._finish_load, status, done)

        self._put_job(job)
        return done

    async def statuses(self, until: asyncio.Future[EngineStatus]) -> AsyncIterator[EngineStatus]:
        """The status of a load now and whenever it changes, at most ten times a second, and last the result of
        `until`."""
        changed = asyncio.Event()
        self._watchers.add(changed)
        try:
            while not until.done():
                changed.clear()
                if self._status.state == "loading":  # else it is the result of an earlier load
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

    async def ask(self, answer_id: str, work: AnswerWork[T]) -> AnswerStream[T]:
        """Queue `work` and wait until it has begun. It is called in the worker thread with the model and a check for
        stops; an exception that it raises before it returns is raised here. Raises UsageError for an id in use."""
        if answer_id in self._stops:
            raise UsageError("an answer with this id is already in progress", answer_id, "Choose another id")
        answer: AnswerStream[T] = AnswerStream(self, answer_id)
        self._stops[answer_id] = answer.stop
        if answer_id in self._early:
            answer.stop.set()

        def job() -> None:
            self._answer(answer, work)

        self._put_job(job)
        try:
            await answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    def stop(self, answer_id: str) -> bool:
        """End the answer with this id within two tokens; False where there is none. An answer that arrives after its
        stop ends at once."""
        stop = self._stops.get(answer_id)
        if stop is None:
            self._early.append(answer_id)
            return False
        stop.set()
        return True

    def forget_answer(self, answer_id: str) -> None:
        """Make the id free again."""
        self._stops.pop(answer_id, None)

    def stop_all(self) -> None:
        """End every answer."""
        for stop in self._stops.values():
            stop.set()

    # -- the loop's side --

    def _put_job(self, job: Callable[[], None]) -> None:
        self._pending += 1
        self._jobs.put(job)

    def _set_status(self, status: EngineStatus) -> None:
        self._status = status
        for watcher in self._watchers:
            watcher.set()

    def _finish_load(self, status: EngineStatus, done: asyncio.Future[EngineStatus]) -> None:
        if not done.done():
            done.set_result(status)
        self._set_status(status)

    def _finish_job(self) -> None:
        self._pending -= 1
        self._last_used = time.monotonic()

    # -- the worker's side --

    def _work(self) -> None:
        while True:
            self._jobs.get()()
            self._post(self._finish_job)

    def _post(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(call, *args)

    def _load(self, model: str, adapter: str, report: Callable[[str], None]) -> EngineStatus:
        try:
            if self._resident is None:
                report("importing the libraries")
                from core.engine.resident_model import ResidentModel

                self._resident = ResidentModel()
            self._resident.load(model, adapter, report)
            self._trouble = None
            backend = self._resident.loaded.backend
        except Exception as error:
            self._trouble = trouble = _explain(error, model)
            # for a user who started the server directly and sees only its log
            _log.error("the model is not loaded: %s", safe_line(str(trouble)))
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

    def _answer(self, answer: AnswerStream[T], work: AnswerWork[T]) -> None:
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


class AnswerStream(Generic[T]):
    """An answer in progress: iterate it for its parts. The caller of `ask` must always call `close`, which ends it in
    the worker too."""

    def __init__(self, worker: ModelWorker, answer_id: str) -> None:
        self.id = answer_id
        self.stop = threading.Event()
        self._worker = worker
        self._parts: asyncio.Queue[Any] = asyncio.Queue()

    def put(self, part: Any) -> None:
        """Add a part, or an error to raise."""
        self._parts.put_nowait(part)

    async def begin(self) -> None:
        """Wait until the work has begun; raises an exception of its beginning."""
        await self._next()

    async def __aiter__(self) -> AsyncIterator[T]:
        while (part := await self._next()) is not _DONE:
            yield part

    def close(self) -> None:
        """End the answer."""
        self.stop.set()
        self._worker.forget_answer(self.id)

    async def _next(self) -> Any:
        part = await self._parts.get()
        if isinstance(part, BaseException):
            raise part
        return part


def _explain(error: Exception, model: str) -> SuironError:
    """The error in three parts. An unexpected one goes into the log with its traceback."""
    if isinstance(error, SuironError):
        return error
    _log.error("unexpected error", exc_info=error)
    out_of_memory = type(error).__name__ == "OutOfMemoryError"  # torch's own, without importing torch here
    if isinstance(error, MemoryError) or out_of_memory:
        return ModelError("memory ran out", model, "Choose a smaller model or a shorter prompt, or end other programs")
    return ModelError(
        f"{type(error).__name__}: {error}", model, "The engine's log has the details; load the model again"
    )
