"""The parts of a run alone: the loss, the status, and the causes of failure."""

from __future__ import annotations

import errno
import io
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from core.base.errors import ModelError
from core.runs import status_reporter as module
from core.runs.console_stream import DiskFullSafeStream
from core.runs.run_folder import RunFolder
from core.runs.status_reporter import StatusReporter
from core.training.failure_causes import failure_cause, smaller_setting
from tests.support.training_process import make_spec


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


class Given:
    """Rows with labels and weights of their own, in the place of a prepared training set."""

    def __init__(self, rows: list[list[int]], weights: list[list[float]] | None = None) -> None:
        self._rows, self._weights, self.weighted = rows, weights, weights is not None
        self.row_indices = np.arange(len(rows))
        # the prompt as far as the first label, three tokens of reasoning, the rest of response
        firsts = [next(at for at, label in enumerate(row) if label != -100) for row in rows]
        self.ends = np.array(
            [
                [first, first, min(first + 3, len(row)), min(first + 3, len(row)), len(row), len(row)]
                for first, row in zip(firsts, rows, strict=True)
            ]
        )

    def labels(self, row: int) -> np.ndarray[Any, Any]:
        return np.array(self._rows[row])

    def token_weights(self, row: int) -> np.ndarray[Any, Any]:
        assert self._weights is not None
        return np.array(self._weights[row], np.float32)


SIZES = ((30, 12), (9, 2), (21, 20))
ROWS = [{"input_ids": list(range(10, 10 + n)), "row": row} for row, (n, _) in enumerate(SIZES)]
LABELS = [[-100] * given + list(range(10 + given, 10 + n)) for n, given in SIZES]


def losses_alone(model: Any) -> list[Any]:
    """The loss of every token of every row, its row alone in the model; 0 where it has no label."""
    import torch

    alone = []
    for row, labels in zip(ROWS, LABELS, strict=True):
        scores = model(torch.tensor([row["input_ids"]])).logits[0, :-1].float()
        alone.append(torch.nn.functional.cross_entropy(scores, torch.tensor(labels[1:]), reduction="none"))
    return alone


