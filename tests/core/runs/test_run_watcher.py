"""What one look after another says of run folders."""

from __future__ import annotations

from core.runs.events_file import append_event
from core.runs.notes import change_notes
from core.runs.run_folder import create_run_folder
from core.runs.run_watcher import RunChanges, RunWatcher
from core.runs.status_file import RunStatus
from core.runs.trash import trash_run
from tests.support.run_folders import ended_run, spec_of


def test_each_change_is_seen_once() -> None:
    old, works = ended_run(1), create_run_folder(spec_of())
    training = RunStatus("training", 1, 9, pid=1, host="elsewhere", heartbeat=1e12)
    works.write_status(training)
    watcher = RunWatcher()
    everything = frozenset((old.id, works.id))
    assert watcher.look() == RunChanges(everything, everything, frozenset(), True)
    assert watcher.look() == RunChanges(some_work=True)
    append_event(works.path, "saved", 3, "checkpoint")
    assert watcher.look() == RunChanges(frozenset([works.id]), some_work=True)
    works.write_status(RunStatus("finished", 9, 9, over=True))
    one = frozenset([works.id])
    assert watcher.look() == RunChanges(one, one, one, False)
    change_notes(old.path, verdict="good")
    assert watcher.look() == RunChanges(frozenset([old.id]))
    trash_run(old)
    assert watcher.look() == RunChanges(frozenset([old.id]), frozenset([old.id]))
    assert watcher.look() == RunChanges()


def test_a_process_that_goes_without_a_word_is_seen() -> None:
    run = create_run_folder(spec_of())
    run.write_status(RunStatus("training", 1, 9, pid=1, host="elsewhere", heartbeat=1e12))
    watcher = RunWatcher()
    watcher.look()
    run.write_status(RunStatus("training", 1, 9, pid=1, host="elsewhere", heartbeat=1.0))
    assert watcher.look().ended == frozenset([run.id])
