"""Compares the loss that a trainer reports with a plain cross-entropy over the same labels.

    python -m bench.gpu_loss [MODEL_FOLDER]

Without a folder a model with random weights is made: of Qwen2.5-0.5B's shape with CUDA, a tiny one without. Each kind
trains one step over the same rows in a process of its own, through Unsloth with CUDA and through Transformers
elsewhere:

    padded       as a run trains: one padded batch
    accumulated  the same rows in four batches of one step
    weighted     sections weighted (reasoning 0.5, response 2, end 3), in four batches; beside the weighted mean
    packed       TRL's `packing=True` over the same ids and labels (only with CUDA)

The plain cross-entropy runs the same model over the rows one by one, before the step, in 32-bit from its logits on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.encode import some_rows, some_tokenizer, write_rows
from core.base.child import environment

ROWS = 16
KINDS = ("padded", "accumulated", "weighted", "packed")


def measure_kind(kind: str, model: str, rows: str) -> dict[str, Any]:
    from core.data.source import open_data
    from core.examples.build import build_training_set
    from core.models.backend import prepare_imports
    from core.models.loading import load_for_training
    from core.models.lora_settings import LoraSettings
    from core.models.resolve import local_model_folder
    from core.runs.spec import DataSection, ModelSection, PromptSection, RunSpec, TrainSection
    from core.tokens.loss_mask import SectionWeights
    from core.tokens.tokenizer import TextTokenizer

    parts = 1 if kind in ("padded", "packed") else 4
    spec = RunSpec(
        data=DataSection(source=rows),
        model=ModelSection(name=model),
        prompt=PromptSection(
            loss_on=SectionWeights(reasoning=0.5, response=2.0, end=3.0) if kind == "weighted" else "completion"
        ),
        train=TrainSection(steps=1, batch_size=ROWS // parts, gradient_accumulation=parts),
    )
    tokenizer = TextTokenizer.from_folder(local_model_folder(model, lambda _: None))
    prepared = build_training_set(open_data(rows), spec, tokenizer)
    if prepared.weighted:
        os.environ["UNSLOTH_RETURN_LOGITS"] = "1"
    prepare_imports()
    adapter = LoraSettings(
        r=16,
        alpha=16,
        dropout=0.0,
        target_modules=spec.lora.target_modules,
        bias="none",
        use_rslora=False,
        seed=3442,
        batch_size=ROWS,
        tokens=prepared.longest,
        max_seq_length=2048,
        gradient_checkpointing=True,
    )
    loaded = load_for_training(
        model, adapter, four_bit=True, trust_remote_code=False, progress=lambda words: print(words, file=sys.stderr)
    )
    import torch

    plain = plain_loss(loaded.model, prepared)
    losses: list[torch.Tensor] = []
    with tempfile.TemporaryDirectory() as output:
        trainer = (
            packing_trainer(loaded, spec, prepared, Path(output), losses)
            if kind == "packed"
            else our_trainer(loaded, spec, prepared, output, losses)
        )
        trainer.train()
    reported = float(sum(loss.double().item() for loss in losses))
    return {
        "kind": kind,
        "trainer": reported,
        "plain": plain,
        "passes": len(losses),
        "labels": prepared.trained_tokens,
        "backend": loaded.backend.line,
    }


def plain_loss(model: Any, prepared: Any) -> float:
    """The (weighted) mean over all labels, row by row."""
    import torch

    device = next(model.parameters()).device
    total = weight = 0.0
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        for row in range(len(prepared)):
            ids, labels = (
                torch.tensor(get(row)[None], dtype=torch.long, device=device) for get in (prepared.ids, prepared.labels)
            )
            scores = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, :-1].float()
            each = torch.nn.functional.cross_entropy(
                scores, labels[0, 1:], reduction="none", ignore_index=-100
            ).double()
            counted = torch.tensor(prepared.token_weights(row)[1:], device=device).double()
            total, weight = total + float((each * counted).sum()), weight + float(counted.sum())
    return total / weight


def our_trainer(loaded: Any, spec: Any, prepared: Any, output: str, losses: list[Any]) -> Any:
    from transformers import TrainerCallback

    from core.training.trainer import make_trainer

    return make_trainer(loaded, spec, prepared, Path(output), _record_of(losses), [TrainerCallback()])


def packing_trainer(loaded: Any, spec: Any, prepared: Any, output: Path, losses: list[Any]) -> Any:
    """The library's own collator packs only rows that carry their labels with them."""
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast

    from core.training.trainer import RunTrainer, _settings

    settings = _settings(spec, output, loaded)
    settings.packing, settings.max_length = True, 2048
    tokenizer = loaded.tokenizer
    columns = {"input_ids": prepared.ids, "labels": prepared.labels}
    return RunTrainer(
        model=loaded.model,
        args=settings,
        train_dataset=Dataset.from_dict(
            {name: [get(row).tolist() for row in range(len(prepared))] for name, get in columns.items()}
        ),
        processing_class=PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.raw, eos_token=tokenizer.eos, pad_token=tokenizer.eos
        ),
        record=_record_of(losses),
        owner=None,
    )


def _record_of(losses: list[Any]) -> Any:
    from core.training.step_record import StepRecord

    record = StepRecord()
    record.losses = losses
    return record


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="")
    parser.add_argument("--one", nargs=2, metavar=("KIND", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure_kind(arguments.one[0], arguments.model, arguments.one[1])))
        return
    from bench.random_model import make
    from core.models.backend import prepare_imports

    prepare_imports()
    import torch

    cuda = torch.cuda.is_available()
    with tempfile.TemporaryDirectory(prefix="suiron-bench-") as home:
        rows = [row for row in some_rows(200) if row.sysflag == "train"][:: 180 // ROWS][:ROWS]
        write_rows(Path(home) / "rows.jsonl", rows)
        model = Path(arguments.model) if arguments.model else Path(home) / "model"
        if not arguments.model:
            tokenizer = Path(home) / "tokenizer"
            tokenizer.mkdir()
            some_tokenizer(some_rows(2000), tokenizer)
            # a wide spread, so that the loss of one token differs from that of another
            make("0.5b" if cuda else "tiny", model, tokenizer, 0.06 if cuda else 0.2)
        for kind in KINDS if cuda else KINDS[:-1]:
            command = [
                sys.executable,
                "-m",
                "bench.gpu_loss",
                str(model),
                "--one",
                kind,
                str(Path(home) / "rows.jsonl"),
            ]
            done = subprocess.run(
                command,
                env=environment(HF_HUB_OFFLINE="1", SUIRON_CACHE=f"{home}/cache"),
                capture_output=True,
                text=True,
            )
            if done.returncode:
                print(f"{kind:12} failed\n{done.stdout[-1500:]}\n{done.stderr[-3000:]}")
                continue
            figures = json.loads(done.stdout.splitlines()[-1])
            if kind == "padded":
                print(figures["backend"])
            trainer, plain = figures["trainer"], figures["plain"]
            print(
                f"{kind:12} trainer {trainer:.6f}  plain {plain:.6f}  difference {abs(trainer - plain):.1e}  relative "
                f"{abs(trainer / plain - 1):.1e}"
                f"  ({figures['passes']} passes, {figures['labels']} labels)"
            )


if __name__ == "__main__":
    main()
