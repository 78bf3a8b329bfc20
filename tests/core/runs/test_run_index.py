"""The list of runs: what a line says, and that nothing old is said of a run that has changed."""

from __future__ import annotations

import pytest

from core.base import folders
from core.runs.notes import change_notes
from core.runs.run_folder import RunFolder, create_run_folder
from core.runs.run_index import RunIndex
from core.runs.status_file import RunStatus
from tests.support.run_folders import ended_run, spec_of


def test_the_newest_run_is_first_with_its_own_settings_and_loss() -> None:
    ended_run(1, spec_of("first", r=8))
    ended_run(2, spec_of("second", r=32), evaluated=0.25)
    newest, oldest = RunIndex().list()
    assert (newest.name, newest.settings["lora.r"], newest.loss, newest.evaluated) == ("second", "32", 0.25, True)
    assert (oldest.name, oldest.settings["lora.r"], oldest.evaluated) == ("first", "8", False)
    assert oldest.loss == pytest.approx(0.44, abs=0.05)  # the mean of the last ten steps
    assert (oldest.data, oldest.model, oldest.state, oldest.ended) == ("demo", "demo", "finished", True)


def test_what_changed_is_seen_by_the_same_index_and_by_a_new_one() -> None:
    run = ended_run(1)
    index = RunIndex()
    assert index.list()[0].verdict == ""
    change_notes(run.path, verdict="good", name="長い推論")
    for each in (index, RunIndex()):
        (summary,) = each.list()
        assert (summary.verdict, summary.name) == ("good", "長い推論")
    (run.path / "run.toml").unlink()
    assert index.list() == [] == RunIndex().list()


def test_a_run_that_has_not_ended_is_asked_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    run = create_run_folder(spec_of())
    run.write_status(RunStatus("training", 3, 9, pid=1, host="elsewhere", heartbeat=1e12, started=1.0))
    index = RunIndex()
    assert [(each.state, each.ended) for each in index.list()] == [("training", False)]
    monkeypatch.setattr(RunFolder, "status", lambda self: RunStatus("lost", 3, 9))
    assert [(each.state, each.ended) for each in index.list()] == [("lost", True)]


def test_a_damaged_index_is_made_again_and_one_of_another_home_is_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ended_run(1)
    assert len(RunIndex().list()) == 1
    (folders.cache() / "runs-index.json").write_bytes(b'{"format": 1, "ho')
    assert len(RunIndex().list()) == 1
    monkeypatch.setenv("SUIRON_HOME", str(tmp_path_factory.mktemp("other")))
    assert RunIndex().list() == []


def test_a_run_whose_files_cannot_be_read_says_so() -> None:
    run = ended_run(1)
    (run.path / "run.toml").write_text('format = 2\nkind = "train"\n[lora]\nranks = 3\n')
    (run.path / "status.json").write_bytes(b"{")
    (summary,) = RunIndex().list()
    assert summary.settings == {}
    assert "status cannot be read" in summary.trouble and summary.state == "unknown"
