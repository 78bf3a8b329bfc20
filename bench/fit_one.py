"""Measures the memory of one training, in this process: `python -m bench.fit_one CONFIG_AS_JSON MODEL_FOLDER`.

The model is loaded and the trainer made as a run does both; two optimizer steps of two passes each, on full-length rows
of random words. Prints one JSON object, the last line of standard output: peaks of the allocator by phase, and the
largest kinds of blocks alive after loading and after a forward pass.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from bench.fit_configs import FitConfig

GIB = 1 << 30
_STEPS, _PASSES = 2, 2
_KINDS_OF_BLOCKS = 16


class Meter:
    """The allocator's peaks by phase, in GiB. Every phase ends with `mark`."""

    def __init__(self) -> None:
        self.phases: dict[str, dict[str, float]] = {}
        self.peak_reserved = self.peak_allocated = 0.0

    def mark(self, phase: str) -> None:
        """End a phase: keep its peaks where they are above those of an earlier one of the same name."""
        import torch

        if torch.cuda.is_available():
            torch.cuda.synchronize()
            numbers = {
                "peak_allocated": torch.cuda.max_memory_allocated() / GIB,
                "peak_reserved": torch.cuda.max_memory_reserved() / GIB,
                "allocated": torch.cuda.memory_allocated() / GIB,
            }
            torch.cuda.reset_peak_memory_stats()
        else:
            import psutil

            resident = psutil.Process().memory_info().rss / GIB
            numbers = {"peak_allocated": resident, "peak_reserved": resident, "allocated": resident}
        before = self.phases.get(phase, {})
        self.phases[phase] = {name: round(max(value, before.get(name, 0.0)), 4) for name, value in numbers.items()}
        self.peak_reserved = max(self.peak_reserved, numbers["peak_reserved"])
        self.peak_allocated = max(self.peak_allocated, numbers["peak_allocated"])


def blocks_alive() -> list[list[int]]:
    """Size in bytes and count of the kinds of blocks that hold the most memory now."""
    import torch

    if not torch.cuda.is_available():
        return []
    sizes: Counter[int] = Counter()
    for segment in torch.cuda.memory_snapshot():  # type: ignore[no-untyped-call]
        for block in segment["blocks"]:
            if block["state"] == "active_allocated":
                sizes[int(block.get("requested_size", block["size"]))] += 1
    most = sorted(sizes.items(), key=lambda item: -item[0] * item[1])[:_KINDS_OF_BLOCKS]
    return [[size, count] for size, count in most]


def write_full_rows(path: Path, count: int, tokens: int) -> None:
    """Rows of random words that are all longer than `tokens` tokens, so that they are cut to it."""
    pick = random.Random(0)
    words = ["river", "seven", "because", "therefore", "stone", "count", "light", "answer", "north", "paper"]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            row = {
                "instruction": f"{number} {pick.choice(words)}",
                "reasoning": " ".join(pick.choice(words) for _ in range(tokens)),
                "output": pick.choice(words),
            }
            file.write(json.dumps(row) + "\n")


def measure(config: FitConfig, folder: Path, scratch: Path) -> dict[str, Any]:
    from core.data.source import open_data
    from core.examples.build import build_training_set
    from core.models.backend import prepare_imports
    from core.runs.spec import DataSection, LoraSection, ModelSection, PromptSection, RunSpec, TrainSection
    from core.tokens.tokenizer import TextTokenizer

    rows = scratch / "rows.jsonl"
    write_full_rows(rows, config.batch * _PASSES * _STEPS, config.tokens)
    lora = LoraSection(r=config.r, alpha=config.r)
    if config.targets:
        lora = msgspec.structs.replace(lora, target_modules=config.targets)
    spec = RunSpec(
        data=DataSection(source=str(rows)),
        model=ModelSection(name=str(folder), load_in_4bit=config.bits == 4),
        prompt=PromptSection(max_seq_length=config.tokens, too_long="cut_end", loss_on="all"),
        lora=lora,
        train=TrainSection(
            steps=_STEPS,
            batch_size=config.batch,
            gradient_accumulation=_PASSES,
            warmup_steps=0,
            gradient_checkpointing=config.checkpointing,
            optim=config.optim,
        ),
    )
    prepared = build_training_set(open_data(str(rows)), spec, TextTokenizer.from_folder(folder))
    assert len(prepared) == config.batch * _PASSES * _STEPS and prepared.longest == config.tokens, (
        f"{len(prepared)} rows of up to {prepared.longest} tokens"
    )
    if config.backend == "transformers":
        sys.modules["unsloth"] = None  # type: ignore[assignment]  # a run takes the other library where it is missing
    prepare_imports()
    import torch

    if torch.cuda.is_available() and config.limit_gib:
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(config.limit_gib * GIB / total)
    meter = Meter()
    loaded = _load(spec, prepared.longest)
    meter.mark("load")
    after_load = blocks_alive()
    return _train(config, loaded, spec, prepared, scratch, meter) | {
        "config": config,
        "name": config.name,
        "backend": loaded.backend.line,
        "kind": loaded.backend.kind,
        "four_bit": loaded.backend.four_bit,
        "checkpointing": loaded.gradient_checkpointing,
        "blocks_after_load": after_load,
        "parameters": loaded.model.get_nb_trainable_parameters(),
    }


