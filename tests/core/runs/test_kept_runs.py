"""Notes, trash and comparison of runs that have ended."""

from __future__ import annotations

import pytest

from core.base.errors import RunError
from core.runs.compare import change_words, differing_settings, last_samples, with_changes
from core.runs.notes import RunNotes, change_notes, read_notes
from core.runs.run_folder import create_run_folder, list_runs
from core.runs.run_summary import summarise_run
from core.runs.samples_file import ProbeAnswer, ProbeQuestion, append_sample
from core.runs.status_file import RunStatus
from core.runs.trash import list_trash, restore_run, trash_folder, trash_run
from tests.support.run_folders import ended_run, spec_of


def test_a_note_keeps_what_is_not_changed() -> None:
    run = ended_run(1)
    change_notes(run.path, note="  富士山 の質問で崩れる\n")
    change_notes(run.path, verdict="bad")
    assert change_notes(run.path, name=" long \n reasoning ") == RunNotes(
        "long reasoning", "bad", "富士山 の質問で崩れる"
    )
    assert read_notes(run.path).verdict == "bad"
    assert change_notes(run.path, verdict="").verdict == ""


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"verdict": "goood"}, "not a verdict"),
        ({"name": "x" * 81}, "a name has at most"),
        ({"note": "\ud800"}, "Unicode"),
    ],
)
def test_a_note_that_cannot_be_kept_changes_nothing(changes: dict[str, str], what: str) -> None:
    run = ended_run(1)
    change_notes(run.path, note="kept")
    with pytest.raises(RunError, match=what):
        change_notes(run.path, **changes)
    assert read_notes(run.path) == RunNotes(note="kept")


def test_damaged_notes_are_none() -> None:
    run = ended_run(1)
    (run.path / "notes.json").write_bytes(b"\xff{")
    assert read_notes(run.path) == RunNotes()


def test_a_run_goes_to_the_trash_whole_and_comes_back() -> None:
    run = ended_run(1)
    files = sorted(path.name for path in run.path.iterdir())
    trash_run(run)
    assert list_runs() == [] and [each.id for each in list_trash()] == [run.id]
    back = restore_run(run.id)
    assert sorted(path.name for path in back.path.iterdir()) == files and list_trash() == []


def test_a_run_that_works_stays_and_nonsense_is_refused() -> None:
    run = create_run_folder(spec_of())
    run.write_status(RunStatus("training", 1, 9, pid=1, host="elsewhere", heartbeat=1e12))
    with pytest.raises(RunError, match="the run is training"):
        trash_run(run)
    for name in ("nothing", "..", "../runs"):
        with pytest.raises(RunError, match="no such run"):
            restore_run(name)
    ended = ended_run(1)
    trash_run(ended)
    (trash_folder().parent / "runs" / ended.id).mkdir()
    with pytest.raises(RunError, match="a run with this id exists"):
        restore_run(ended.id)


def test_runs_differ_by_their_own_settings() -> None:
    old, new = (summarise_run(ended_run(n, spec_of(r=r, rate=rate))) for n, r, rate in ((1, 16, 2e-4), (2, 32, 1e-4)))
    assert [(each.key, each.texts) for each in differing_settings([old.settings, new.settings])] == [
        ("lora.r", ("16", "32")),
        ("train.learning_rate", ("0.0002", "0.0001")),
    ]
    assert change_words(new.settings, old.settings) == "r 16→32, learning_rate 0.0002→0.0001"
    assert with_changes([new, old]) == {new.id: "r 16→32, learning_rate 0.0002→0.0001", old.id: "the first run"}
    assert differing_settings([old.settings, old.settings]) == []


def answer_of(question: str, step: int) -> ProbeAnswer:
    return ProbeAnswer(step=step, question=question, reasoning="", response=f"{question}{step}", finish="end", tokens=2)


def test_the_last_answer_to_each_question_is_compared() -> None:
    run = ended_run(1)
    for name in "ab":
        append_sample(run.path, ProbeQuestion(id=name, instruction=f"Question {name}", input="3"))
        for step in (0, 9):
            append_sample(run.path, answer_of(name, step))
    found = last_samples(run.path)
    assert [(each.step, each.question, each.response) for each in found] == [
        (9, "Question a\n\n3", "a9"),
        (9, "Question b\n\n3", "b9"),
    ]
    assert last_samples(ended_run(2).path) == []
