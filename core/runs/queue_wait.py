"""A run that waits for its turn: what its process does before it becomes the process that trains.

It looks at the tickets once a second. It has its turn when no run before it lives, its GPUs have the memory that it
waits for, and the inference server was asked to free what it holds there; the turn is taken under the queue's lock, so
that of two that look at the same moment one has it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from core.base import folders
from core.base.errors import RunError
from core.runs.gpu_memory import GpuMemory, find_gpu, others_words, read_gpu_memory
from core.runs.job_requests import JobRequest
from core.runs.process import ENDING_REQUESTS, JobProcess
from core.runs.queue_order import QueueTicket, place_words, runs_before
from core.runs.queue_tickets import (
    changing_queue,
    find_ticket,
    living_tickets,
    remove_ticket,
    write_ticket,
)
from core.runs.run_folder import RunFolder
from core.runs.status_file import last_written_status

POLL_SECONDS = 1.0  # between two looks at the tickets
_MEMORY_SECONDS = 10.0  # between two questions to nvidia-smi
_STATES = {"pause": "paused", "stop": "stopped", "discard": "discarded"}


class EngineMemory(Protocol):
    """The inference server of this home, as far as its memory goes."""

    def pid_on(self, gpus: Sequence[str]) -> int | None:
        """The id of its process, where it may use one of `gpus`; else None."""

    def free(self, gpus: Sequence[str], why: str) -> str:
        """Ask it to free its memory on `gpus`, and wait until it has; its answers in progress end first. Returns what
        came of it, in words; empty where there was nothing to ask for. Raises nothing for a server that refuses."""


class QueueWait:
    """The wait of one run, from its process's side."""

    def __init__(self, job: JobProcess, engine: EngineMemory) -> None:
        self._job, self._engine = job, engine
        self._memory: list[GpuMemory] = []
        self._memory_read = -_MEMORY_SECONDS
        self._asking: threading.Thread | None = None
        self._ask_again = False
        self._engine_words = ""

    def until_turn(self) -> QueueTicket | None:
        """The ticket, once the run has its turn; None where the run was taken out or asked to end, which the status
        says then."""
        announced = False
        while not self._asked_to_end():
            try:
                ticket = find_ticket(self._job.run.id)
                if ticket is None:
                    self._end("stopped", "taken out of the queue before its turn")
                    return None
                words = self._look(ticket)
            except (OSError, RunError) as error:  # a full disk, a home that is away: it tries again
                words = f"the queue cannot be read or written ({error})"
            if not words:
                self._job.event("turn", "its turn" + (f"; {self._engine_words}" if self._engine_words else ""))
                return ticket
            if words != self._job.status.status.message:
                self._job.status.update(state="waiting", message=words)
            if not announced:
                self._job.event("queued", words)
                announced = True
            time.sleep(POLL_SECONDS)
        return None

    def _look(self, ticket: QueueTicket) -> str:
        """Take the turn where it is the run's; else what it waits for. Raises OSError, RunError."""
        living = living_tickets()
        before = runs_before(ticket, living)
        words = place_words(ticket, before)
        held = self._held_words(ticket, living)
        if before:
            self._ask_again = True  # the server may have loaded a model by then
            return f"{words}; {held}" if held else words
        if missing := self._missing_memory(ticket):
            return "; ".join(filter(None, (f"{words}; {missing}", held)))
        if not self._engine_has_answered(ticket):
            return f"{words}; waits until the inference server has freed its memory"
        return "" if self._took_turn() else words

    def _took_turn(self) -> bool:
        with changing_queue():
            living = living_tickets()
            ticket = next((ticket for ticket in living if ticket.run == self._job.run.id), None)
            if ticket is None or runs_before(ticket, living):
                return False
            write_ticket(msgspec.structs.replace(ticket, started=True))
        return True

    # -- memory --

    def _gpus(self, ticket: QueueTicket) -> list[GpuMemory]:
        if ticket.gpus and time.monotonic() - self._memory_read >= _MEMORY_SECONDS:
            self._memory = read_gpu_memory()
            self._memory_read = time.monotonic()
        return [gpu for name in ticket.gpus if (gpu := find_gpu(name, self._memory)) is not None]

    def _held_words(self, ticket: QueueTicket, living: list[QueueTicket]) -> str:
        """What others hold of the ticket's GPUs."""
        own: set[int] = set()
        gpus = self._gpus(ticket)
        if gpus:
            workers = [other for other in living if other.started and set(other.gpus) & set(ticket.gpus)]
            pids = [last_written_status(RunFolder(folders.runs() / other.run).path).pid for other in workers]
            own = with_descendants([*pids, self._engine.pid_on(ticket.gpus) or 0])
        return ", ".join(filter(None, (others_words(gpu, own) for gpu in gpus)))

    def _missing_memory(self, ticket: QueueTicket) -> str:
        """What the ticket's GPUs lack of the memory that it waits for, the inference server's counted as free; empty
        where nothing does. Where nobody can say, it does not wait."""
        if not ticket.wait_memory_gib:
            return ""
        engine = with_descendants([self._engine.pid_on(ticket.gpus) or 0])
        for gpu in self._gpus(ticket):
            free = gpu.free_gib + sum(gib for pid, gib in gpu.processes if pid in engine)
            if free < ticket.wait_memory_gib:
                return f"waits for {ticket.wait_memory_gib:g} GiB of free memory, {free:.0f} are"
        return ""

    # -- the inference server --

    def _engine_has_answered(self, ticket: QueueTicket) -> bool:
        """Ask the server to free its memory, once for each time that the run is the next one; whether that is done."""
        if not ticket.gpus:
            return True
        if self._asking is None or (self._ask_again and not self._asking.is_alive()):
            self._ask_again = False

            def ask() -> None:
                self._engine_words = self._engine.free(ticket.gpus, f"the run {ticket.run} starts on the same GPU")

            self._asking = threading.Thread(target=ask, name="engine", daemon=True)
            self._asking.start()
            self._asking.join(POLL_SECONDS)  # mostly there is nothing to ask for
        return not self._asking.is_alive()

    # -- the end before the turn --

    def _asked_to_end(self) -> bool:
        """Obey a request to end; others wait for the process that trains."""
        asked = [request for request in self._job.new_requests() if request.kind in ENDING_REQUESTS]
        if not asked:
            return False
        self._obey(asked[0])
        return True

    def _obey(self, request: JobRequest) -> None:
        words = "ended before its turn, as was asked"
        self._job.obeyed(request, words, self._job.status.status.step)
        if request.kind != "pause":  # one that is paused keeps its place for when the queue is started again
            # The status says it too, so that nobody waits for a ticket that is left.
            with contextlib.suppress(OSError, RunError), changing_queue():
                remove_ticket(self._job.run.id)
        self._end(_STATES[request.kind], words)

    def _end(self, state: str, words: str) -> None:
        self._job.event("ended", words)
        self._job.status.end(state, words)


def with_descendants(pids: Sequence[int]) -> set[int]:
    """The process ids that are not 0, and those of all processes that theirs have started."""
    import psutil

    found = set()
    for pid in filter(None, pids):
        found.add(pid)
        with contextlib.suppress(psutil.Error):  # it has ended, or is another user's
            found.update(child.pid for child in psutil.Process(pid).children(recursive=True))
    return found
