"""The thread that owns the models: takes turns between loads, prompts and steps, and sends the answers' text.

It never waits for a client and never touches the event loop: it posts to it. What a load does without touching a model
in memory, the import of the heavy libraries included, is done beside it (`model_loads`).
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import EngineError, SuironError
from core.base.safe_text import safe_line
from core.engine.model_jobs import AnswerJob, Job, LoadJob, ScoreJob, UnloadJob
from core.engine.model_loads import ModelLoads
from core.engine.model_trouble import gpu_is_lost, in_three_parts, is_out_of_memory
from core.engine.protocol import LoadedStatus
from core.engine.scheduler import Scheduler, Ticket, Turn
from core.engine.target import ModelTarget
from core.models.poisoned_gpu import gpu_is_poisoned

if TYPE_CHECKING:
    from core.engine.sequence import AnswerSequence

_MOST_ANSWERS = 16  # in progress, over all models
_CHUNKS = {"cuda": (2048, 512), "cpu": (256, 64)}  # prompt tokens a turn: alone, and beside live answers
_SEND_SECONDS = 0.05  # between two events of an answer: each costs server and client up to a millisecond
_log = logging.getLogger("suiron.engine")

Post = Callable[..., None]
"""Calls something in the event loop."""
BEGUN, DONE = object(), object()
"""What an answer's stream gets before its first part, and after its last."""


class ModelSnapshot(msgspec.Struct, frozen=True):
    """What is in memory, for the event loop."""

    targets: tuple[ModelTarget, ...] = ()
    """All that can be asked."""
    loaded: tuple[LoadedStatus, ...] = ()
    """The models, for people."""
    memory_gib: float | None = None
    """Memory that they take."""
    running: int = 0
    """Answers in progress."""


