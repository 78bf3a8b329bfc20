"""A run of Suiron against the bare library on the same model, rows and settings.

    python -m bench.training [MODEL] [--tokens N] [--batch N] [--steps N]

The library is Unsloth's own recipe on CUDA, transformers' Trainer + PEFT elsewhere. Both train in a fresh child
process, one after the other, on rows of random words of about N tokens. Prints tokens per second of the median step
(the first three left out), memory at the peak, and the ratios. The run's own costs are the difference: metrics, status,
control, checkpoints.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core.base.child import environment
from core.runs.launch import start_run
from core.runs.run_folder import RunFolder
from core.runs.spec import DataSection, ModelSection, PromptSection, RunSpec, TrainSection, mixture_of_two
from core.runs.watch_run import watch_run

WARM_UP = 3  # steps left out: compiling, allocating, tuning kernels


def write_rows(path: Path, count: int, tokens: int) -> None:
    """Rows of random words whose text comes to about `tokens` tokens, markers and preamble included."""
    pick = random.Random(0)
    words = ["river", "seven", "because", "therefore", "stone", "count", "light", "answer", "north", "paper"]
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            reasoning = " ".join(pick.choice(words) for _ in range(max(8, tokens - 140)))
            row = {
                "instruction": " ".join(pick.choice(words) for _ in range(20)),
                "reasoning": reasoning,
                "output": pick.choice(words),
            }
            file.write(json.dumps(row) + "\n")


def ours(spec: RunSpec) -> tuple[RunFolder, float, float]:
    run = start_run(spec)
    metrics = [metric for _, new in watch_run(run) for metric in new]
    status = run.status()
    if status.state != "finished":
        raise SystemExit(f"our run ended {status.state}: {status.error}; see {run.console}")
    print(f"ours: {status.backend}")
    speeds = [metric.tokens_per_second for metric in metrics[WARM_UP:] if metric.tokens_per_second]
    return run, statistics.median(speeds), metrics[-1].memory or 0.0


def bare(spec: RunSpec) -> tuple[float, float]:
    """The library alone, in a process of its own (see `_bare`)."""
    import msgspec

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.training", "--bare", msgspec.json.encode(spec).decode()]
        result = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"the bare library failed:\n{result.stdout[-2000:]}\n{result.stderr[-4000:]}")
    figures = json.loads(result.stdout.splitlines()[-1])
    return figures["speed"], figures["memory"]


def _bare(spec: RunSpec) -> None:
    from core.models.backend import choose_backend, prepare_imports
    from core.models.resolve import local_model_folder
    from core.tokens.tokenizer import TextTokenizer

    prepare_imports()
    backend = choose_backend(spec.model.load_in_4bit)
    from core.data.source import open_data
    from core.examples.build import build_training_set
    from core.training.step_callback import peak_memory

    folder = local_model_folder(spec.model.name, lambda _: None)
    tokenizer = TextTokenizer.from_folder(folder)
    rows = build_training_set(open_data(spec.data.source), spec, tokenizer, lambda _: None)
    model = _unsloth_model(folder, spec) if backend.kind == "unsloth" else _peft_model(folder, spec)
    import torch
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainingArguments
    from trl import SFTConfig, SFTTrainer

    from core.training.trainer import ExampleCollator

    class Clock(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.seconds: list[float] = []
            self.tokens: list[int] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self._began = self._now()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds.append(self._now() - self._began)

        def _now(self) -> float:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            return time.perf_counter()

    clock = Clock()
    lengths: list[int] = []
    collate = ExampleCollator(tokenizer.eos_id, rows)

    def counting(batch: Any) -> Any:
        lengths.append(sum(len(row["input_ids"]) for row in batch))
        return collate(batch)

    train, cuda = spec.train, torch.cuda.is_available()
    settings: dict[str, Any] = {
        "output_dir": "bare",
        "remove_unused_columns": False,
        "per_device_train_batch_size": train.batch_size,
        "gradient_accumulation_steps": 1,
        "max_steps": train.steps,
        "learning_rate": train.learning_rate,
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "seed": train.seed,
        "disable_tqdm": True,
    }
    rest: dict[str, Any] = {
        "model": model,
        "train_dataset": Dataset.from_dict(
            {"input_ids": [rows.ids(row).tolist() for row in range(len(rows))], "row": list(range(len(rows)))}
        ),
        "data_collator": counting,
        "processing_class": PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.raw, eos_token=tokenizer.eos, pad_token=tokenizer.eos
        ),
        "callbacks": [clock],
    }
    if cuda:
        ready = {"dataset_kwargs": {"skip_prepare_dataset": True}, "max_length": None}
        trainer = SFTTrainer(
            args=SFTConfig(**settings, **ready, optim="adamw_8bit", bf16=True, gradient_checkpointing=True), **rest
        )
    else:  # TRL's loss is a Triton kernel where Triton is installed, which runs only on GPUs
        trainer = Trainer(args=TrainingArguments(**settings, use_cpu=True), **rest)
    trainer.train()
    speeds = [tokens / seconds for tokens, seconds in zip(lengths, clock.seconds, strict=False)]
    print(json.dumps({"speed": statistics.median(speeds[WARM_UP:]), "memory": peak_memory()}))


def _unsloth_model(folder: Path, spec: RunSpec) -> Any:
    from unsloth import FastLanguageModel

    model, _ = FastLanguageModel.from_pretrained(
        model_name=str(folder),
        max_seq_length=spec.prompt.max_seq_length,
        dtype=None,
        load_in_4bit=True,
        local_files_only=True,
    )
    return FastLanguageModel.get_peft_model(
        model,
        r=spec.lora.r,
        target_modules=list(spec.lora.target_modules),
        lora_alpha=spec.lora.alpha,
        lora_dropout=0,
        bias="none",
        use_gradient_checkpointing="unsloth",
        random_state=3442,
    )


def _peft_model(folder: Path, spec: RunSpec) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    # float32 is what a script gets that names no dtype
    model = AutoModelForCausalLM.from_pretrained(str(folder), dtype=torch.float32)
    lora = LoraConfig(
        r=spec.lora.r, lora_alpha=spec.lora.alpha, target_modules=list(spec.lora.target_modules), task_type="CAUSAL_LM"
    )
    return get_peft_model(model, lora)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", nargs="?", default="demo")
    parser.add_argument("--tokens", type=int, default=135)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.bare:
        import msgspec

        _bare(msgspec.json.decode(arguments.bare, type=RunSpec))
        return
    with tempfile.TemporaryDirectory(prefix="suiron-bench-") as folder:
        os.environ["SUIRON_HOME"] = str(Path(folder) / "home")  # the run must not appear among the user's
        rows = Path(folder) / "rows.jsonl"
        write_rows(rows, arguments.batch * arguments.steps, arguments.tokens)
        spec = RunSpec(
            name="bench",
            data=DataSection(source=str(rows)),
            model=ModelSection(name=arguments.model),
            prompt=PromptSection(mixture=mixture_of_two(0.0), max_seq_length=max(2048, arguments.tokens * 2)),
            train=TrainSection(steps=arguments.steps, batch_size=arguments.batch, gradient_accumulation=1),
        )
        _, our_speed, our_memory = ours(spec)
        peer_speed, peer_memory = bare(spec)
        print(f"{arguments.batch} rows of about {arguments.tokens} tokens a step, {arguments.steps} steps")
        print(f"ours {our_speed:.0f} tok/s, {our_memory:.2f} GiB; bare {peer_speed:.0f} tok/s, {peer_memory:.2f} GiB")
        print(
            f"speed {our_speed / peer_speed:.2f} times the bare library's, memory {our_memory / peer_memory:.2f} times"
        )


if __name__ == "__main__":
    main()
