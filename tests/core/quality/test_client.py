"""The child process: its answer, its cache, its end, its errors in words."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from msgspec import convert, to_builtins
from msgspec.structs import replace

from core.base.child import ChildProgress, decode_line, encode_line, environment
from core.base.errors import DataError, ModelError, SuironError, UsageError
from core.data.columns.mapping_words import mapping_from_words
from core.data.editing.editor import open_editor
from core.data.source import open_data
from core.quality import doctor_pass, quality_job, quality_request
from core.quality.quality_job import JobCancelled, QualityOptions
from core.runs.spec import MixturePart
from core.templates.by_name import get_template, save_template, template_folders

ROW = {"instruction": "How many apples are two and two?", "reasoning": "Two and two are 4.", "output": "4"}
Write = Callable[..., Path]


def answers() -> set[str]:
    return {path.name for path in quality_request.results_folder().iterdir()}


def test_the_doctor_and_the_statistics_come_from_a_child_and_then_from_the_cache(
    write: Write, tokenizer_folder: Path
) -> None:
    path = str(write(ROW, ROW))
    earlier = psutil.Process().children()  # of other tests in this process
    told: list[ChildProgress] = []
    report = quality_job.run_quality_job("doctor", path, progress=told.append)
    assert {group.kind: list(group.indices) for group in report.groups} == {"duplicate": [1]}
    assert told[-1].done <= told[-1].total
    options = QualityOptions(model=str(tokenizer_folder))
    found = quality_job.run_quality_job("statistics", path, options=options)
    assert (found.rows, found.unit) == (2, "tokens")
    assert not [child for child in psutil.Process().children() if child not in earlier]

    data = open_data(path)
    assert data.fingerprint == report.fingerprint
    assert quality_job.cached_result("doctor", path, data.fingerprint) == report
    assert (
        quality_job.run_quality_job(
            "statistics", path, options=options, fingerprint=data.fingerprint, cancelled=lambda: True
        )
        == found
    )
    any_maximum = QualityOptions(model=str(tokenizer_folder), max_length=77)
    assert quality_job.cached_result("statistics", path, data.fingerprint, any_maximum) == found
    assert quality_job.cached_result("doctor", path, data.fingerprint, options) is None
    assert quality_job.cached_result("doctor", path, data.fingerprint, QualityOptions(train_flag="mine")) is None


def test_an_edit_asks_anew_and_its_undoing_does_not(write: Write) -> None:
    path = str(write(ROW, ROW))
    before = quality_job.run_quality_job("doctor", path)
    with open_editor(open_data(path)) as editor:
        editor.change(1, {"output": "5"})
        edited = quality_job.run_quality_job("doctor", path, fingerprint=editor.dataset.fingerprint)
        assert [group.kind for group in edited.groups] != [group.kind for group in before.groups]
        kept = answers()
        editor.undo()
        assert quality_job.run_quality_job("doctor", path, fingerprint=editor.dataset.fingerprint) == before
        assert answers() == kept


def test_another_text_of_the_same_template_asks_anew(write: Write) -> None:
    path = str(write(ROW))
    folder, mine = template_folders(path)[0], replace(get_template("alpaca"), name="mine")
    options, sizes = QualityOptions(mixture=(MixturePart(template="mine"),)), []
    for drop in (False, True):
        save_template(replace(mine, drop_empty_input=drop), folder)
        found = quality_job.run_quality_job("statistics", path, options=options)
        assert quality_job.cached_result("statistics", path, found.fingerprint, options) == found
        sizes.append(found.whole.max)
    assert sizes[0] - sizes[1] == len(mine.version().input_block) - len("{input}")
    with pytest.raises(UsageError, match="no such template"):
        quality_job.run_quality_job(
            "doctor",
            path,
            options=QualityOptions(mixture=(MixturePart(template="yours"),)),
            fingerprint=found.fingerprint,
        )


def test_the_columns_that_a_person_chose_are_judged(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"question": "Why?", "answer": "So.", "other": ""}\n' * 3)
    options = QualityOptions(columns={"instruction": "question", "output": "other"})
    found = quality_job.run_quality_job("statistics", str(path), options=options)
    assert found.empty == {"instruction": 0, "output": 3} and quality_job.run_quality_job(
        "statistics", str(path)
    ).empty == {
        "instruction": 0,
        "output": 0,
    }
    mapped = open_data(str(path), mapping=mapping_from_words({"instruction": "question", "output": "other"}))
    assert quality_job.cached_result("statistics", str(path), mapped.fingerprint, options) == found
    report = quality_job.run_quality_job("doctor", str(path), options=options, fingerprint=mapped.fingerprint)
    assert (group := report.group("missing_output")) is not None and list(group.indices) == [0, 1, 2]


def test_a_cancelled_child_is_gone_and_leaves_nothing(write: Write) -> None:
    path = str(write(*({**ROW, "instruction": f"{ROW['instruction']} {n}"} for n in range(3000))))
    seen: list[list[psutil.Process]] = []
    earlier = psutil.Process().children(recursive=True)  # of other tests in this process

    def cancelled() -> bool:
        seen.append([child for child in psutil.Process().children(recursive=True) if child not in earlier])
        return any(seen)

    with pytest.raises(JobCancelled):
        quality_job.run_quality_job("doctor", path, cancelled=cancelled)
    gone, alive = psutil.wait_procs([child for children in seen for child in children], timeout=10)
    assert gone and not alive
    assert not answers()


def test_a_child_without_a_parent_ends(write: Write) -> None:
    asked = quality_request.QualityRequest(
        "doctor", str(write(ROW)), "", QualityOptions(), str(quality_request.results_folder())
    )
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "core.quality"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert child.stdin is not None
    child.stdin.write(encode_line(to_builtins(asked)))
    child.stdin.close()
    assert child.wait(timeout=30) in (0, 1)  # 0 where it was done before it looked


@pytest.mark.parametrize(
    ("source", "model", "kind", "words"),
    [
        ("/nowhere/rows.jsonl", "", DataError, "no such file"),
        ("", "/nowhere/model", ModelError, "no such folder"),
        ("", "BROKEN", ModelError, "tokenizer"),
    ],
)
def test_what_goes_wrong_there_is_said_here(
    write: Write, tmp_path: Path, source: str, model: str, kind: type[SuironError], words: str
) -> None:
    if model == "BROKEN":
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / "tokenizer.json").write_text("{}")
        model = str(tmp_path / "model")
    with pytest.raises(kind, match=words) as caught:
        quality_job.run_quality_job("doctor", source or str(write(ROW)), options=QualityOptions(model=model))
    assert caught.value.do


def test_a_child_that_dies_is_a_trouble_in_words(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUIRON_CACHE", os.environ["SUIRON_CACHE"])
    monkeypatch.setattr(quality_job.msgspec, "to_builtins", lambda asked: "not what it expects")
    with pytest.raises(SuironError, match="ended with status 1"):
        quality_job.run_quality_job("doctor", str(write(ROW)))


def test_a_damaged_answer_is_made_anew(write: Write) -> None:
    path = str(write(ROW))
    report = quality_job.run_quality_job("doctor", path)
    (kept,) = quality_request.results_folder().iterdir()
    kept.write_bytes(b"torn")
    assert quality_job.cached_result("doctor", path, report.fingerprint) is None
    again = quality_job.run_quality_job("doctor", path, fingerprint=report.fingerprint)
    assert again.groups == report.groups


def test_several_processes_find_what_one_does(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.quality.doctor import examine_rows

    rows = [
        {**ROW, "instruction": f"{ROW['instruction']} {n % 4000} of {'abc'[n % 3]}", "output": "4 "[: 1 + n % 2]}
        for n in range(9000)
    ]
    data = open_data(str(write(*rows)))
    one = examine_rows(data, QualityOptions(), None, "", lambda words, done, total: None)
    monkeypatch.setattr(doctor_pass, "_MANY", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    several = examine_rows(data, QualityOptions(), None, "", lambda words, done, total: None)
    assert several == one
    assert {group.kind for group in one.groups} >= {"blank_edges", "near_duplicate"}


def test_names_that_are_no_utf8_survive() -> None:
    asked = quality_request.QualityRequest("doctor", "rows\udcff.jsonl", "", QualityOptions(), "/x")
    line = encode_line(to_builtins(asked))
    assert convert(decode_line(line), quality_request.QualityRequest) == asked
    assert line.isascii()