class ModelThread:
    """Start it once; then `add` jobs from any thread."""

    def __init__(
        self,
        post: Post,
        on_snapshot: Callable[[ModelSnapshot], None],
        on_end: Callable[[], None],
        on_lost: Callable[[SuironError], None],
    ) -> None:
        """on_snapshot: called in the loop when what is in memory has changed. on_end: when a job has ended. on_lost:
        when this process has lost its GPU; every job has been told, and the thread has ended."""
        self._post, self._on_snapshot, self._on_end, self._on_lost = post, on_snapshot, on_end, on_lost
        self._arrivals: queue.SimpleQueue[Job | None] = queue.SimpleQueue()  # None: only to look again
        self._numbers = itertools.count()
        self._scheduler = Scheduler(_MOST_ANSWERS)
        self._jobs: dict[Ticket, Job] = {}
        self._tickets: dict[AnswerSequence, Ticket] = {}
        self._failures: dict[ModelTarget, SuironError] = {}
        self._loads = ModelLoads(lambda: self._arrivals.put(None))
        self._lost = False

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="model", daemon=True).start()

    def add(self, job: Job) -> None:
        """Queue a job."""
        self._arrivals.put(job)

    # -- turns --

    def _run(self) -> None:
        turn = Turn("wait")
        while not self._lost:
            self._receive(wait=turn.kind == "wait")
            self._end_stopped()
            self._look_at_next_load()
            turn = self._scheduler.next_turn(self._changes, self._has_row, self._is_ready)
            if turn.kind in ("load", "begin", "feed"):
                self._send_text(all_of_it=True)  # this may take a while
            try:
                self._do(turn)
            except Exception as error:
                if turn.ticket is None:
                    _log.error("a turn failed", exc_info=error)
                    if gpu_is_poisoned(error):
                        self._lose_gpu(error)
                else:
                    self._fail(turn.ticket, error)

    def _receive(self, *, wait: bool) -> None:
        while wait or not self._arrivals.empty():
            job = self._arrivals.get()
            wait = False
            if job is None:
                continue
            ticket = Ticket(
                next(self._numbers), "answer" if isinstance(job, AnswerJob | ScoreJob) else "load", job.target.model
            )
            if isinstance(job, UnloadJob):
                self._put_unload_first(ticket)
            else:
                self._scheduler.add(ticket)
            self._jobs[ticket] = job

    def _do(self, turn: Turn) -> None:
        if turn.kind == "advance":
            self._advance()
        if turn.ticket is None:
            return
        job = self._jobs[turn.ticket]
        if isinstance(job, LoadJob):
            self._load(turn.ticket, job)
        elif isinstance(job, UnloadJob):
            self._unload(turn.ticket, job)
        elif isinstance(job, ScoreJob):
            self._score(turn.ticket, job)
        elif turn.kind == "begin":
            self._begin(turn.ticket, job)
        elif turn.kind == "feed":
            self._feed(turn.ticket, job)

    def _changes(self, ticket: Ticket) -> frozenset[str]:
        job = self._jobs[ticket]
        if isinstance(job, UnloadJob):
            return self._loads.models.names() if self._loads.models is not None else frozenset()
        return self._loads.changes(job) if isinstance(job, LoadJob) else frozenset()

    def _is_ready(self, ticket: Ticket) -> bool:
        job = self._jobs[ticket]
        return not isinstance(job, LoadJob) or self._loads.is_ready(job)

    def _has_row(self, ticket: Ticket) -> bool:
        models = self._loads.models
        base = models.base_of(self._jobs[ticket].target) if models is not None else None
        return base is None or base.pool.has_row  # without a base, its turn is to hear that

    # -- loads --

    def _look_at_next_load(self) -> None:
        """Begin the check of the load whose turn is next; one that takes the place of others ends their answers."""
        ticket = self._scheduler.first_load
        job = self._jobs[ticket] if ticket is not None else None
        if not isinstance(job, LoadJob):
            return
        if job.stage == "new":
            self._loads.start_check(job)
        elif job.take and job.stage == "checked":
            self._stop_answers_of(self._loads.changes(job))

    def _load(self, ticket: Ticket, job: LoadJob) -> None:
        backend, trouble = "", None
        try:
            loaded = self._loads.go_on(job)
            if loaded is None:
                self._scheduler.add_first(ticket)
                self._send_snapshot()
                return
            backend = str(loaded.backend)
            self._failures.pop(job.target, None)
        except Exception as error:
            if gpu_is_poisoned(error):
                raise
            trouble = in_three_parts(error, job.target.model)
            self._failures = {job.target: trouble}
            # for a user who started the server directly and sees only its log
            _log.error("the model is not loaded: %s", safe_line(str(trouble)))
        self._forget(ticket)
        self._send_snapshot()
        job.done(backend, trouble)

    def _put_unload_first(self, ticket: Ticket) -> None:
        """Before everything that waits, but behind a load whose weights are being read; all answers end for it."""
        first = self._scheduler.first_load
        loading = self._jobs[first] if first is not None else None
        is_reading = isinstance(loading, LoadJob) and loading.stage in ("reading", "read")
        self._scheduler.add_first(ticket, first if is_reading else None)
        for job in self._jobs.values():
            if isinstance(job, AnswerJob) and not job.stop.is_set():
                job.why = "unloaded"
                job.stop.set()

    def _unload(self, ticket: Ticket, job: UnloadJob) -> None:
        if self._loads.models is not None:
            self._loads.models.unload_all()
        self._failures.clear()
        self._forget(ticket)
        self._send_snapshot()
        job.done()

    # -- answers --

    def _begin(self, ticket: Ticket, job: AnswerJob) -> None:
        base, adapter = self._found(job.target)
        sequence = self._prepared(job)
        sequence.adapter = adapter.label if adapter is not None else None
        sequence.begin()
        waiting = sum(other.kind == "answer" and other.model == ticket.model for other in self._scheduler.queue)
        try:
            base.pool.place(sequence, waiting)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._loads.resident().forget_kept()
            base.pool.place(sequence)
        self._tickets[sequence] = ticket
        self._post(job.put, [BEGUN])
        self._send_snapshot()

    def _feed(self, ticket: Ticket, job: AnswerJob) -> None:
        pool, sequence = self._resident_pool(job), self._prepared(job)
        alone, beside = _CHUNKS["cuda" if pool.on_gpu else "cpu"]
        others = len(self._scheduler.running) > 1
        try:
            done = pool.feed(sequence, beside if others else alone)
        except Exception as error:
            if job.tried_again or not is_out_of_memory(error):
                raise
            job.tried_again = True
            pool.leave(sequence, keep=False)
            self._loads.resident().forget_kept()
            pool.place(sequence)
            return
        if done:
            self._scheduler.fed(ticket)
            self._send_text()

    def _score(self, ticket: Ticket, job: ScoreJob) -> None:
        """A turn of a score: its beginning, or the next pass."""
        base, adapter = self._found(job.target)
        if job.question is None or job.turns is None:
            job.question = job.prepare(self._loads.resident().view(job.target))
            label = adapter.label if adapter is not None else None
            job.turns = base.pool.scorer.score(job.question.prefix, job.question.continuations, label)
            self._post(job.put, [BEGUN])
            return
        try:
            next(job.turns)
        except StopIteration as end:
            reply = job.question.reply(job.target.name, base.pool.scorer.kept, end.value)
            self._post(job.put, [reply, DONE])
            self._forget(ticket)
            self._send_snapshot()
        except Exception as error:
            if is_out_of_memory(error):
                self._loads.resident().forget_kept()
            raise

    def _advance(self) -> None:
        pools = {id(pool): pool for pool in map(self._pool_of, self._scheduler.running)}
        for pool in pools.values():
            failed = pool.advance() if pool is not None else []
            for sequence, error in failed:
                self._fail(self._tickets[sequence], error)
            if any(is_out_of_memory(error) for _, error in failed):
                self._loads.resident().forget_kept()
        self._send_text()

    def _send_text(self, *, all_of_it: bool = False) -> None:
        """Send new text as far as it is due, and the last of answers that have ended."""
        now = time.perf_counter()
        for sequence, ticket in list(self._tickets.items()):
            job = self._jobs[ticket]
            try:
                if isinstance(job, AnswerJob):
                    self._send_text_of(ticket, job, sequence, now, all_of_it)
            except Exception as error:
                self._fail(ticket, error)

    def _send_text_of(
        self, ticket: Ticket, job: AnswerJob, sequence: AnswerSequence, now: float, all_of_it: bool
    ) -> None:
        if sequence.reason is None and (all_of_it or sequence.text_is_due(now)):
            job.unsent += sequence.new_text()
        if sequence.reason is not None:  # by its last token, or by the text just made
            self._resident_pool(job).leave(sequence)
            self._finish(ticket, job)
        elif job.unsent and (all_of_it or now - job.sent >= _SEND_SECONDS):
            self._post(job.put, job.unsent)
            job.unsent, job.sent = [], now

    def _end_stopped(self) -> None:
        for ticket, job in list(self._jobs.items()):
            if isinstance(job, ScoreJob) and job.stop.is_set():
                self._fail(ticket, EngineError("it was stopped", job.target.model, "Ask again"))
            if isinstance(job, AnswerJob) and job.stop.is_set():
                if job.sequence is None and not self._loads.has(job.target):
                    continue  # its model may come yet: it ends in its turn
                try:
                    if job.sequence is None:
                        self._post(job.put, [BEGUN])
                    sequence = self._prepared(job)
                    sequence.end(job.why)
                    self._resident_pool(job).leave(sequence)
                    self._finish(ticket, job)
                except Exception as error:
                    self._fail(ticket, error)

    def _finish(self, ticket: Ticket, job: AnswerJob) -> None:
        self._post(job.put, [*job.unsent, *self._prepared(job).finish(), DONE])
        self._forget(ticket)
        self._send_snapshot()

    def _fail(self, ticket: Ticket, error: Exception) -> None:
        if gpu_is_poisoned(error):
            self._lose_gpu(error)
            return
        job = self._jobs.get(ticket)
        if isinstance(job, AnswerJob):
            if job.sequence is not None:
                pool = self._pool_of(ticket)
                if pool is not None:
                    pool.leave(job.sequence, keep=False)
                with contextlib.suppress(Exception):  # its text may be what failed; the reason is told below
                    job.unsent += job.sequence.new_text()
                self._post(job.put, job.unsent)
            self._post(job.put, [in_three_parts(error, job.target.model)])
        if isinstance(job, ScoreJob):
            self._post(job.put, [in_three_parts(error, job.target.model)])
        self._forget(ticket)
        self._send_snapshot()

    def _lose_gpu(self, error: Exception) -> None:
        """End everything: no call to the GPU succeeds any more in this process."""
        _log.error("the GPU is lost", exc_info=error)
        self._lost = True
        trouble = gpu_is_lost(error)
        for ticket, job in list(self._jobs.items()):
            if isinstance(job, AnswerJob):
                self._post(job.put, [*job.unsent, trouble])
            elif isinstance(job, ScoreJob):
                self._post(job.put, [trouble])
            elif isinstance(job, LoadJob):
                job.done("", trouble)
            else:
                job.done()
            self._forget(ticket)
        self._post(self._on_lost, trouble)

    # -- inside --

    def _found(self, target: ModelTarget) -> Any:
        """Base and adapter of a target. Raises the reason why it could not be loaded, or that it is not loaded."""
        if not self._loads.has(target):
            if target in self._failures:
                raise self._failures[target]
            if not self._loads.resident().names():
                raise EngineError("no model is loaded", "", "Load one first")
        return self._loads.resident().find(target)

    def _prepared(self, job: AnswerJob) -> AnswerSequence:
        if job.sequence is None:
            job.sequence = job.prepare(self._loads.resident().view(job.target))
        return job.sequence

    def _resident_pool(self, job: AnswerJob) -> Any:
        base, _ = self._loads.resident().find(job.target)
        return base.pool

    def _pool_of(self, ticket: Ticket) -> Any:
        """The rows of an answer's model; None where that is not in memory."""
        base = self._loads.models.base_of(self._jobs[ticket].target) if self._loads.models is not None else None
        return base.pool if base is not None else None

    def _stop_answers_of(self, models: frozenset[str]) -> None:
        for ticket in self._scheduler.running if models else ():
            job = self._jobs[ticket]
            if ticket.model in models and isinstance(job, AnswerJob | ScoreJob):
                job.stop.set()

    def _forget(self, ticket: Ticket) -> None:
        job = self._jobs.pop(ticket, None)
        self._scheduler.drop(ticket)
        if isinstance(job, AnswerJob) and job.sequence is not None:
            self._tickets.pop(job.sequence, None)
        self._post(self._on_end)

    def _send_snapshot(self) -> None:
        models = self._loads.models
        if models is None or self._lost:
            return
        snapshot = ModelSnapshot(models.targets(), models.statuses(), models.memory_gib(), len(self._scheduler.running))
        self._post(self._on_snapshot, snapshot)
