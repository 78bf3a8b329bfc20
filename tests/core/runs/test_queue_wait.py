"""What a run waits for on a GPU, with a scripted GPU and inference server in place of real ones."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
import pytest

from core.runs import queue_wait
from core.runs.gpu_memory import GpuMemory
from core.runs.job_lock import take_job_lock
from core.runs.process import JobProcess
from core.runs.queue_order import QueueTicket
from core.runs.queue_tickets import add_ticket, changing_queue, find_ticket, write_ticket
from core.runs.queue_wait import QueueWait
from core.runs.run_folder import RunFolder, create_run_folder
from core.runs.spec import DataSection, ModelSection, RunSpec
from core.runs.status_reporter import StatusReporter

SPEC = RunSpec(data=DataSection(source="demo"), model=ModelSection(name="demo"))
ENGINE_PID = 2**22 + 1  # of no process


class Engine:
    """Answers when it is let."""

    def __init__(self, words: str = "") -> None:
        self.words = words
        self.asked: list[tuple[tuple[str, ...], str]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def pid_on(self, gpus: Sequence[str]) -> int | None:
        return ENGINE_PID

    def free(self, gpus: Sequence[str], why: str) -> str:
        self.asked.append((tuple(gpus), why))
        assert self.may_answer.wait(60)
        return self.words


class Waiting:
    """A run that waits for GPU 0 in a thread of this process."""

    def __init__(self, engine: Engine, wait_memory_gib: float = 0.0) -> None:
        self.run = create_run_folder(SPEC)
        add_ticket(self.run.id, ("0",), wait_memory_gib=wait_memory_gib)
        self.ticket: QueueTicket | None = None
        self._lock = take_job_lock(self.run.path)
        self._thread = threading.Thread(target=self._work, args=(engine,), daemon=True)
        self._thread.start()

    def _work(self, engine: Engine) -> None:
        with StatusReporter(self.run) as status:
            self.ticket = QueueWait(JobProcess(self.run, status), engine).until_turn()

    def says(self, *words: str) -> None:
        until(lambda: all(word in self.run.status().message for word in words))

    def has_turn(self) -> str:
        """Wait for it; what the event says."""
        self._thread.join(60)
        assert self.ticket is not None
        self._lock.release()
        kept = find_ticket(self.run.id)
        assert kept is not None and kept.started
        return next(event.words for event in self.run.events()[0] if event.kind == "turn")


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[GpuMemory]]:
    """The only GPU; a test replaces it."""
    gpus = [GpuMemory("0", "GPU-a", 80.0, 0.0)]
    monkeypatch.setattr(queue_wait, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(queue_wait, "_MEMORY_SECONDS", 0.0)
    monkeypatch.setattr(queue_wait, "read_gpu_memory", lambda: list(gpus))
    yield gpus


def test_memory_of_others_is_said_and_waited_for_only_if_asked(gpu: list[GpuMemory]) -> None:
    gpu[0] = GpuMemory("0", "GPU-a", 80.0, 51.0, ((1, 31.0), (ENGINE_PID, 20.0)))
    engine = Engine("the inference server freed 20.0 GiB")
    patient = Waiting(engine, wait_memory_gib=60.0)
    patient.says("next in the queue for GPU 0", "waits for 60 GiB of free memory, 49 are")
    patient.says("GPU 0: 31 of 80 GiB held by other processes")
    assert engine.asked == []  # the server keeps its model while others hold the memory
    gpu[0] = GpuMemory("0", "GPU-a", 80.0, 30.0, ((1, 10.0), (ENGINE_PID, 20.0)))
    assert patient.has_turn() == "its turn; the inference server freed 20.0 GiB"
    assert engine.asked == [(("0",), f"the run {patient.run.id} starts on the same GPU")]


def test_without_being_asked_a_run_starts_whatever_others_hold(gpu: list[GpuMemory]) -> None:
    gpu[0] = GpuMemory("0", "GPU-a", 80.0, 79.0, ((1, 79.0),))
    assert Waiting(Engine()).has_turn() == "its turn"


def test_where_nobody_can_say_the_memory_is_not_waited_for(gpu: list[GpuMemory]) -> None:
    gpu.clear()
    assert Waiting(Engine(), wait_memory_gib=10.0).has_turn() == "its turn"


def test_an_answer_in_progress_ends_first_and_the_run_can_still_be_taken_out(gpu: list[GpuMemory]) -> None:
    engine = Engine("freed")
    engine.may_answer.clear()
    first, second = Waiting(engine), Waiting(engine)
    first.says("waits until the inference server has freed its memory")
    second.says(f"2nd in the queue for GPU 0, after {first.run.id}")
    first.run.request("stop")
    until(lambda: first.run.status().state == "stopped")
    second.says("waits until the inference server")
    engine.may_answer.set()
    assert second.has_turn() == "its turn; freed" and len(engine.asked) == 2


def test_a_queue_that_cannot_be_written_is_said_and_tried_again(
    gpu: list[GpuMemory], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.Event()
    full.set()

    def write(ticket: QueueTicket) -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, "No space left on device")
        write_ticket(ticket)

    monkeypatch.setattr(queue_wait, "write_ticket", write)
    run = Waiting(Engine())
    run.says("the queue cannot be read or written", "No space left")
    full.clear()
    run.has_turn()


def test_a_run_that_is_overtaken_lets_the_other_one_go_first(gpu: list[GpuMemory]) -> None:
    engine = Engine()
    engine.may_answer.clear()
    slow = Waiting(engine)
    slow.says("waits until the inference server")
    fast = create_run_folder(SPEC)
    lock = take_job_lock(fast.path)
    ticket = add_ticket(fast.id, ("0",))
    with changing_queue():
        write_ticket(msgspec.structs.replace(ticket, place=-1))
    engine.may_answer.set()
    slow.says(f"2nd in the queue for GPU 0, after {fast.id}")
    lock.release()
    RunFolder(fast.path).write_status(msgspec.structs.replace(fast.status(), state="finished", over=True))
    slow.has_turn()
    assert len(engine.asked) == 2  # the server may have loaded a model in the meantime
