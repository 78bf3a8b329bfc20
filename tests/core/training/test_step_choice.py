"""A run's steps: padded and packed ones train alike, and the run says which it chose."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from core.examples.build import build_training_set
from core.examples.run_rows import open_rows
from core.runs.spec import RunSpec
from core.tokens.tokenizer import TextTokenizer
from core.training.lora_settings import lora_settings
from tests.support.run_forks import STEPS, ForkedRun, ForkServer, losses
from tests.support.training_process import make_spec


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


def test_a_rank_measures_padded_steps_without_the_others(
    model_folder: Path, rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measurement that fails on one rank must not leave the others waiting. There is no other rank here."""
    import torch

    from core.models.loading import load_for_training
    from core.training.rank_place import RankPlace
    from core.training.ranks import Ranks
    from core.training.step_chooser import _Steps
    from core.training.step_record import StepRecord
    from core.training.trainer import make_trainer

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    spec = make_spec(rows_file, model_folder, batch_size=3, gradient_accumulation=2, dtype="float32")
    prepared = build_training_set(open_rows(spec.data), spec, TextTokenizer.from_folder(model_folder))
    adapter = lora_settings(spec, prepared.longest)
    loaded = load_for_training(
        str(model_folder), adapter, four_bit=False, trust_remote_code=False, progress=lambda words: None, insist=True
    )
    record = StepRecord()
    trainer = make_trainer(loaded, spec, prepared, tmp_path, record, (), ranks=Ranks(RankPlace(count=2)))
    steps = _Steps(trainer, loaded, spec, prepared.longest, pytest.fail, ranks=2)
    assert steps.seconds("padded", 0) > 0
    assert record.losses == [] and record.largest_pass[0] == 3
