"""curve.bin has the numbers of metrics.jsonl, however it was broken, and however often the run resumed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.runs.curve_file import CURVE_FILE, CURVE_VALUES, CurveWriter, open_curve
from core.runs.job_lock import take_job_lock
from core.runs.metrics_file import ResumedAt, StepMetric, append_step_metric, read_step_metrics


def write(folder: Path, *lines: StepMetric | ResumedAt) -> None:
    """As the run's process does."""
    writer = CurveWriter(folder)
    for line in lines:
        append_step_metric(folder, line)
        writer.append(line)


def metric(step: int, loss: float | None = None) -> StepMetric:
    return StepMetric(step=step, time=step / 7, loss=step / 3 if loss is None else loss, tokens=step * 11)


def assert_as_metrics(folder: Path) -> None:
    metrics, _ = read_step_metrics(folder)
    curve = open_curve(folder)
    assert curve.steps.tolist() == [line.step for line in metrics] and len(curve) == len(metrics)
    assert curve.times.tolist() == [line.time for line in metrics]
    for name in CURVE_VALUES:
        wanted = [getattr(line, name) for line in metrics]
        found = [None if math.isnan(value) else value for value in curve.values[name].tolist()]
        assert found == wanted


def test_a_run_without_steps_has_an_empty_curve(tmp_path: Path) -> None:
    assert len(open_curve(tmp_path)) == 0
    write(tmp_path)
    assert len(open_curve(tmp_path)) == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.integers(1, 4), st.just(-1)), max_size=12), st.integers(0, 12))
def test_it_is_what_the_metrics_say_with_any_resumptions(
    tmp_path_factory: pytest.TempPathFactory, moves: list[int], cut: int
) -> None:
    """A move is some steps on, or back to an earlier step."""
    folder = tmp_path_factory.mktemp("run")
    step, lines = 0, []
    for at, move in enumerate(moves):
        if move < 0:
            step = step * at // 13
            lines.append(ResumedAt(step, float(at)))
        for _ in range(move):
            step += 1
            lines.append(metric(step, None if step % 5 else math.nan))
    write(folder, *lines[:cut])
    write(folder, *lines[cut:])
    assert_as_metrics(folder)
    (folder / CURVE_FILE).unlink()
    assert_as_metrics(folder)


@pytest.mark.parametrize("content", [b"", b"SUIRON", b"x" * 500])
def test_a_file_that_is_missing_short_or_no_curve_is_made_again(tmp_path: Path, content: bytes) -> None:
    write(tmp_path, *map(metric, range(1, 20)))
    whole = (tmp_path / CURVE_FILE).read_bytes()
    for broken in (content, whole[:-1], whole[: 16 + (len(whole) - 16) // 19 * 4]):
        (tmp_path / CURVE_FILE).write_bytes(broken)
        assert_as_metrics(tmp_path)
        assert (tmp_path / CURVE_FILE).read_bytes() == whole


def test_while_a_process_works_nobody_else_writes_it(tmp_path: Path) -> None:
    write(tmp_path, *map(metric, range(1, 5)))
    (tmp_path / CURVE_FILE).write_bytes(b"")
    lock = take_job_lock(tmp_path)
    assert_as_metrics(tmp_path)
    assert (tmp_path / CURVE_FILE).read_bytes() == b""
    lock.release()
    assert_as_metrics(tmp_path)
    assert (tmp_path / CURVE_FILE).read_bytes() != b""


def test_one_step_more_in_the_metrics_is_no_reason_to_read_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, *map(metric, range(1, 5)))
    lock = take_job_lock(tmp_path)
    append_step_metric(tmp_path, metric(5))  # the process is between its two writes
    monkeypatch.setattr("core.runs.curve_file.all_metric_lines", lambda folder: pytest.fail("read all"))
    assert open_curve(tmp_path).steps.tolist() == [1, 2, 3, 4]
    lock.release()


def test_a_disk_that_is_full_leaves_it_short_and_not_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = CurveWriter(tmp_path)
    for step in (1, 2, 3):
        append_step_metric(tmp_path, metric(step))
        with monkeypatch.context() as patch:
            if step == 2:
                patch.setattr(writer, "_file", open("/dev/full", "ab", buffering=0))  # noqa: SIM115
            writer.append(metric(step))
    assert_as_metrics(tmp_path)
