"""Real runs of the training process on the tiny model: what they write, and what they obey."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from core.base.child import environment
from core.data.source import open_data
from core.examples.build import build_training_set
from core.examples.run_rows import data_facts, open_rows
from core.runs.checkpoint_folders import folder_is_whole
from core.runs.launch import why_not_resumable
from core.runs.metrics_file import StepMetric
from core.runs.spec import RunSpec, dump_run_spec
from core.templates.by_name import TEXT_TEMPLATES
from core.templates.template_file import load_template
from core.tokens.loss_mask import SectionWeights
from core.tokens.tokenizer import TextTokenizer
from tests.support.training_process import ROWS, Process, at_step, make_spec


def checked_from_the_command_line(trained: Process) -> dict[str, Any]:
    """What `prompts check` says of the run's own specification, in a process of its own."""
    words = [sys.executable, "-P", "-m", "core", "prompts", "check", str(trained.run.path / "run.toml"), "--json"]
    done = subprocess.run(
        words, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_a_run_writes_its_metrics_status_and_facts(trained: Process, model_folder: Path) -> None:
    status, (metrics, _) = trained.run.status(), trained.run.metrics()
    assert (status.state, status.step, status.total, status.error) == ("finished", 3, 3, None)
    assert "Transformers + PEFT on the CPU" in status.backend
    assert [metric.step for metric in metrics] == [1, 2, 3]
    assert all(
        metric.loss is not None and metric.grad_norm and metric.tokens_per_second and metric.memory
        for metric in metrics
    )
    assert metrics[2].loss is not None and metrics[0].loss is not None and metrics[2].loss < metrics[0].loss
    facts = trained.run.facts()
    assert facts["rows_trained"] == ROWS and facts["rows_in_source"] == 2 * ROWS
    assert (
        facts["rows_empty_reasoning"] == 1
        and facts["rows_empty_reasoning"] + facts["rows_vanilla"] + facts["rows_reasoning"] == ROWS
    )
    assert facts["last_token_is_eos"] is True and facts["seed"] == 3442
    results = json.loads((trained.run.path / "results" / "train.json").read_bytes())
    assert (results["ended"], results["steps"], results["steps_without_finite_loss"]) == ("finished", 3, 0)
    assert results["peak_memory_gib"] > 0.1
    assert facts["memory"]["verdict"] == "fits" and facts["memory"]["low_gib"] <= facts["memory"]["estimate_gib"]
    assert facts["step_kind"] == "packed"  # whose peaks say nothing about padded batches
    assert not (trained.run.path / "home" / "peaks.jsonl").exists()
    data = open_rows(trained.run.spec().data)
    again = build_training_set(data, trained.run.spec(), TextTokenizer.from_folder(model_folder))
    assert (
        facts["encoded_hash"] == again.hash
    )  # what a preview makes of the same specification, in another process and cache
    checked = checked_from_the_command_line(trained)
    assert checked["encoded_hash"] == facts["encoded_hash"]
    assert (
        {key: checked[key] for key in data_facts(data)}
        == {key: facts[key] for key in data_facts(data)}
        == data_facts(data)
    )
    for name in ("alpaca", "alpaca-reasoning"):
        assert load_template(trained.run.path / "templates" / f"{name}.yaml") == TEXT_TEMPLATES[name]
    assert facts["model_resolved"] == facts["model_folder"] == str(model_folder)
    assert 0 < facts["trainable_parameters"] < facts["parameters"]
    assert facts["versions"]["torch"] and facts["gradient_checkpointing"] is False
    assert [metric.tokens for metric in metrics] == [facts["tokens_per_epoch"] * step for step in (1, 2, 3)]


def test_the_first_loss_is_the_plain_cross_entropy_over_the_same_labels(trained: Process, model_folder: Path) -> None:
    """The model's own scores of every place, in the run's number format; the run had all rows in one batch."""
    import torch
    from transformers import AutoModelForCausalLM

    from core.models.backend import dtype_name

    spec = trained.run.spec()
    prepared = build_training_set(open_data(spec.data.source), spec, TextTokenizer.from_folder(model_folder))
    longest = prepared.longest
    rows, labels = ([get(row).tolist() for row in range(len(prepared))] for get in (prepared.ids, prepared.labels))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    attention = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    wanted = torch.tensor([[*row, *[-100] * (longest - len(row))] for row in labels])[:, 1:]
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=getattr(torch, dtype_name("cpu")))
    with torch.inference_mode():
        scores = model(ids, attention_mask=attention).logits[:, :-1].double()
    plain = float(torch.nn.functional.cross_entropy(scores[wanted != -100], wanted[wanted != -100]))
    first = trained.run.metrics()[0][0].loss
    assert first is not None and math.isclose(first, plain, abs_tol=1e-4)


