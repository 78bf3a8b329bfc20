"""What the process of any kind of job has, with work that trains nothing: real processes that are killed, asked, and
find the disk full."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.base.child import environment
from core.runs.events_file import append_event
from core.runs.job_requests import write_request
from core.runs.run_folder import RunFolder
from core.runs.status_file import last_written_status

JOB = """
import errno, os, sys, time
from pathlib import Path
from core.runs.process import run_job
from core.runs.run_folder import RunFolder
from core.runs.status_file import FailureCause
from core.runs import termination

def work(job):
    how = sys.argv[2]
    job.event("started", "begins", step=0)
    if how == "slow to save":
        termination.SECONDS_TO_SAVE = 0.05
        job.termination.saves_itself()
    job.status.update(state="measuring", step=1, total=3)
    if how == "full":
        def full(status):
            if (job.run.path / "reserve").exists():
                raise OSError(errno.ENOSPC, "No space left on device")
            original(status)
        original = job.run.write_status
        job.run.write_status = full
        job.status.end("finished", "done")
        return
    if how == "fails":
        raise ValueError("it broke \\x1b[2J")
    print("it works", flush=True)
    if how == "asks":
        while not (asked := job.new_requests()):
            time.sleep(0.005)
        for request in asked:
            job.obeyed(request, "done", 2) if request.kind == "known" else job.refused(request, "what?", 2)
        job.status.end("finished", "done")
        return
    while True:
        time.sleep(0.005)

def explain(error):
    return FailureCause(str(error), "there", "do this")

sys.exit(run_job(RunFolder(Path(sys.argv[1])), work, explain))
"""


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


class Job:
    def __init__(self, folder: Path, how: str) -> None:
        self.run = RunFolder(folder)
        folder.mkdir(exist_ok=True)
        (folder / "run.toml").write_text('format = 2\nkind = "measure"\n')
        with open(self.run.console, "ab") as console:
            self.process = subprocess.Popen(
                [sys.executable, "-c", JOB, str(folder), how],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )

    def until(self, words: str) -> None:
        end = time.monotonic() + 60
        while words not in self.log():
            assert time.monotonic() < end and self.process.poll() is None, self.log()
            time.sleep(0.005)

    def log(self) -> str:
        return self.run.console.read_text(errors="replace")

    def kinds(self) -> list[str]:
        return [event.kind for event in self.run.events()[0]]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
@pytest.mark.parametrize("how", ["for ever", "slow to save"])
def test_a_signal_ends_it_with_a_last_word(tmp_path: Path, number: signal.Signals, how: str) -> None:
    job = Job(tmp_path / "job", how)
    job.until("it works")
    assert job.run.works() and (job.run.path / "reserve").stat().st_size > 0
    for ignored in (signal.SIGHUP, signal.SIGINT):
        job.process.send_signal(ignored)
    assert job.run.status().state == "measuring"  # a state that only this kind of job knows
    job.process.send_signal(number)
    assert job.process.wait(60) == 0
    status = job.run.status()
    assert (status.state, status.ended, job.run.works()) == ("paused", True, False)
    assert number.name in status.message and job.kinds() == ["started", "ended"]
    assert not (job.run.path / "reserve").exists()


def test_a_killed_one_is_seen_by_its_lock_and_beats_go_on_where_they_were(tmp_path: Path) -> None:
    job = Job(tmp_path / "job", "for ever")
    job.until("it works")
    job.process.kill()
    job.process.wait()
    status = job.run.status()
    assert (status.state, status.ended, job.run.works()) == ("lost", True, False)
    before = last_written_status(job.run.path)
    again = Job(job.run.path, "fails")
    assert again.process.wait(60) == 5
    after = last_written_status(job.run.path)
    assert after.beats > before.beats and (after.step, after.total) == (1, 3)


def test_a_failure_is_written_with_its_cause(tmp_path: Path) -> None:
    job = Job(tmp_path / "job", "fails")
    assert job.process.wait(60) == 5
    status = job.run.status()
    assert status.state == "failed" and status.error is not None and status.error.do == "do this"
    assert "ValueError" in job.log() and job.kinds() == ["started", "ended"]


def test_on_a_full_disk_the_last_word_takes_the_reserve(tmp_path: Path) -> None:
    job = Job(tmp_path / "job", "full")
    assert job.process.wait(60) == 0
    assert (job.run.status().state, job.run.status().message) == ("finished", "done")
    assert "status.json cannot be written" in job.log()


def test_requests_are_obeyed_and_refused_once_even_by_a_later_process(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    first = write_request(tmp_path / "job", "known", 3)
    append_event(tmp_path / "job", "obeyed", 1, "before", {"request": first})
    job = Job(tmp_path / "job", "asks")
    job.until("it works")
    write_request(job.run.path, "unknown", {"deep": [1]}, "key")
    assert job.process.wait(60) == 0
    events = [(event.kind, event.words) for event in job.run.events()[0]]
    assert events == [("obeyed", "before"), ("started", "begins"), ("refused", "what?")]


def test_the_death_of_the_parent_changes_nothing(tmp_path: Path) -> None:
    """As a terminal does: it starts the job in a session of its own and is killed."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time\n"
            f"process = subprocess.Popen([sys.executable, '-c', {JOB!r}, {str(tmp_path)!r}, 'for ever'],\n"
            f"    stdin=subprocess.DEVNULL, stdout=open({str(tmp_path / 'console.log')!r}, 'ab'),\n"
            "    stderr=subprocess.STDOUT, start_new_session=True)\n"
            "print(process.pid, flush=True)\n"
            "time.sleep(600)",
        ],
        env=environment(),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    run = RunFolder(tmp_path)
    wait_until(lambda: run.works() and run.status().state == "measuring")
    os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()
    beats = last_written_status(tmp_path).beats
    wait_until(lambda: last_written_status(tmp_path).beats != beats)
    assert run.works()
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not run.works())
    assert json.loads((tmp_path / "status.json").read_bytes())["state"] == "measuring"
