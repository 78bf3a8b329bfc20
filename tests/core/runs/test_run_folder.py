from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from core.base import folders
from core.base.child import environment
from core.base.errors import RunError
from core.runs import status_file as run_status
from core.runs.job_lock import take_job_lock
from core.runs.job_requests import RequestInbox
from core.runs.metrics_file import StepMetric
from core.runs.run_folder import (
    RunFolder,
    create_job_folder,
    create_run_folder,
    find_run,
    list_runs,
    list_training_runs,
)
from core.runs.spec import DataSection, ModelSection, RunSpec
from core.runs.status_file import SILENCE_SECONDS, START_SECONDS, RunStatus

SPEC = RunSpec(name="My run! 推論", data=DataSection(source="demo"), model=ModelSection(name="demo"))


def test_a_new_run_is_private_named_and_starting() -> None:
    run = create_run_folder(SPEC)
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    assert "my-run" in run.id
    assert run.spec() == SPEC
    assert run.status().state == "starting"


def test_the_last_one_is_a_training_run() -> None:
    run = create_run_folder(SPEC)
    job = create_job_folder("zz", b'kind = "export"\n')
    assert {found.id for found in list_runs()} == {run.id, job.id}
    assert [found.id for found in list_training_runs()] == [run.id]
    assert find_run("last").id == run.id


def test_runs_are_found_by_their_ends() -> None:
    runs = [create_run_folder(SPEC), create_run_folder(SPEC)]
    (folders.runs() / "not-a-run").mkdir()
    assert {run.id for run in list_runs()} == {run.id for run in runs}
    assert find_run(runs[0].id[-4:]).id == runs[0].id
    assert find_run("last").id == list_runs()[0].id
    with pytest.raises(RunError, match="no such run"):
        find_run("nothing")
    with pytest.raises(RunError, match="2 runs match"):
        find_run(runs[0].id[:8])


def status(run: RunFolder, **changes: object) -> RunStatus:
    fields = {
        "state": "training",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": time.time(),
        "heartbeat": time.time(),
    }
    run.write_status(RunStatus(**{**fields, **changes}))  # type: ignore[arg-type]
    return run.status()


HOLDER = """
import sys
from pathlib import Path
from core.runs.job_lock import take_job_lock
lock = take_job_lock(Path(sys.argv[1]))
print("has it", flush=True)
sys.stdin.read()
"""


def test_a_run_whose_process_is_gone_is_lost() -> None:
    run = create_run_folder(SPEC)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(run.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None and process.stdout.readline() == b"has it\n"
    assert status(run, pid=process.pid).state == "training"
    with pytest.raises(RunError, match="another process already works"):
        take_job_lock(run.path)
    process.kill()
    process.wait()
    assert status(run, pid=process.pid).state == "lost"
    assert status(run, pid=process.pid).error is not None
    assert status(run, pid=process.pid, state="finished").state == "finished"
    take_job_lock(run.path).release()


def test_folders_of_earlier_versions_have_no_lock_and_are_read_by_their_process() -> None:
    run = create_run_folder(SPEC)
    (run.path / "lock").unlink()
    process = subprocess.Popen([sys.executable, "-c", "input()", run.id], stdin=subprocess.PIPE)
    assert status(run, pid=process.pid, facts={"rows_trained": 3}).state == "training"
    assert run.facts() == {"rows_trained": 3}
    process.kill()
    process.wait()
    assert status(run, pid=process.pid).state == "lost"
    assert status(run, pid=os.getpid()).state == "lost"  # another process with its number


def test_states_kinds_and_fields_of_later_versions_are_tolerated() -> None:
    run = create_run_folder(SPEC)
    (run.path / "status.json").write_bytes(b'{"state": "distilling", "over": true, "step": 3, "colour": "red"}')
    assert (run.status().state, run.status().ended) == ("distilling", True)
    lock = take_job_lock(run.path)
    (run.path / "status.json").write_bytes(b'{"state": "distilling", "pid": 1, "colour": "red"}')
    assert (run.status().state, run.status().ended) == ("distilling", False)
    lock.release()
    (run.path / "run.toml").write_bytes(b'format = 3\nkind = "distil"\n')
    assert run.kind() == "distil" and [listed.id for listed in list_runs()] == [run.id]
    with pytest.raises(RunError, match="another version"):
        run.spec()


def test_a_process_that_never_spoke_is_lost_after_a_while() -> None:
    run = create_run_folder(SPEC)
    assert status(run, state="starting", pid=0).state == "starting"
    assert status(run, state="starting", pid=0, started=time.time() - START_SECONDS - 1).state == "lost"


def test_on_another_host_the_heartbeat_decides() -> None:
    run = create_run_folder(SPEC)
    assert status(run, host="elsewhere").state == "training"
    assert status(run, host="elsewhere", heartbeat=time.time() - SILENCE_SECONDS - 1).state == "lost"


def test_the_beats_of_another_host_are_timed_by_the_clock_of_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run_folder(SPEC)
    late = {"host": "elsewhere", "heartbeat": time.time() - 10_000}  # its clock is hours behind
    assert status(run, **late, beats=5).state == "lost"  # at the first look nothing else can be known
    assert status(run, **late, beats=6).state == "training"
    now = time.monotonic()
    monkeypatch.setattr(run_status.time, "monotonic", lambda: now + SILENCE_SECONDS + 1)
    assert status(run, **late, beats=6).state == "lost"
    assert status(run, **late, beats=7).state == "training"


def test_metrics_are_read_on_from_where_one_was() -> None:
    run = create_run_folder(SPEC)
    run.append_metric(StepMetric(step=1, time=1.0, loss=2.5))
    run.append_metric(StepMetric(step=2, time=2.0, loss=float("nan")))
    metrics, offset = run.metrics()
    assert [(m.step, m.loss) for m in metrics] == [(1, 2.5), (2, None)]
    assert run.metrics(offset) == ([], offset)
    with (run.path / "metrics.jsonl").open("ab") as file:
        file.write(b'{"step": "x"}\n{"step": 3, "time": 3.0}\n{"step": 4')
    assert [m.step for m in run.metrics(offset)[0]] == [3]


def test_requests_reach_the_run() -> None:
    run = create_run_folder(SPEC)
    run.request("checkpoint")
    inbox = RequestInbox(run.path)
    assert [request.kind for request in inbox.take_new()] == ["checkpoint"]
    run.request("rate", 0.5)
    (run.path / "requests" / "20200101T000000.000000Z-nonsense.json").write_bytes(b"[1")
    (run.path / "requests" / ".half.json.x").write_bytes(b"{")  # being written
    assert [(request.kind, request.value) for request in inbox.take_new()][1:] == [("rate", 0.5)]
    assert inbox.take_new() == []
    assert [request.kind for request in run.requests()] == ["unreadable", "checkpoint", "rate"]


def test_a_status_that_is_no_status_is_said(tmp_path: Path) -> None:
    run = create_run_folder(SPEC)
    (run.path / "status.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read"):
        run.status()


def test_a_run_that_ends_between_two_looks_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run_folder(SPEC)

    def ends_and_goes(*_: object) -> bool:
        run.write_status(RunStatus(state="finished"))
        return False

    monkeypatch.setattr(run_status, "_is_alive", ends_and_goes)
    assert run.status().state == "finished"


def test_a_status_of_bytes_that_are_no_text_is_an_error_with_its_place() -> None:
    run = create_run_folder(SPEC)
    (run.path / "status.json").write_bytes(b'{"state": "\xff"}')
    with pytest.raises(RunError, match=r"status\.json"):
        run.status()