def test_a_weighted_run_reports_the_weighted_mean_over_all_batches_of_a_step(
    model_folder: Path, rows_file: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from core.models.backend import dtype_name

    spec = make_spec(rows_file, model_folder, steps=1, batch_size=ROWS // 4, gradient_accumulation=4)
    weights = SectionWeights(prompt=0.1, reasoning=0.5, response=2.0, end=3.0)
    spec = replace(spec, prompt=replace(spec.prompt, loss_on=weights))
    process = Process(tmp_path / "weighted", spec)
    assert process.end() == 0, process.log()
    prepared = build_training_set(open_data(spec.data.source), spec, TextTokenizer.from_folder(model_folder))
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=getattr(torch, dtype_name("cpu")))
    total = weight = 0.0
    with torch.inference_mode():
        for row in range(len(prepared)):
            ids = torch.tensor(prepared.ids(row)[None], dtype=torch.long)
            each = torch.nn.functional.cross_entropy(model(ids).logits[0, :-1].double(), ids[0, 1:], reduction="none")
            counted = torch.tensor(prepared.token_weights(row)[1:]).double()
            total, weight = total + float((each * counted).sum()), weight + float(counted.sum())
    first = process.run.metrics()[0][0].loss
    assert (
        prepared.weighted and first is not None and math.isclose(first, total / weight, abs_tol=1e-3)
    )  # bfloat16, other shapes of a batch
    assert process.run.facts()["encoded_hash"] == prepared.hash


def test_the_adapter_loads_back_and_has_learnt(trained: Process, model_folder: Path) -> None:
    import torch

    from core.models.loading import load_for_inference

    about = json.loads((trained.run.adapter / "suiron.json").read_bytes())
    assert (about["base_model"], about["run"], about["step"]) == (str(model_folder), "trained", 3)
    assert not list(trained.run.path.glob("adapter.*"))
    loaded = load_for_inference(str(model_folder), trained.run.adapter, progress=lambda message: None)
    prepared = build_training_set(open_data(trained.run.spec().data.source), trained.run.spec(), loaded.tokenizer)
    ids, labels = torch.tensor([prepared.ids(0).tolist()]), torch.tensor([prepared.labels(0).tolist()])
    with torch.inference_mode():
        tuned = float(loaded.model(ids, labels=labels).loss)
        with loaded.model.disable_adapter():
            base = float(loaded.model(ids, labels=labels).loss)
    assert tuned < base


def test_the_last_checkpoint_is_whole_until_a_file_is_cut(trained: Process, tmp_path: Path) -> None:
    checkpoint = trained.run.path / "checkpoints" / "step-3"
    assert folder_is_whole(checkpoint)
    for file in checkpoint.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert folder_is_whole(tmp_path)
    (tmp_path / "optimizer.pt").write_bytes(b"")
    assert not folder_is_whole(tmp_path)


def losses(metrics: list[StepMetric]) -> list[float | None]:
    return [metric.loss for metric in metrics[:3]]


def test_a_run_obeys_checkpoint_and_stop_at_its_next_step(trained: Process, long_spec: RunSpec, tmp_path: Path) -> None:
    process = Process(tmp_path / "long", long_spec)
    run = process.run
    process.until(at_step(4))
    run.request("checkpoint")
    process.until(lambda run: run.checkpoint() is not None and run.status().state == "training")
    status = run.status()
    assert status.total == 100_000 and status.seconds_left
    run.request("stop")
    before = len(run.metrics()[0])  # the step in progress may or may not be in it; it is the one that obeys
    assert process.end() == 0, process.log()
    status, (metrics, _) = run.status(), run.metrics()
    assert status.state == "stopped" and before <= status.step <= before + 1
    assert len(metrics) == status.step and "the adapter is saved" in status.message
    assert (run.adapter / "adapter_config.json").is_file()
    # the same rows, seed and first learning rates: the same losses to the last bit, in another process
    assert losses(metrics) == losses(trained.run.metrics()[0])


def test_a_checkpoint_that_cannot_be_written_costs_neither_the_run_nor_its_adapter(
    long_spec: RunSpec, tmp_path: Path
) -> None:
    spec = msgspec.structs.replace(long_spec, train=msgspec.structs.replace(long_spec.train, steps=1, warmup_steps=0))
    process = Process(tmp_path / "blocked", spec)
    (process.run.path / "checkpoints").mkdir()
    (process.run.path / "checkpoints" / "step-1").write_text("in the way")
    assert process.end() == 0, process.log()
    status = process.run.status()
    assert status.state == "finished" and "the last checkpoint was not saved" in status.message
    assert (process.run.adapter / "adapter_config.json").is_file()


def test_a_termination_while_loading_ends_the_run_at_once(long_spec: RunSpec, tmp_path: Path) -> None:
    process = Process(tmp_path / "terminated", long_spec)
    process.until(lambda run: run.status().state == "loading")
    process.process.terminate()
    assert process.end() == 0, process.log()
    status = process.run.status()
    assert status.state == "paused" and "SIGTERM" in status.message
    assert why_not_resumable(process.run, status) is None


@pytest.mark.parametrize("kind", ["no data", "no weights", "corrupt", "no such flag", "too long", "bad key"])
def test_a_run_that_cannot_start_says_why(kind: str, tmp_path: Path, rows_file: Path, model_folder: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    for file in model_folder.iterdir():
        (model / file.name).write_bytes(file.read_bytes())
    weights, rows, words, flag, length = model / "model.safetensors", str(rows_file), "", "train", 2048
    if kind == "no data":
        rows, words = str(tmp_path / "none.jsonl"), "none.jsonl"
    elif kind == "no weights":
        weights.unlink()
        words = "no weights"
    elif kind == "corrupt":
        weights.write_bytes(weights.read_bytes()[:-7])
        words = "cut short"
    elif kind == "no such flag":
        flag, words = "nowhere", "no row has the sysflag 'nowhere'"
    elif kind == "too long":
        length, words = 16, "8 are longer than 16 tokens"
    spec = make_spec(rows, model)
    spec = replace(spec, data=replace(spec.data, train_flag=flag), prompt=replace(spec.prompt, max_seq_length=length))
    written = dump_run_spec(spec)
    if kind == "bad key":
        written, words = written.replace(b"batch_size", b"bach_size"), "bach_size"
    process = Process(tmp_path / "run", written)
    assert process.end(60) != 0
    status = process.run.status()
    assert status.state == "failed" and status.error is not None and status.ended
    assert words in f"{status.error.where} {status.error.what}" and status.error.do, process.log()
    assert "torch" not in process.log()  # said before the heavy libraries were loaded
