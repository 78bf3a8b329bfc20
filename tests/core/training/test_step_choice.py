"""A run's steps: padded and packed ones train alike, and the run says which it chose."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from core.runs.spec import RunSpec
from tests.support.run_forks import STEPS, ForkedRun, ForkServer, losses


def run_of(server: ForkServer, spec: RunSpec, folder: Path, step: str) -> ForkedRun:
    """A run with neither dropout nor checkpoints between."""
    spec = replace(
        spec,
        lora=replace(spec.lora, dropout=0.0),
        train=replace(spec.train, step=step, save_steps=0),
    )
    run = ForkedRun(server, folder / step, spec)
    assert run.go() == 0, run.log()
    return run


def test_packed_runs_lose_what_padded_runs_lose(server: ForkServer, forked_spec: RunSpec, tmp_path: Path) -> None:
    """An epoch has a step of two batches and one of one: never more rows a step than asked."""
    padded, packed, auto = (run_of(server, forked_spec, tmp_path, step) for step in ("padded", "packed", "auto"))
    ours, theirs = ([float.fromhex(loss) for _, loss in losses(run.run)] for run in (packed, padded))
    assert len(ours) == STEPS and ours == pytest.approx(theirs, abs=1e-5)
    assert ours[0] == pytest.approx(theirs[0], abs=1e-6)
    assert losses(auto.run) == losses(packed.run)
    for ours_metric, theirs_metric in zip(packed.run.metrics()[0], padded.run.metrics()[0], strict=True):
        assert ours_metric.tokens == theirs_metric.tokens
        assert ours_metric.loss_reasoning == pytest.approx(theirs_metric.loss_reasoning, abs=1e-4)
        assert ours_metric.loss_response == pytest.approx(theirs_metric.loss_response, abs=1e-4)
    assert [run.run.facts()["step_kind"] for run in (padded, packed, auto)] == ["padded", "packed", "packed"]


def test_the_choice_is_said_in_facts_event_and_status(server: ForkServer, forked_spec: RunSpec, tmp_path: Path) -> None:
    run = run_of(server, forked_spec, tmp_path, "captured").run
    words = run.facts()["step"]
    assert words == "packed: there is no CUDA device to record for"
    assert run.status().backend.endswith(words)
    (event,) = [event for event in run.events()[0] if event.kind == "step"]
    assert event.words == words and event.facts["step_kind"] == "packed"
