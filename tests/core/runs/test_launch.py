"""Starting and resuming, without the process itself: which run goes on, and which is left alone."""

from __future__ import annotations

import errno
import time
from typing import Any

import pytest

from core.base.errors import RunError
from core.runs import launch
from core.runs.job_lock import take_job_lock
from core.runs.launch import resume_run, start_or_resume_run, start_run
from core.runs.run_folder import RunFolder, create_run_folder, list_runs
from core.runs.spec import DataSection, ModelSection, RunSpec, TrainSection
from core.runs.status_file import RunStatus, last_written_status

SPEC = RunSpec(data=DataSection(source="demo"), model=ModelSection(name="demo"))


class Started:
    """Stands in for the processes."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, run: RunFolder, *options: str) -> None:
        self.asked.append((run.id, *options))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    fake = Started()
    monkeypatch.setattr(launch, "_start_process", fake)
    return fake


def ended(state: str, **more: Any) -> RunFolder:
    run = create_run_folder(SPEC)
    run.write_status(RunStatus(state, step=4, total=9, over=True, beats=7, **more))
    return run


@pytest.mark.parametrize("state", ["paused", "lost", "failed", "stopped"])
def test_a_run_that_has_ended_early_goes_on_in_its_folder(state: str, started: Started) -> None:
    run = ended(state)
    resume_run(run, accept_changes=state == "failed")
    assert started.asked == [(run.id, *(["--accept-changes"] if state == "failed" else []))]
    status = last_written_status(run.path)
    assert (status.state, status.step, status.total, status.beats, status.over) == ("starting", 4, 9, 8, False)
    assert run.status().state == "starting" and time.time() - status.started < 60
    with pytest.raises(RunError, match="the run is starting"):
        resume_run(run)


@pytest.mark.parametrize("state", ["finished", "discarded"])
def test_a_run_that_is_done_does_not_go_on(state: str, started: Started) -> None:
    with pytest.raises(RunError, match=state):
        resume_run(ended(state))
    assert started.asked == []


def test_jobs_of_other_kinds_and_folders_of_earlier_versions_do_not_go_on(started: Started) -> None:
    run = ended("paused")
    (run.path / "lock").unlink()
    with pytest.raises(RunError, match="earlier version"):
        resume_run(run)
    (run.path / "run.toml").write_text('format = 2\nkind = "evaluate"\n')
    with pytest.raises(RunError, match="kind 'evaluate'"):
        resume_run(run)
    assert started.asked == []


def test_resuming_as_often_as_one_likes(started: Started) -> None:
    run, done = start_or_resume_run(SPEC)
    assert done == "started" and started.asked == [(run.id,)]
    assert start_or_resume_run(SPEC) == (_same(run), "running")  # its process has a while to take its lock
    lock = take_job_lock(run.path)
    run.write_status(RunStatus("training", pid=1))
    assert start_or_resume_run(SPEC)[1] == "running"
    lock.release()
    for state, wanted in (("lost", "resumed"), ("paused", "resumed"), ("failed", "resumed")):
        run.write_status(RunStatus(state, over=True))
        assert start_or_resume_run(SPEC) == (_same(run), wanted)
    for state in ("finished", "stopped", "discarded"):
        run.write_status(RunStatus(state, over=True))
        assert start_or_resume_run(SPEC) == (_same(run), "ended")
    assert len(started.asked) == 4 and len(list_runs()) == 1
    other = RunSpec(data=SPEC.data, model=SPEC.model, train=TrainSection(seed=1))
    assert start_or_resume_run(other)[1] == "started" and len(list_runs()) == 2


class _same:
    """Equal to a folder of the same run."""

    def __init__(self, run: RunFolder) -> None:
        self._id = run.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunFolder) and other.id == self._id


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_a_home_that_cannot_be_written_is_an_error_in_words(
    number: int, monkeypatch: pytest.MonkeyPatch, started: Started
) -> None:
    run = ended("paused")

    def refused(*_: object, **__: object) -> None:
        raise OSError(number, "cannot be written", "/home")

    monkeypatch.setattr("core.runs.run_folder.Path.mkdir", refused)
    with pytest.raises(RunError, match="folder cannot be created") as caught:
        start_run(SPEC)
    assert "SUIRON_HOME" in caught.value.do
    monkeypatch.setattr("core.runs.status_file.replace_file", refused)
    with pytest.raises(RunError, match="folder cannot be written"):
        resume_run(run)
    monkeypatch.setattr("core.runs.launch.os.open", refused)
    with pytest.raises(RunError, match="cannot be written"):
        start_or_resume_run(SPEC)
    assert started.asked == [] and [listed.id for listed in list_runs()] == [run.id]
