"""The queue with real processes, which train nothing: one after the other, in order, whoever is killed."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.base.errors import RunError
from core.runs import launch, queue_tickets
from core.runs.launch import QueueWish, resume_run, start_or_resume_run, start_run
from core.runs.queue import move_in_queue, queue_wish, read_queue, restart_queue, take_out_of_queue
from core.runs.queue_tickets import add_ticket, queue_folder, read_tickets
from core.runs.run_folder import RunFolder, create_run_folder, list_runs
from core.runs.spec import DataSection, ModelSection, RunSpec
from core.runs.status_file import RunStatus, last_written_status
from tests.support.fake_training import notes

SPEC = RunSpec(data=DataSection(source="demo"), model=ModelSection(name="demo"))
HERE = QueueWish()


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the queue of the CPU, on every machine
    monkeypatch.setattr(launch, "QUEUED_RUN_MODULE", "tests.support.queued_fake_run")
    monkeypatch.setitem(launch.JOB_MODULES, "train", "tests.support.fake_training")
    yield
    for run in list_runs():
        while run.works():
            kill(run)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, [(entry.run, entry.state, entry.words) for entry in read_queue()]
        time.sleep(0.01)


def is_in(state: str, *runs: RunFolder) -> None:
    """Wait until each of `runs` has that state."""
    until(lambda: all(run.status().state == state for run in runs))


def kill(run: RunFolder, number: signal.Signals = signal.SIGKILL) -> None:
    """End the process of `run`, and wait until the kernel has dropped its lock."""
    until(lambda: last_written_status(run.path).pid > 0 or not run.works())
    if pid := last_written_status(run.path).pid:
        os.kill(pid, number)
        until(lambda: not run.works())


def end(run: RunFolder, how: str = "finished") -> None:
    (run.path / "end").write_text(how)


def queued(name: str = "run") -> RunFolder:
    return start_run(RunSpec(name=name, data=SPEC.data, model=SPEC.model), HERE)


def states() -> list[tuple[str, str, int]]:
    return [(entry.run, entry.state, entry.place) for entry in read_queue()]


@pytest.mark.parametrize("how", ["finished", "fail", "kill"])
def test_a_run_starts_when_the_one_before_it_has_ended_in_any_way(how: str) -> None:
    first, second = queued("first"), queued("second")
    is_in("training", first)
    is_in("waiting", second)
    until(lambda: second.status().message == f"next in the queue for the CPU, after {first.id}")
    assert states() == [(first.id, "running", 0), (second.id, "waiting", 1)]
    assert second.works() and not second.status().ended and second.status().pid > 0
    pid = second.status().pid
    kill(first) if how == "kill" else end(first, how)
    is_in("training", second)
    assert second.status().pid == pid  # the process that waited is the one that trains
    assert [event.kind for event in second.events()[0]] == ["queued", "turn", "started"]
    end(second)
    is_in("finished", second)
    until(lambda: read_queue() == [])


def test_one_killed_while_it_waits_is_in_nobodys_way_and_comes_back_in_its_place() -> None:
    first, second, third, fourth = (queued(name) for name in ("a", "b", "c", "d"))
    is_in("training", first)
    is_in("waiting", second, third, fourth)
    kill(second)
    assert second.status().state == "lost"
    until(lambda: third.status().message == f"next in the queue for the CPU, after {first.id}")
    assert (second.id, "interrupted", 0) in states()
    kill(third, signal.SIGTERM)  # as at the end of the machine
    assert third.status().state == "paused"
    assert [run.id for run in restart_queue()] == [second.id, third.id]
    is_in("waiting", second, third)
    assert states() == [
        (first.id, "running", 0),
        (second.id, "waiting", 1),
        (third.id, "waiting", 2),
        (fourth.id, "waiting", 3),
    ]
    assert restart_queue() == []
    kill(second)
    end(first)
    is_in("training", third)
    resume_run(second)  # a person does not want to wait
    is_in("training", second)
    for run in (second, third, fourth):
        end(run)
    is_in("finished", second, third, fourth)


def test_many_started_at_once_train_one_after_the_other_in_the_order_of_their_tickets() -> None:
    runs: list[RunFolder] = []
    threads = [threading.Thread(target=lambda: runs.append(queued())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    order = [ticket.run for ticket in sorted(read_tickets(), key=lambda ticket: ticket.place)]
    assert sorted(order) == sorted(run.id for run in runs)
    for run in runs:
        end(run)
    is_in("finished", *runs)
    assert notes() == [(what, run) for run in order for what in ("start", "end")]


def test_runs_are_moved_and_taken_out() -> None:
    first, second, third, fourth = (queued(name) for name in ("a", "b", "c", "d"))
    is_in("training", first)
    is_in("waiting", second, third, fourth)
    assert move_in_queue(fourth.id, "first") and not move_in_queue(fourth.id, "up")
    assert move_in_queue(second.id, "down") and not move_in_queue(second.id, "down")
    assert [entry.run for entry in read_queue()] == [first.id, fourth.id, third.id, second.id]
    take_out_of_queue(third.id)
    is_in("stopped", third)
    assert [event.kind for event in third.events()[0]] == ["queued", "ended"]
    with pytest.raises(RunError, match="has had its turn"):
        take_out_of_queue(first.id)
    with pytest.raises(RunError, match="not in the queue"):
        move_in_queue(third.id, "up")
    for run in (first, fourth, second):
        end(run)
    is_in("finished", first, fourth, second)
    assert [run for what, run in notes() if what == "start"] == [first.id, fourth.id, second.id]


@pytest.mark.parametrize(("kind", "state"), [("pause", "paused"), ("stop", "stopped"), ("discard", "discarded")])
def test_a_run_that_waits_hears_requests_to_end_and_leaves_others_to_its_training(kind: str, state: str) -> None:
    first, second = queued("a"), queued("b")
    is_in("training", first)
    second.request("rate", 0.5)
    is_in("waiting", second)
    second.request(kind)
    is_in(state, second)
    assert [event.kind for event in second.events()[0]][1:] == ["obeyed", "ended"]
    assert [one[1] for one in states()] == ["running", *(["interrupted"] if kind == "pause" else [])]
    assert [request.kind for request in second.requests()] == ["rate", kind]


def test_a_run_that_does_not_wait_takes_its_device_too() -> None:
    first = start_run(SPEC)
    second = queued()
    is_in("training", first)
    is_in("waiting", second)
    again, done = start_or_resume_run(second.spec(), HERE)
    assert (again.id, done) in ((first.id, "running"), (second.id, "running"))
    end(first)
    is_in("training", second)


def test_a_run_goes_on_in_the_queue_with_its_options() -> None:
    first, paused = queued("a"), create_run_folder(SPEC)
    paused.write_status(RunStatus("paused", step=4, total=9, over=True))
    is_in("training", first)
    resume_run(paused, accept_changes=True, queue=HERE)
    is_in("waiting", paused)
    assert (paused.status().step, paused.status().total) == (4, 9)
    end(first)
    is_in("training", paused)
    assert [event.words for event in paused.events()[0] if event.kind == "started"] == ["--accept-changes"]


def test_a_queue_that_cannot_be_written_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(queue_tickets, "replace_file", full)
    with pytest.raises(RunError, match="No space left") as caught:
        queued()
    assert caught.value.do and [run.status().state for run in list_runs()] == ["failed"]
    assert read_queue() == []


def test_a_queue_that_another_process_holds_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run_folder(SPEC)
    monkeypatch.setattr(queue_tickets, "_PATIENCE", 0.05)
    with open(queue_folder() / ".lock", "w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="held the queue's lock"):
            add_ticket(run.id, ())
    add_ticket(run.id, ())


def test_files_that_are_no_tickets_and_tickets_of_no_run_are_passed_over(tmp_path: Path) -> None:
    run = create_run_folder(SPEC)
    add_ticket(run.id, ("0",))
    folder = queue_folder()
    (folder / "broken.ticket").write_bytes(b'{"run": "br')
    (folder / "copy.ticket").write_bytes((folder / f"{run.id}.ticket").read_bytes())
    add_ticket("no-such-run", ("0",))
    assert [(entry.run, entry.gpus) for entry in read_queue()] == [(run.id, ("0",))]
    add_ticket(run.id, ())
    assert [ticket.run for ticket in read_tickets()] == [run.id]


def test_a_gpu_that_is_not_there_cannot_be_waited_for() -> None:
    assert queue_wish() == QueueWish()
    with pytest.raises(RunError, match="no GPU is visible"):
        queue_wish("0")
    with pytest.raises(RunError, match="memory could be waited for"):
        queue_wish("", 10.0)
