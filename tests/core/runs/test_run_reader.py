from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from core.runs import run_reader
from core.runs.facts_file import write_facts
from core.runs.metrics_file import ResumedAt, StepMetric
from core.runs.presets import seeds_spec
from core.runs.run_folder import RunFolder, create_run_folder
from core.runs.run_reader import TAIL_BYTES, RunReader, console_tail
from core.runs.spec import DataSection, ModelSection
from core.runs.status_file import RunStatus


@pytest.fixture
def run() -> RunFolder:
    return create_run_folder(seeds_spec(DataSection(source="rows.jsonl"), ModelSection(name="demo")))


def training(step: int = 0) -> RunStatus:
    return RunStatus(state="training", step=step, total=10, pid=1, host="elsewhere", heartbeat=time.time())


def test_a_second_look_finds_only_what_is_new(run: RunFolder) -> None:
    reader = RunReader(run)
    run.write_status(training())
    run.append_metric(StepMetric(1, 0.0, 2.0))
    assert reader.read_changes()
    assert not reader.read_changes()
    run.append_metric(StepMetric(2, 0.0, 1.5))
    assert reader.read_changes()
    assert (reader.curves.steps.tolist(), reader.curves.values("loss").tolist()) == ([1, 2], [2.0, 1.5])


def test_a_torn_last_line_waits_for_its_rest(run: RunFolder) -> None:
    reader = RunReader(run)
    with open(run.path / "metrics.jsonl", "ab", buffering=0) as file:
        file.write(b'{"step":1,"time":0,"loss":2.0}\n{"step":2,"ti')
        reader.read_changes()
        assert reader.curves.steps.tolist() == [1]
        file.write(b'me":0,"loss":1.0}\n')
        reader.read_changes()
    assert reader.curves.steps.tolist() == [1, 2]


def test_a_file_that_was_replaced_is_read_anew(run: RunFolder) -> None:
    reader = RunReader(run)
    for step in (1, 2, 3):
        run.append_metric(StepMetric(step, 0.0, 1.0))
    reader.read_changes()
    (run.path / "metrics.jsonl").write_bytes(b'{"step":1,"time":0,"loss":9.0}\n')
    reader.read_changes()
    assert reader.curves.values("loss").tolist() == [9.0]


def test_a_long_history_comes_from_the_curve_and_is_the_same(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[StepMetric | ResumedAt] = [StepMetric(step, 0.0, 9.0 / step) for step in range(1, 300)]
    lines[100:100] = [ResumedAt(70, 1.0), *(StepMetric(step, 2.0, 5.0) for step in range(71, 101))]
    lines += [StepMetric(300, 0.0, None), StepMetric(301, 0.0, 1.5)]
    for line in lines:
        run.append_metric(line)
    plain, quick = RunReader(run), RunReader(run)
    plain.read_changes()
    monkeypatch.setattr(run_reader, "LONG_BYTES", 100)
    quick.read_changes()
    assert (run.path / "curve.bin").exists()
    for reader in (plain, quick):
        values = reader.curves.values("loss")
        assert reader.curves.steps.tolist() == [*range(1, 302)] and np.isnan(values).nonzero()[0].tolist() == [299]
        assert values[70:100].tolist() == [5.0] * 30
        assert reader.last == lines[-1]
    assert quick.mean_loss() == pytest.approx(plain.mean_loss(), rel=1e-9)
    run.append_metric(ResumedAt(200, 3.0))
    quick.read_changes()
    assert quick.curves.last_step == 200


def test_facts_and_where_a_run_can_go_on_are_read(run: RunFolder) -> None:
    reader = RunReader(run)
    reader.read_changes()
    assert (reader.facts, reader.resumable_from) == ({}, None)
    write_facts(run.path, {"rows_trained": 3})
    run.write_status(RunStatus(state="paused", step=4, over=True))
    assert reader.read_changes()
    assert (reader.facts, reader.resumable_from) == ({"rows_trained": 3}, 0)
    run.write_status(RunStatus(state="finished", step=4, over=True))
    reader.read_changes()
    assert reader.resumable_from is None and not reader.read_changes()


def test_a_status_that_cannot_be_read_is_told_and_forgotten_once_it_can(run: RunFolder) -> None:
    reader = RunReader(run)
    (run.path / "status.json").write_bytes(b"{")
    reader.read_changes()
    assert reader.trouble is not None
    run.write_status(training(3))
    assert reader.read_changes()
    assert reader.trouble is None
    assert reader.status.step == 3


def test_a_process_that_is_gone_is_a_lost_run(run: RunFolder) -> None:
    run.write_status(
        RunStatus(state="training", step=1, total=10, pid=1, host="elsewhere", heartbeat=time.time() - 1000)
    )
    reader = RunReader(run)
    reader.read_changes()
    assert reader.status.state == "lost"


def test_the_console_is_safe_and_shows_progress_bars_once(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_bytes(
        "重みを読む:   0%|  |\r重みを読む: 100%|██|\n\n\x1b[31mred\x1b[0m [/] \x1b]52;c;aGk=\x07\n".encode()
        + b"bytes \xff that are no text\nno end yet\r"
    )
    assert console_tail(log) == [
        "重みを読む: 100%|██|",
        "red [/] ␛]52;c;aGk=␇",
        "bytes � that are no text",
        "no end yet",
    ]


def test_only_the_end_of_a_long_console_is_read(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    log.write_text("\n".join(f"line {number}" for number in range(100_000)))
    lines = console_tail(log, limit=3)
    assert lines == ["line 99997", "line 99998", "line 99999"]
    assert len(console_tail(log, limit=10**6)) < TAIL_BYTES
