"""The event loop's side of the models: statuses, names, streams and stops. `model_thread` loads and answers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec

from core.base.errors import EngineError, SuironError, UsageError
from core.engine.model_holders import ModelHolder
from core.engine.model_jobs import AnswerJob, Job, LoadJob, ScoreJob, UnloadJob
from core.engine.model_thread import BEGUN, DONE, ModelSnapshot, ModelThread
from core.engine.protocol import AnswerPiece, EngineStatus, ModelHeld, ScoreReply
from core.engine.target import ModelTarget, held_target, make_target, named_target

if TYPE_CHECKING:
    from core.engine.score_request import ScoreQuestion
    from core.engine.sequence import AnswerPart, AnswerSequence
    from core.models.loading import LoadedModel

Prepare = Callable[["LoadedModel"], "Sequence[AnswerSequence]"]
"""Checks a request and makes its sequences; runs in the model's thread."""

_EARLY_STOPS = 64  # stops kept for answers that have not arrived yet


class ModelWorker:
    """Owns the models' thread. Make it inside a running event loop; call its methods in that loop's thread. Nothing
    here waits for the thread or imports what it imports."""

    def __init__(
        self,
        on_status: Callable[[EngineStatus], None] = lambda _: None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """on_status: called with every new status. on_lost: called when the process can use its GPU no more; whoever
        waited for something has been told."""
        self._loop = asyncio.get_running_loop()
        self._on_status, self._on_lost = on_status, on_lost
        self._is_lost = False
        self._status = EngineStatus(state="empty", message="no model is loaded", pid=os.getpid())
        self._snapshot = ModelSnapshot()
        self._loads: list[ModelTarget] = []  # those that wait or are being made
        self._current: ModelTarget | None = None  # of the last load
        self._watchers: set[asyncio.Event] = set()
        self._stops: dict[str, threading.Event] = {}
        self._early: deque[str] = deque(maxlen=_EARLY_STOPS)
        self._prefills: dict[str, str] = {}  # the client's last prompt without an answer
        self._pending = 0
        self._last_used = time.monotonic()
        self._thread = ModelThread(self._post, self._take_snapshot, self._finish_job, self._lose_gpu)
        self._thread.start()
        self._tell()

    # -- the loaded models --

    @property
    def status(self) -> EngineStatus:
        """The status of the model loaded last, or of the current load, and of all that is in memory."""
        snapshot = self._snapshot
        return msgspec.structs.replace(
            self._status,
            memory_gib=snapshot.memory_gib,
            loaded=snapshot.loaded,
            running=snapshot.running,
            queued=max(0, self._pending - snapshot.running),
        )

    @property
    def busy(self) -> bool:
        """Whether the thread has something to do, or must not be ended as usual."""
        return self._pending > 0 or self._is_lost

    @property
    def idle_seconds(self) -> float:
        """Seconds since the thread last had something to do."""
        return 0.0 if self._pending else time.monotonic() - self._last_used

    @property
    def targets(self) -> tuple[ModelTarget, ...]:
        """What can be asked now, that of the last load first."""
        known = self._snapshot.targets
        mine = [target for target in known if self._current is not None and target.model == self._current.model]
        mine.sort(key=lambda target: 2 if not target.adapter else target != self._current)
        return (*mine, *(target for target in known if target not in mine))

    def resolve(self, name: str, holds: tuple[str, str] | None) -> ModelTarget:
        """The target that a request means: by what its client holds, by its name in the API, else the last load. Loads
        that wait count. Raises UnknownModel for another name, EngineError where nothing was loaded."""
        known = (*reversed(self._loads), *self.targets)
        if holds is not None:
            return held_target(*holds, known)
        if name:
            return named_target(name, known)
        if self._current is None:
            raise EngineError("no model is loaded", "", "Load one first")
        return self._current

    def load(
        self, model: str, adapter: str, holder: ModelHolder | None = None, *, take: bool = False
    ) -> asyncio.Future[EngineStatus]:
        """Queue the load; the future's result is the final status, `ready` or `failed`. It never raises. take: the
        models that others hold may be unloaded for it."""
        done: asyncio.Future[EngineStatus] = self._loop.create_future()
        target = self._current = make_target(model, adapter)
        base = EngineStatus(state="loading", model=model, adapter=adapter, pid=os.getpid())
        if self._pending > 0 or target not in self._snapshot.targets:
            words = "waits for the answer in progress" if self._pending else "loading"
            self._set_status(msgspec.structs.replace(base, message=words))

        def report(message: str) -> None:
            self._post(self._set_status, msgspec.structs.replace(base, message=message))

        def finished(backend: str, trouble: SuironError | None) -> None:
            if trouble is None:
                status = msgspec.structs.replace(base, state="ready", backend=backend, message="ready")
            else:
                parts = (trouble.what, trouble.where, trouble.do)
                status = msgspec.structs.replace(base, state="failed", message=trouble.what, error=parts)
                status = msgspec.structs.replace(status, can_take=isinstance(trouble, ModelHeld))
            self._post(self._finish_load, target, status, done)

        self._loads.append(target)
        self._add(LoadJob(target, holder or ModelHolder(), take, report, finished))
        return done

    async def unload(self, why: str) -> EngineStatus:
        """End every answer and give up all models, for whoever needs their memory; the status once it is free. why: for
        the clients, foreign text."""
        done: asyncio.Future[None] = self._loop.create_future()

        def free() -> None:
            if not done.done():
                done.set_result(None)

        self._add(UnloadJob(lambda: self._post(free)))
        await done
        words = f"no model is loaded: {why}" if why else "no model is loaded"
        if self._status.state != "loading":  # else somebody has asked for the next one meanwhile
            self._current = None
            self._set_status(EngineStatus(state="empty", message=words, pid=os.getpid()))
        return self.status

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
            now = self.status
            yield msgspec.structs.replace(until.result(), memory_gib=now.memory_gib, loaded=now.loaded)
        finally:
            self._watchers.discard(changed)

    # -- answers --

    async def ask(
        self,
        answer_id: str,
        target: ModelTarget,
        prepare: Prepare,
        count: int = 1,
        *,
        client: str = "",
        prefill: bool = False,
    ) -> AnswerStream:
        """Queue `count` answers, as many as `prepare` makes, and wait until the first has begun; what is wrong with the
        request is raised here. client: whose earlier prompt without an answer (`prefill`) this one ends. Raises
        UsageError for an id in use."""
        if answer_id in self._stops:
            raise UsageError("an answer with this id is already in progress", answer_id, "Choose another id")
        answer = AnswerStream(self, answer_id, count)
        self._stops[answer_id] = answer.stop
        if answer_id in self._early:
            answer.stop.set()
        if client:
            self.stop_known(self._prefills.pop(client, ""))
            if prefill:
                self._prefills[client] = answer_id
        made = _Prepared(prepare)
        for index in range(count):
            self._add(AnswerJob(target, partial(made.sequence, index), partial(answer.put, index), answer.stop))
        try:
            await answer.begin()
        except BaseException:
            answer.close()
            raise
        return answer

    async def score(self, target: ModelTarget, prepare: Callable[[LoadedModel], ScoreQuestion]) -> ScoreReply:
        """Queue a score and wait for it. Raises what is wrong with it. Cancelling ends it."""
        answer_id = f"score-{uuid.uuid4().hex}"
        stream = AnswerStream(self, answer_id, 1)
        self._stops[answer_id] = stream.stop
        self._add(ScoreJob(target, prepare, partial(stream.put, 0), stream.stop))
        try:
            await stream.begin()
            async for _, reply in stream:
                scored: Any = reply
            return cast("ScoreReply", scored)
        finally:
            stream.close()

    def stop(self, answer_id: str) -> bool:
        """End the answer with this id within two tokens; False where there is none. An answer that arrives after its
        stop ends at once."""
        if self.stop_known(answer_id):
            return True
        self._early.append(answer_id)
        return False

    def stop_known(self, answer_id: str) -> bool:
        """End the answer with this id, if there is one; False where there is none."""
        stop = self._stops.get(answer_id)
        if stop is not None:
            stop.set()
        return stop is not None

    def forget_answer(self, answer_id: str) -> None:
        """Make the id free again."""
        self._stops.pop(answer_id, None)

    def stop_all(self) -> None:
        """End every answer."""
        for stop in self._stops.values():
            stop.set()

    # -- inside --

    def _add(self, job: Job) -> None:
        self._pending += 1
        self._thread.add(job)

    def _tell(self) -> None:
        self._on_status(self.status)

    def _lose_gpu(self, trouble: SuironError) -> None:
        self._is_lost = True
        parts = (trouble.what, trouble.where, trouble.do)
        self._set_status(EngineStatus(state="failed", message=trouble.what, error=parts, pid=os.getpid()))
        self._on_lost()

    def _post(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(call, *args)

    def _take_snapshot(self, snapshot: ModelSnapshot) -> None:
        self._snapshot = snapshot
        self._tell()

    def _set_status(self, status: EngineStatus) -> None:
        self._status = status
        for watcher in self._watchers:
            watcher.set()
        self._tell()

    def _finish_load(self, target: ModelTarget, status: EngineStatus, done: asyncio.Future[EngineStatus]) -> None:
        self._loads.remove(target)
        if not done.done():
            done.set_result(status)
        self._set_status(status)

    def _finish_job(self) -> None:
        self._pending -= 1
        self._last_used = time.monotonic()


class _Prepared:
    """The sequences of one request, all made when the first is needed. Used in the models' thread."""

    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare
        self._made: Sequence[AnswerSequence] = ()

    def sequence(self, index: int, loaded: LoadedModel) -> AnswerSequence:
        """One of them. Raises SuironError for a request that cannot be answered."""
        self._made = self._made or self._prepare(loaded)
        return self._made[index]


class AnswerStream:
    """The answers to one request, in progress: iterate it for their parts, each with its answer's number. Pieces that
    wait are joined. The caller of `ask` must always call `close`, which ends them in the thread too."""

    def __init__(self, worker: ModelWorker, answer_id: str, count: int) -> None:
        self.id, self.count = answer_id, count
        self.stop = threading.Event()
        self._worker = worker
        self._parts: deque[tuple[int, Any]] = deque()
        self._arrived = asyncio.Event()

    def put(self, index: int, parts: list[Any]) -> None:
        """Add parts of an answer, or an error to raise."""
        self._parts.extend((index, part) for part in parts)
        self._arrived.set()

    async def begin(self) -> None:
        """Wait until the first answer has begun; raises an error of its beginning."""
        await self._next()

    async def __aiter__(self) -> AsyncIterator[tuple[int, AnswerPart]]:
        going_on = self.count
        while going_on:
            index, part = await self._next()
            if part is DONE:
                going_on -= 1
            elif part is not BEGUN:
                yield index, self._joined(index, part) if isinstance(part, AnswerPiece) else part

    def close(self) -> None:
        """End the answers."""
        self.stop.set()
        self._worker.forget_answer(self.id)

    def _joined(self, index: int, piece: AnswerPiece) -> AnswerPiece:
        """The piece with those behind it that go on in its section."""
        texts = [piece.text]
        while self._parts and self._parts[0][0] == index:
            other = self._parts[0][1]
            if not isinstance(other, AnswerPiece) or other.section != piece.section:
                break
            texts.append(other.text)
            self._parts.popleft()
        return piece if len(texts) == 1 else AnswerPiece(piece.section, "".join(texts))

    async def _next(self) -> tuple[int, Any]:
        while not self._parts:
            self._arrived.clear()
            await self._arrived.wait()
        index, part = self._parts.popleft()
        if isinstance(part, BaseException):
            raise part
        return index, part
