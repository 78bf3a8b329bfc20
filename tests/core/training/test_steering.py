"""Runs that are steered while they work: every request takes effect, is an event, and leaves the rest as it was."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.runs.checkpoint_folders import checkpoint_step
from core.runs.events_file import JobEvent
from core.runs.job_requests import write_request
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec, ValidationSection
from tests.support.run_forks import EVERY, STEPS, ForkedRun, ForkServer, adapter_hash, losses


def events(run: RunFolder, *kinds: str) -> list[JobEvent]:
    return [event for event in run.events()[0] if event.kind in kinds]


def asked(run: RunFolder, kind: str = "obeyed") -> list[tuple[str, int]]:
    """What was obeyed or refused, with its step."""
    return [(event.facts["asked"], event.step) for event in events(run, kind)]


def rates(run: RunFolder) -> list[float]:
    return [metric.learning_rate or 0.0 for metric in run.metrics()[0]]


@pytest.fixture
def long(server: ForkServer, forked_spec: RunSpec, tmp_path: Path) -> ForkedRun:
    train = replace(forked_spec.train, steps=100_000, save_steps=0, scheduler="constant", warmup_steps=0)
    return ForkedRun(server, tmp_path / "long", replace(forked_spec, train=train))


def test_everything_that_can_be_asked_takes_effect_and_is_an_event(long: ForkedRun) -> None:
    run = long.run
    long.start()
    long.until(lambda folder: len(folder.metrics()[0]) >= 2)
    for kind, value, key in (
        ("rate", 0.5, ""),
        ("set", 0.25, "train.max_grad_norm"),
        ("set", "1.5", "train.save_steps"),
        ("set", 4, "train.stepps"),
        ("rate", "many", ""),
        ("evaluate", None, ""),
        ("dance", None, ""),
        ("checkpoint", None, ""),
    ):
        run.request(kind, value, key)
    (run.path / "requests" / "99999999T000000.000000Z-0.json").write_bytes(b"\xff not json")
    long.until(lambda folder: len(asked(folder)) >= 3 and len(asked(folder, "refused")) >= 6)
    assert [kind for kind, _ in asked(run)] == ["rate", "set", "checkpoint"]
    refused = {event.facts["asked"]: event.words for event in events(run, "refused")}
    assert "train.stepps cannot be changed" in str([event.words for event in events(run, "refused")])
    assert "no rows are kept out" in refused["evaluate"] and "'dance'" in refused["dance"]
    assert "must be a number" in refused["rate"] and "cannot be read" in refused["unreadable"]
    newest = run.checkpoint()
    assert newest is not None
    run.request("pause")
    assert long.end() == 0, long.log()
    status = run.status()
    assert status.state == "paused" and f"goes on from step {status.step}" in status.message
    newest = run.checkpoint()
    assert newest is not None and checkpoint_step(newest) == status.step
    (at,) = [step for kind, step in asked(run) if kind == "rate"]
    assert rates(run) == pytest.approx([2e-3 if step <= at else 1e-3 for step in range(1, status.step + 1)])

    # what was changed stays changed, what was asked while it was away is heard, what came too late is refused
    run.request("rate", 0.1)
    write_request(run.path, "stop")
    status = run.status()
    run.write_status(replace(status, started=status.heartbeat + 3600))
    long.start()
    before = status.step
    long.until(lambda folder: len(folder.metrics()[0]) >= before + 2)
    assert rates(run)[-1] == pytest.approx(1e-4)
    assert ("stop", before) in asked(run, "refused") and ("rate", before) in asked(run)
    run.request("stop")
    assert long.end() == 0, long.log()
    assert run.status().state == "stopped" and (run.adapter / "adapter_config.json").is_file()
    results = json.loads((run.path / "results" / "train.json").read_bytes())
    assert results["ended"] == "stop" and results["rate_factor"] == pytest.approx(0.05)


def test_a_discarded_run_keeps_nothing_but_its_story(long: ForkedRun) -> None:
    long.start()
    long.until(lambda folder: len(folder.metrics()[0]) >= 1)
    long.run.request("checkpoint")
    long.until(lambda folder: folder.checkpoint() is not None)
    long.run.request("discard")
    assert long.end() == 0, long.log()
    assert long.run.status().state == "discarded" and long.run.checkpoint() is None
    assert not long.run.adapter.exists() and not (long.run.path / "checkpoints").exists()
    assert asked(long.run)[-1][0] == "discard" and long.run.metrics()[0]


def test_a_pause_before_the_first_step_ends_the_run_and_it_starts_later(
    server: ForkServer, forked_spec: RunSpec, undisturbed: RunFolder, tmp_path: Path
) -> None:
    run = ForkedRun(server, tmp_path / "run", forked_spec)
    run.run.request("pause")
    assert run.go() == 0, run.log()
    assert run.run.status().state == "paused" and run.run.metrics()[0] == []
    assert run.go() == 0, run.log()
    assert losses(run.run) == losses(undisturbed) and adapter_hash(run.run) == adapter_hash(undisturbed)


def test_a_change_after_the_last_checkpoint_is_made_again_at_its_step(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path
) -> None:
    """The same change at the same step without and with a kill after it: the same losses to the last bit."""
    plain, killed = (ForkedRun(server, tmp_path / name, forked_spec) for name in ("plain", "killed"))
    plain.run.request("rate", 0.25)
    plain.run.request("set", 0.01, "train.max_grad_norm")
    assert plain.go() == 0, plain.log()
    assert asked(plain.run) == [("rate", 0), ("set", 0)]

    for request in sorted((plain.run.path / "requests").iterdir()):
        killed.run.request("stop")  # makes the folder
        (killed.run.path / "requests" / request.name).write_bytes(request.read_bytes())
    for stop in (killed.run.path / "requests").iterdir():
        if b'"stop"' in stop.read_bytes():
            stop.unlink()
    assert killed.go(kill_at="checkpoint: filled") == -signal.SIGKILL  # obeyed at 0, no checkpoint yet
    assert killed.go() == 0, killed.log()
    assert losses(killed.run) == losses(plain.run) and adapter_hash(killed.run) == adapter_hash(plain.run)
    assert asked(killed.run) == [("rate", 0), ("set", 0)] * 2


VALIDATION = ValidationSection(share=0.4, steps=2, seed=1)


@pytest.fixture(scope="module")
def validated(server: ForkServer, forked_spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> ForkedRun:
    run = ForkedRun(server, tmp_path_factory.mktemp("validated") / "run", replace(forked_spec, validation=VALIDATION))
    assert run.go() == 0, run.log()
    return run


def test_evaluations_are_events_and_change_nothing_of_the_training(
    server: ForkServer, forked_spec: RunSpec, validated: ForkedRun, tmp_path: Path
) -> None:
    facts = validated.run.facts()
    assert facts["rows_trained"] + facts["rows_kept_out"] == 8 and 0 < facts["rows_kept_out"] < 8
    found = events(validated.run, "evaluated")
    assert [event.step for event in found] == list(range(2, STEPS + 1, 2))
    assert all(event.facts["rows"] == facts["rows_kept_out"] for event in found)
    assert found[-1].facts["loss"] < found[0].facts["loss"]
    assert {"loss_prompt", "loss_reasoning", "loss_response"} <= found[0].facts.keys()

    rarely = replace(forked_spec, validation=replace(VALIDATION, steps=0))
    other = ForkedRun(server, tmp_path / "other", rarely)
    assert other.go() == 0, other.log()
    assert [event.step for event in events(other.run, "evaluated")] == [STEPS]
    assert losses(other.run) == losses(validated.run) and adapter_hash(other.run) == adapter_hash(validated.run)


def test_a_run_with_evaluations_goes_on_to_the_bit_too(
    server: ForkServer, forked_spec: RunSpec, validated: ForkedRun, tmp_path: Path
) -> None:
    run = ForkedRun(server, tmp_path / "run", replace(forked_spec, validation=VALIDATION))
    assert run.go(kill_at="checkpoint: marked", after=1) == -signal.SIGKILL
    assert run.go() == 0, run.log()
    assert losses(run.run) == losses(validated.run) and adapter_hash(run.run) == adapter_hash(validated.run)
    by_step = {event.step: event.facts["loss"] for event in events(run.run, "evaluated")}
    assert by_step == {event.step: event.facts["loss"] for event in events(validated.run, "evaluated")}


def test_patience_ends_a_run_and_the_best_adapter_is_kept(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path
) -> None:
    """With a rate that is far too high every evaluation is worse than the first."""
    wild = replace(
        forked_spec,
        train=replace(forked_spec.train, learning_rate=0.9, warmup_steps=0, on_bad_loss="go_on", save_steps=0),
        validation=replace(VALIDATION, steps=1, patience=2, use_best=True),
    )
    run = ForkedRun(server, tmp_path / "run", wild)
    assert run.go() == 0, run.log()
    found = [event.facts["loss"] for event in events(run.run, "evaluated")]
    best = min(range(len(found)), key=found.__getitem__)
    status = run.run.status()
    assert status.state == "finished" and "no better evaluation in 2" in status.message
    assert len(found) == best + 3 == status.step < STEPS
    kept = run.run.path / "checkpoints" / "best" / "adapter_model.safetensors"
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == adapter_hash(run.run)
    assert json.loads((run.run.adapter / "suiron.json").read_bytes())["step"] == best + 1


def test_the_losses_of_the_sections_make_up_the_loss(validated: ForkedRun) -> None:
    for metric in validated.run.metrics()[0]:
        assert metric.loss is not None and metric.loss_response is not None
        assert metric.loss_prompt is None  # not trained
        reasoning = metric.loss_response if metric.loss_reasoning is None else metric.loss_reasoning  # rows without
        low, high = sorted((reasoning, metric.loss_response))
        assert low - 1e-6 <= metric.loss <= high + 1e-6
    assert any(metric.loss_reasoning is not None for metric in validated.run.metrics()[0])


def test_a_run_may_start_from_the_weights_of_another(
    server: ForkServer, forked_spec: RunSpec, undisturbed: RunFolder, tmp_path: Path
) -> None:
    lora = replace(forked_spec.lora, init_from=str(undisturbed.adapter), dropout=0.0)
    run = ForkedRun(server, tmp_path / "run", replace(forked_spec, lora=lora))
    assert run.go() == 0, run.log()
    first, before = run.run.metrics()[0][0].loss, undisturbed.metrics()[0]
    assert first is not None and before[0].loss is not None and first < before[0].loss - 0.5
    other = ForkedRun(server, tmp_path / "other", replace(forked_spec, lora=replace(lora, r=8)))
    assert other.go() == 5
    error = other.run.status().error
    assert error is not None and "has rank 4" in error.what


def test_a_loss_that_is_no_number_ends_the_run_and_names_what_is_known(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path
) -> None:
    run = ForkedRun(server, tmp_path / "run", forked_spec)
    assert run.go(not_finite_at=5) == 5
    status = run.run.status()
    assert status.state == "failed" and status.error is not None
    what = status.error.what
    assert "not a finite number (nan) at step 5 (float32; " in what and "rows: " in what and "gradient norms" in what
    assert "train.learning_rate to 0.0005" in status.error.do
    assert [metric.step for metric in run.run.metrics()[0]] == [1, 2, 3, 4]
    newest = run.run.checkpoint()
    assert newest is not None and checkpoint_step(newest) == EVERY
    (event,) = events(run.run, "bad_loss")
    assert event.step == 5 and len(event.facts["grad_norms"]) == 5 and event.facts["rows"]


def test_backing_off_leaves_out_the_update_and_halves_the_rate(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path
) -> None:
    train = replace(forked_spec.train, on_bad_loss="back_off", scheduler="constant", warmup_steps=0)
    run = ForkedRun(server, tmp_path / "run", replace(forked_spec, train=train))
    assert run.go(not_finite_at=5) == 0, run.log()
    metrics = run.run.metrics()[0]
    assert [metric.loss is None for metric in metrics] == [step == 5 for step in range(1, STEPS + 1)]
    assert [metric.learning_rate for metric in metrics[5:]] == [pytest.approx(1e-3)] * (STEPS - 5)
    assert "halved" in events(run.run, "bad_loss")[0].words