def test_the_loss_over_a_padded_batch_is_that_of_its_rows_alone(model_folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from core.training.loss import labelled_cross_entropy
    from core.training.trainer import ExampleCollator

    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    count = sum(label != -100 for labels in LABELS for label in labels[1:])
    with torch.inference_mode():
        total = sum(float(alone.sum()) for alone in losses_alone(model))
        batch = ExampleCollator(3, Given(LABELS))(ROWS)  # type: ignore[arg-type]
        assert math.isclose(float(labelled_cross_entropy(model, batch)), total / count, abs_tol=1e-5)
        assert math.isclose(float(labelled_cross_entropy(model, batch, num_items=100)), total / 100, abs_tol=1e-5)


def test_a_weighted_loss_is_the_weighted_mean(model_folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from core.training.loss import labelled_cross_entropy
    from core.training.trainer import ExampleCollator

    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    weights = [[0.0] * given + [0.25] * 3 + [2.0] * (n - given - 3) for n, given in SIZES[:2]] + [[0.0] * 20 + [0.5]]
    with torch.inference_mode():
        by_hand = [
            (alone * torch.tensor(weight[1:])).sum() for alone, weight in zip(losses_alone(model), weights, strict=True)
        ]
        batch = ExampleCollator(3, Given(LABELS, weights))(ROWS)  # type: ignore[arg-type]
        whole = float(sum(by_hand)) / sum(map(sum, weights))
        assert math.isclose(float(labelled_cross_entropy(model, batch)), whole, abs_tol=1e-5)
        assert math.isclose(
            float(labelled_cross_entropy(model, batch, num_items=torch.tensor(7.0))),
            float(sum(by_hand)) / 7,
            abs_tol=1e-5,
        )


def test_padding_equal_to_the_end_never_hides_it() -> None:
    from core.training.trainer import ExampleCollator

    rows = [{"input_ids": [5, 6, 3], "row": 0}, {"input_ids": [7, 3], "row": 1}]
    batch = ExampleCollator(3, Given([[-100, 6, 3], [-100, 3]]))(rows)  # type: ignore[arg-type]
    assert batch["input_ids"].tolist() == [[5, 6, 3], [7, 3, 3]]
    assert batch["labels"].tolist() == [[-100, 6, 3], [-100, 3, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]


def test_the_losses_of_the_sections_are_those_of_their_tokens_alone(model_folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from core.training.collator import ExampleCollator
    from core.training.loss import token_losses

    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    with torch.inference_mode():
        alone = losses_alone(model)
        batch = ExampleCollator(3, Given(LABELS))(ROWS)  # type: ignore[arg-type]
        each = token_losses(model, batch)
        sums, counts = each.by_section().tolist()
        wanted_sums, wanted_counts = [0.0, 0.0, 0.0], [0, 0, 0]
        for losses, (length, given) in zip(alone, SIZES, strict=True):
            for at in range(given, length):
                section = 1 if at < given + 3 else 2
                wanted_sums[section] += float(losses[at - 1])
                wanted_counts[section] += 1
        assert counts == wanted_counts and sums == pytest.approx(wanted_sums, abs=1e-4)
        assert math.isclose(float(each.mean()), float(labelled_mean(model, batch)), abs_tol=1e-6)
        every = token_losses(model, batch, every_token=True)
        assert len(every.losses) == sum(length - 1 for length, _ in SIZES)
        assert math.isclose(float(every.mean()), float(each.mean()), abs_tol=1e-6)
        assert every.by_section()[1].tolist() == [sum(given - 1 for _, given in SIZES), *counts[1:]]


def labelled_mean(model: Any, batch: dict[str, Any]) -> Any:
    """The mean in one call of the library, as it was before sections were told apart."""
    import torch

    scores = model(batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].float()
    return torch.nn.functional.cross_entropy(scores.flatten(0, 1), batch["labels"][:, 1:].flatten())


def test_the_heart_beats_until_the_end_and_the_end_is_the_last_word(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.01)
    beats = threading.Semaphore(0)
    original = run.write_status
    monkeypatch.setattr(run, "write_status", lambda status: (original(status), beats.release()))
    with StatusReporter(run) as reporter:
        reporter.update_later(step=7)
        for _ in range(4):
            assert beats.acquire(timeout=10)
        assert run.status().step == 7
        reporter.end("finished", "done")
    assert (run.status().state, run.status().message) == ("finished", "done")


def test_a_full_disk_does_not_end_the_run(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with StatusReporter(run) as reporter:
        with monkeypatch.context() as patch:
            patch.setattr(run, "write_status", full)
            reporter.update(step=1)
            reporter.update(step=2)
        reporter.update(step=3)
    assert run.status().step == 3
    assert capsys.readouterr().err.count("status.json cannot be written") == 1


class OutOfMemoryError(RuntimeError):
    """Named as torch's own."""


def test_causes_are_readable_and_name_a_smaller_setting() -> None:
    spec = make_spec("rows", "some/model", batch_size=8, gradient_accumulation=2)
    trouble = failure_cause(OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), spec, "run")
    assert "GPU ran out of memory" in trouble.what and "some/model" in trouble.where
    assert "train.batch_size = 4 and train.gradient_accumulation = 4" in trouble.do
    assert "machine ran out of memory" in failure_cause(MemoryError(), spec, "run").what
    assert (
        "disk is full"
        in failure_cause(OSError(errno.ENOSPC, "No space left on device", "/x/adapter.tmp"), spec, "run").what
    )
    kept = failure_cause(ModelError("a", "b", "c"), spec, "run")
    assert (kept.what, kept.where, kept.do) == ("a", "b", "c")
    odd = failure_cause(KeyError("x\x1b[2J"), spec, "run")
    assert odd.what.startswith("KeyError") and "\x1b" not in odd.what and "console.log" in odd.do


def test_smaller_settings_come_in_the_order_of_their_price() -> None:
    spec = make_spec("rows", "m", batch_size=1, gradient_checkpointing=False)
    assert "gradient_checkpointing = true" in smaller_setting(spec, gpu=True)
    spec = replace(spec, train=replace(spec.train, gradient_checkpointing=True))
    assert "max_seq_length = 1024" in smaller_setting(spec, gpu=True)
    assert "load_in_4bit" in smaller_setting(replace(spec, model=replace(spec.model, load_in_4bit=False)), gpu=True)
    assert "smaller model" in smaller_setting(replace(spec, prompt=replace(spec.prompt, max_seq_length=256)), gpu=True)


def test_a_console_on_a_full_disk_is_no_error() -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    console = DiskFullSafeStream(Full())
    print("lost", file=console)
    console.flush()
    assert console.encoding is None  # everything else is the stream's own