def _load(spec: Any, longest: int) -> Any:
    from core.models.loading import load_for_training
    from core.training.lora_settings import lora_settings

    return load_for_training(
        spec.model.name,
        lora_settings(spec, longest),
        four_bit=spec.model.load_in_4bit,
        trust_remote_code=False,
        progress=lambda words: print(words, file=sys.stderr),
        insist=True,
    )


def _train(config: FitConfig, loaded: Any, spec: Any, prepared: Any, scratch: Path, meter: Meter) -> dict[str, Any]:
    import torch
    from transformers import TrainerCallback

    from core.training.step_record import StepRecord
    from core.training.trainer import make_trainer

    class Phases(TrainerCallback):  # type: ignore[misc]
        def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
            meter.mark("backward")

        def on_optimizer_step(self, *_: Any, **__: Any) -> None:
            meter.mark("optimizer")

        def on_substep_end(self, *_: Any, **__: Any) -> None:
            meter.mark("backward")

    trainer = make_trainer(loaded, spec, prepared, scratch / "output", StepRecord(), Phases())
    meter.mark("trainer")
    alive: list[list[list[int]]] = []
    compute_loss = trainer.compute_loss

    def forward(*args: Any, **kwargs: Any) -> Any:
        meter.mark("before forward")
        out = compute_loss(*args, **kwargs)
        meter.mark("forward")
        alive.append(blocks_alive())
        return out

    trainer.compute_loss = forward  # type: ignore[method-assign]
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    began = time.monotonic()
    trainer.train()
    meter.mark("end")
    return {
        "peak_reserved_gib": round(meter.peak_reserved, 4),
        "peak_allocated_gib": round(meter.peak_allocated, 4),
        "phases": meter.phases,
        "blocks_after_forward": alive[-1] if alive else [],
        "loss": trainer.state.log_history[0].get("loss") if trainer.state.log_history else None,
        "seconds_of_steps": round(time.monotonic() - began, 2),
        "device": device,
        "torch": str(torch.__version__),
        "free_before_training_gib": round(torch.cuda.mem_get_info()[0] / GIB, 2) if device != "cpu" else None,
    }


def context_gib() -> float:
    """What the process takes of the GPU beside the allocator's memory, in GiB: CUDA's context and the libraries'
    kernels. Only meaningful while nothing else uses the GPU."""
    import torch

    free = torch.cuda.mem_get_info()[0]  # makes the context
    before = torch.cuda.mem_get_info()[1]
    matrix = torch.ones(1024, 1024, device="cuda", dtype=torch.bfloat16)
    torch.nn.functional.scaled_dot_product_attention(matrix[None, None], matrix[None, None], matrix[None, None])
    (matrix @ matrix).sum().item()
    used = before - torch.cuda.mem_get_info()[0]
    print(f"context alone {(before - free) / GIB:.3f} GiB", file=sys.stderr)
    return (used - torch.cuda.memory_reserved()) / GIB


def main() -> None:
    began = time.monotonic()
    if sys.argv[1] == "context":
        print(json.dumps({"context_gib": round(context_gib(), 3)}))
        return
    config = msgspec.json.decode(sys.argv[1], type=FitConfig)
    with tempfile.TemporaryDirectory(prefix="suiron-fit-") as scratch:
        os.environ["SUIRON_HOME"] = f"{scratch}/home"
        result = measure(config, Path(sys.argv[2]), Path(scratch))
    result["seconds"] = round(time.monotonic() - began, 1)
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
