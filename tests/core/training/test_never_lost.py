"""Runs that are killed, ended by signals, or find the disk full, and go on: losses and adapter as if nothing had been.

All are real processes on a tiny model, in 32 bit with one thread, with dropout, accumulated gradients, and epochs that
end between two checkpoints.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.runs.checkpoint_folders import (
    checkpoint_folder,
    checkpoint_step,
    folder_is_whole,
    newest_adapter,
    whole_checkpoints,
)
from core.runs.metrics_file import ResumedAt
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec
from tests.support.run_forks import EVERY, STEPS, ForkedRun, ForkServer, adapter_hash, losses

NewRun = Callable[..., ForkedRun]
SAVE_PHASES = ("begun", "adapter", "optimizer.pt", "rng_state.pth", "filled", "on disk", "marked", "renamed", "done")


@pytest.fixture
def new_run(server: ForkServer, forked_spec: RunSpec, tmp_path: Path) -> NewRun:
    def make(name: str = "run", **train: object) -> ForkedRun:
        return ForkedRun(server, tmp_path / name, replace(forked_spec, train=replace(forked_spec.train, **train)))

    return make


def assert_as_undisturbed(run: ForkedRun, undisturbed: RunFolder) -> None:
    status = run.run.status()
    assert (status.state, status.step, status.error) == ("finished", STEPS, None), run.log()
    assert losses(run.run) == losses(undisturbed)
    assert adapter_hash(run.run) == adapter_hash(undisturbed)
    assert len(losses(undisturbed)) == STEPS
    curve = run.run.curve()
    assert curve.steps.tolist() == list(range(1, STEPS + 1))
    assert [loss.hex() for loss in curve.values["loss"].tolist()] == [loss for _, loss in losses(undisturbed)]
    assert [metric.tokens for metric in run.run.metrics()[0]] == [metric.tokens for metric in undisturbed.metrics()[0]]
    left_over = [*run.run.path.rglob("*.part"), *run.run.path.rglob("*.old"), *run.run.path.glob("reserve")]
    assert left_over == []


def test_a_signal_between_two_passes_of_a_step_ends_it_before_its_update(
    new_run: NewRun, undisturbed: RunFolder
) -> None:
    run = new_run()
    assert run.go(term_in_step=5) == 0
    assert (run.run.status().state, run.run.status().step) == ("paused", 4), run.log()
    assert newest_whole_step(run) == 4
    assert run.go() == 0
    assert_as_undisturbed(run, undisturbed)


def newest_whole_step(run: ForkedRun) -> int:
    return max(checkpoint_step(folder) for folder in whole_checkpoints(run.run.path))


def test_killed_at_random_steps_it_goes_on_as_if_nothing_had_been(new_run: NewRun, undisturbed: RunFolder) -> None:
    run = new_run()
    pick = random.Random(7)
    for _ in range(5):
        run.start()
        run.until(_at_step(run.run.status().step + pick.randint(1, 4)))
        run.signal(signal.SIGKILL)
        if run.end() != -signal.SIGKILL:  # it was faster
            break
        assert run.run.status().state == "lost"
    assert run.go() == 0, run.log()
    assert_as_undisturbed(run, undisturbed)
    marks = [line for line in run.run.metric_lines()[0] if isinstance(line, ResumedAt)]
    assert marks and all(mark.resumed % EVERY == 0 for mark in marks)


def _at_step(step: int) -> Callable[[RunFolder], bool]:
    """Whether the newest line of the metrics is of that step, or a later one; a mark of resuming is of its step."""

    def holds(folder: RunFolder) -> bool:
        lines, _ = folder.metric_lines()
        if not lines:
            return False
        last = lines[-1]
        return (last.resumed if isinstance(last, ResumedAt) else last.step) >= step

    return holds


def test_killed_in_every_phase_of_a_save_it_has_a_whole_checkpoint_and_goes_on(
    new_run: NewRun, undisturbed: RunFolder
) -> None:
    run = new_run(save_steps=1)
    assert run.go(kill_at="checkpoint: done") == -signal.SIGKILL
    saved = 1
    for phase in SAVE_PHASES:
        assert run.go(kill_at=f"checkpoint: {phase}") == -signal.SIGKILL
        saved += phase in ("renamed", "done")
        newest = run.run.checkpoint()
        assert newest is not None and checkpoint_step(newest) == saved
        assert newest_adapter(run.run.path) == newest  # it can be asked in the chat
    assert run.go() == 0, run.log()
    assert_as_undisturbed(run, undisturbed)


def test_killed_in_the_last_saves_it_finishes(new_run: NewRun, undisturbed: RunFolder) -> None:
    run = new_run()
    assert run.go(kill_at="checkpoint: filled", after=STEPS // EVERY - 1) == -signal.SIGKILL
    for phase in ("adapter: marked", "adapter: old one aside", "adapter: renamed"):
        assert run.go(kill_at=phase) == -signal.SIGKILL
        assert newest_adapter(run.run.path) is not None
    assert run.go(kill_at="checkpoint: done") == -signal.SIGKILL
    shutil.rmtree(run.run.adapter)  # all steps are done; what lacks is the adapter and the last word
    assert run.go() == 0, run.log()
    assert_as_undisturbed(run, undisturbed)


def test_a_full_disk_in_a_save_between_is_an_event_and_not_the_end(new_run: NewRun, undisturbed: RunFolder) -> None:
    run = new_run(save_steps=1, keep_checkpoints=0)
    phases = ("begun", "optimizer.pt", "on disk", "marked")
    assert run.go(full_at=[f"checkpoint: {phase}" for phase in phases]) == 0, run.log()
    assert_as_undisturbed(run, undisturbed)
    failed = [event for event in run.run.events()[0] if event.kind == "save_failed"]
    assert [(event.step, "disk is full" in event.words) for event in failed] == [(step, True) for step in (1, 2, 3, 4)]
    assert [checkpoint_step(path) for path in whole_checkpoints(run.run.path)] == list(range(5, STEPS + 1))


def test_the_last_save_tries_again_with_older_checkpoints_removed(new_run: NewRun, undisturbed: RunFolder) -> None:
    run = new_run(save_steps=5)
    assert run.go(full_at=["adapter: filled", "checkpoint: filled"]) == 0, run.log()
    failed = [(event.step, event.facts["what"]) for event in run.run.events()[0] if event.kind == "save_failed"]
    assert failed == [(STEPS, "adapter"), (STEPS, "checkpoint")]
    assert_as_undisturbed(run, undisturbed)
    assert [checkpoint_step(path) for path in whole_checkpoints(run.run.path)] == [10, STEPS]


def test_where_nothing_can_be_saved_at_the_end_the_cause_is_written_and_the_run_goes_on_later(
    new_run: NewRun, undisturbed: RunFolder
) -> None:
    run = new_run()
    assert run.go(full_at=["adapter: filled", "..."]) == 5
    status = run.run.status()
    assert status.state == "failed" and status.error is not None and "disk is full" in status.error.what
    assert "runs resume" in status.error.do
    newest = run.run.checkpoint()
    assert newest is not None and folder_is_whole(newest)
    assert run.go() == 0, run.log()
    assert_as_undisturbed(run, undisturbed)


def test_files_that_may_not_grow_are_a_full_disk(new_run: NewRun, undisturbed: RunFolder) -> None:
    """A limit of the operating system, not an exception of ours: it strikes in the libraries' own writing."""
    largest = (checkpoint_folder(undisturbed.path, STEPS) / "optimizer.pt").stat().st_size
    run = new_run()
    assert run.go(file_bytes=largest - 10_000) in (0, 5)  # the adapter fits, the optimizer's state does not
    assert run.run.checkpoint() is None
    assert any(event.kind == "save_failed" for event in run.run.events()[0])
    status = run.run.status()
    assert status.state == "finished" and "the last checkpoint was not saved" in status.message
    assert losses(run.run) == losses(undisturbed) and adapter_hash(run.run) == adapter_hash(undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_ends_the_run_and_it_goes_on(
    number: signal.Signals, new_run: NewRun, undisturbed: RunFolder
) -> None:
    run = new_run()
    run.start()
    run.until(lambda folder: len(folder.metrics()[0]) >= 2)
    run.signal(number)
    assert run.end() == 0, run.log()
    status = run.run.status()
    newest = run.run.checkpoint()
    if status.state != "finished":  # it was faster
        assert status.state == "paused" and number.name in status.message
        assert newest is not None and checkpoint_step(newest) == status.step >= 2
        assert run.go() == 0, run.log()
    assert_as_undisturbed(run, undisturbed)


def test_two_processes_never_write_one_folder(new_run: NewRun, undisturbed: RunFolder) -> None:
    run = new_run()
    run.start()
    run.until(lambda folder: folder.works())
    second = run.server.start(run.run)
    assert run.server.wait(second) == 5
    assert "another process already works in this folder" in run.log()
    assert run.end() == 0
    assert_as_undisturbed(run, undisturbed)
    assert os.path.getsize(run.run.path / "lock")


def test_rotation_keeps_as_many_as_were_asked_for(new_run: NewRun) -> None:
    run = new_run(save_steps=1, keep_checkpoints=2)
    assert run.go() == 0, run.log()
    assert [checkpoint_step(path) for path in whole_checkpoints(run.run.path)] == [STEPS - 1, STEPS]


def test_changed_rows_are_refused_and_accepted_where_that_is_said(
    server: ForkServer, forked_spec: RunSpec, rows_file: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(rows_file.read_bytes())
    run = ForkedRun(server, tmp_path / "run", replace(forked_spec, data=replace(forked_spec.data, source=str(rows))))
    assert run.go(kill_at="checkpoint: done") == -signal.SIGKILL
    rows.write_text(rows.read_text().replace("What is 3", "How much is 3"))
    assert run.go() == 5
    error = run.run.status().error
    assert error is not None and "the rows are not what the run was trained with" in error.what
    assert "--accept-changes" in error.do
    assert run.go("--accept-changes") == 0, run.log()
    assert run.run.status().state == "finished"
    assert any("another rows" in event.words for event in run.run.events()[0])


def test_a_checkpoint_of_another_model_is_refused(
    server: ForkServer, forked_spec: RunSpec, model_folder: Path, tmp_path: Path
) -> None:
    from tests.support.tiny_model import make_tiny_model

    model = tmp_path / "model"
    shutil.copytree(model_folder, model)
    run = ForkedRun(server, tmp_path / "run", replace(forked_spec, model=replace(forked_spec.model, name=str(model))))
    assert run.go(kill_at="checkpoint: done") == -signal.SIGKILL
    shutil.rmtree(model)
    make_tiny_model(model, seed=5)
    assert run.go() == 5
    error = run.run.status().error
    assert error is not None and "the model is not what the run was trained with" in error.what
