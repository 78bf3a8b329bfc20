"""Training speed: Suiron's padded, packed and captured steps beside the libraries' own, on the same rows and settings.

    python -m bench.train_speed [--cases NAME ...] [--paths NAME ...] [--minutes N] [--tiny]

Cases, each a shape of random weights, a kind of rows, and rows an optimizer step:

    0.5b-gsm8k, 7b-gsm8k    the seeds' setting: batches of 2, 4 accumulated; rows as long as gsm8k's
    0.5b-short              batches of 8, none accumulated; rows of about 140 tokens
    7b-long                 batches of 2, 4 accumulated; rows of 1,500 tokens (median)

Paths: `unsloth`: the seeds' own script; `unsloth-packed`: the same with the rows of a step as one packed batch, as
Unsloth packs them; `plain`: TRL, PEFT and bitsandbytes as their documentation has them; `padded`,
`packed`, `captured`, `auto`: a run of Suiron with that `train.step`. All train QLoRA with rank 16 on all seven
projections and every token of the rows. A run of Suiron is the whole process, with its metrics, status and control.

Every path runs in a process of its own with a time limit; what fails or is late loses only its own line. Prints for
each the median time of a step and tokens a second (from one step's end to the next's, the first ones left out), and
memory at the peak, then ratios. `--tiny` runs everything that works on a CPU, small, to see whether it works.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.encode import some_rows, some_tokenizer
from core.base.child import environment
from core.runs.run_folder import create_run_folder
from core.runs.spec import DataSection, ModelSection, PromptSection, RunSpec, TrainSection, mixture_of_two
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.tokenizer import TextTokenizer

WARM_UP = 3  # steps left out: compiling, allocating, tuning, recording
OURS = ("padded", "packed", "captured", "auto")
PEERS = ("unsloth", "unsloth-packed", "plain")
_TEMPLATE = "alpaca-reasoning"
_LIMIT = 150.0  # seconds for one path


class Case(NamedTuple):
    """A model's shape, rows, and how many of them a step takes."""

    shape: str
    """Of `bench.random_model`."""
    median: int
    """Tokens of the median row."""
    spread: float
    """Standard deviation of the logarithm of a row's tokens."""
    batch: int
    """Rows of a batch."""
    accumulate: int
    """Batches of a step."""
    steps: int
    """Optimizer steps that are trained."""
    paths: tuple[str, ...]
    """The paths that are measured."""


CASES = {
    "0.5b-gsm8k": Case(
        "0.5b", 230, 0.3, 2, 4, 30, ("unsloth", "captured", "packed", "auto", "padded", "unsloth-packed")
    ),
    "0.5b-short": Case("0.5b", 140, 0.1, 8, 1, 30, ("unsloth", "captured")),
    "7b-gsm8k": Case("7b", 230, 0.3, 2, 4, 16, ("unsloth", "captured", "packed")),
    "7b-long": Case("7b", 1500, 0.25, 2, 4, 9, ("unsloth", "captured", "packed", "plain", "unsloth-packed")),
}
TINY = {"tiny": Case("tiny", 140, 0.3, 2, 4, 8, ("plain", "padded", "packed", "captured", "auto"))}


def write_rows(path: Path, case: Case, tokenizer: TextTokenizer) -> None:
    """Rows of words of one token each, for every step."""
    pick = random.Random(0)
    words = [word for word in _words() if len(tokenizer.encode(" " + word)[0]) == 1]
    around = len(tokenizer.encode(TEXT_TEMPLATES[_TEMPLATE].pattern)[0])
    with path.open("w", encoding="utf-8") as file:
        for _ in range(case.batch * case.accumulate * case.steps):
            tokens = min(2000, round(case.median * pick.lognormvariate(0, case.spread)))
            text = [" ".join(pick.choices(words, k=count)) for count in (10, max(8, tokens - around - 14), 4)]
            row = {"instruction": text[0], "reasoning": text[1], "output": text[2]}
            file.write(json.dumps(row) + "\n")


def make_tokenizer(folder: Path) -> None:
    """A tokenizer for which the template's words are a token each, as for those of real models."""
    rows = some_rows(2000)
    pattern = TEXT_TEMPLATES[_TEMPLATE].pattern
    some_tokenizer([msgspec.structs.replace(row, instruction=pattern + row.instruction) for row in rows], folder)


def _words() -> list[str]:
    words = {word for row in some_rows(200) for word in row.reasoning.split() if word.isascii() and word.isalpha()}
    return sorted(words)


def run_spec(case: Case, rows: Path, model: Path, step: str) -> RunSpec:
    """The seeds' preset with the case's batches, on every token."""
    return RunSpec(
        name=step,
        data=DataSection(source=str(rows)),
        model=ModelSection(name=str(model)),
        prompt=PromptSection(mixture=mixture_of_two(0.0), loss_on="all"),
        train=TrainSection(
            steps=case.steps,
            batch_size=case.batch,
            gradient_accumulation=case.accumulate,
            step=step if step in OURS else "padded",  # type: ignore[arg-type]
        ),
    )


class Figures(NamedTuple):
    """What a path measured."""

    seconds: float
    """Of the median step."""
    speed: float
    """Tokens a second of the median step, padding not counted."""
    memory: float
    """GiB at the peak: reserved on a GPU, resident on a CPU."""
    words: str
    """What the path says of itself."""


def ours(spec: RunSpec, limit: float) -> Figures:
    """A run, in its own process."""
    run = create_run_folder(spec)
    with open(run.console, "wb") as console:
        done = subprocess.run(
            [sys.executable, "-m", "core.training", str(run.path)],
            env=environment(HF_HUB_OFFLINE="1"),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            timeout=limit,
        )
    if done.returncode:
        print(run.console.read_text(errors="replace")[-2500:])
        raise RuntimeError(f"the run ended with {done.returncode}: {run.status().error}")
    metrics = run.metrics()[0]
    times, tokens = [metric.time for metric in metrics], [metric.tokens for metric in metrics]
    return _figures(times, tokens, metrics[-1].memory or 0.0, run.status().backend)


def peer(path: str, spec: RunSpec, limit: float) -> Figures:
    """A library alone, in its own process (see `_train_peer`)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "bench.train_speed", "--peer", path, msgspec.json.encode(spec).decode()]
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(HF_HUB_OFFLINE="1"),
            capture_output=True,
            text=True,
            timeout=limit,
        )
    if done.returncode:
        print(done.stdout[-800:], done.stderr[-2500:])
        raise RuntimeError(f"it ended with {done.returncode}")
    found = json.loads(done.stdout.splitlines()[-1])
    return _figures(found["times"], found["tokens"], found["memory"], found["words"])


def _figures(times: list[float], tokens: list[int], memory: float, words: str) -> Figures:
    """times: of the ends of the steps; tokens: trained until then."""
    pairs = list(zip(times, tokens, strict=True))[WARM_UP - 1 :]
    steps = [(end - start, after - before) for (start, before), (end, after) in itertools.pairwise(pairs)]
    speeds = [count / seconds for seconds, count in steps]
    return Figures(statistics.median(seconds for seconds, _ in steps), statistics.median(speeds), memory, words)


def _train_peer(path: str, spec: RunSpec) -> None:
    from core.models.backend import prepare_imports

    prepare_imports()
    import torch

    cuda = torch.cuda.is_available()
    packed = path == "unsloth-packed"
    model = _plain_model(spec, cuda) if path == "plain" else _unsloth_model(spec)
    from datasets import Dataset
    from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainingArguments
    from trl import SFTConfig, SFTTrainer

    from core.data.source import open_data
    from core.examples.build import build_training_set
    from core.training.collator import ExampleCollator
    from core.training.step_callback import peak_memory

    tokenizer = TextTokenizer.from_folder(Path(spec.model.name))
    rows = build_training_set(open_data(spec.data.source), spec, tokenizer, lambda _: None)
    times: list[float] = []
    tokens: list[int] = []
    seen = 0
    collate = ExampleCollator(tokenizer.eos_id, rows, sections=False)

    def counting(items: Any) -> Any:
        nonlocal seen
        seen += sum(len(item["input_ids"]) for item in items)
        batch = collate(items)
        del batch["rows"]
        return batch

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            # All batches of the step are collected by now, and one of the next.
            tokens.append(mean * len(tokens) if packed else seen)

        def on_step_end(self, *_: Any, **__: Any) -> None:
            if cuda:
                torch.cuda.synchronize()
            times.append(time.time())

    train = spec.train
    rows_a_step = train.batch_size * train.gradient_accumulation
    mean = rows.tokens * rows_a_step // len(rows)
    settings: dict[str, Any] = {
        "output_dir": "out",
        "remove_unused_columns": False,
        "per_device_train_batch_size": rows_a_step if packed else train.batch_size,
        "gradient_accumulation_steps": 1 if packed else train.gradient_accumulation,
        "max_steps": train.steps,
        "warmup_steps": 5,
        "learning_rate": train.learning_rate,
        "weight_decay": 0.01,
        "lr_scheduler_type": "linear",
        "logging_steps": 1,
        "report_to": "none",
        "save_strategy": "no",
        "seed": train.seed,
        "disable_tqdm": True,
    }
    columns: dict[str, Any] = {"input_ids": [rows.ids(row).tolist() for row in range(len(rows))]}
    columns |= {"labels": columns["input_ids"]} if packed else {"row": list(range(len(rows)))}
    rest: dict[str, Any] = {
        "model": model,
        "train_dataset": Dataset.from_dict(columns),
        "processing_class": PreTrainedTokenizerFast(
            tokenizer_object=tokenizer.raw, eos_token=tokenizer.eos, pad_token=tokenizer.eos
        ),
        "callbacks": [Clock()],
    }
    if not packed:  # its own collator packs
        rest["data_collator"] = counting
    if cuda:
        ready: dict[str, Any] = {"dataset_kwargs": {"skip_prepare_dataset": True}, "max_length": None, "bf16": True}
        more: dict[str, Any] = {"gradient_checkpointing": True} if path == "plain" else {}
        if packed:
            ready["packing"], ready["max_length"] = True, 2048
        trainer = SFTTrainer(args=SFTConfig(**settings, **ready, **more, optim="adamw_8bit"), **rest)
    else:  # TRL's loss is a Triton kernel, which runs only on GPUs
        trainer = Trainer(args=TrainingArguments(**settings, use_cpu=True), **rest)
    trainer.train()
    print(json.dumps({"times": times, "tokens": tokens, "memory": peak_memory(), "words": type(model).__name__}))


def _unsloth_model(spec: RunSpec) -> Any:
    from unsloth import FastLanguageModel

    model, _ = FastLanguageModel.from_pretrained(
        model_name=spec.model.name, max_seq_length=2048, dtype=None, load_in_4bit=True, local_files_only=True
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
        use_rslora=False,
        loftq_config=None,
    )


def _plain_model(spec: RunSpec, cuda: bool) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    lora = LoraConfig(
        r=spec.lora.r, lora_alpha=spec.lora.alpha, target_modules=list(spec.lora.target_modules), task_type="CAUSAL_LM"
    )
    if not cuda:
        return get_peft_model(AutoModelForCausalLM.from_pretrained(spec.model.name, dtype=torch.float32), lora)
    four_bit = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = AutoModelForCausalLM.from_pretrained(
        spec.model.name, quantization_config=four_bit, dtype=torch.bfloat16, device_map={"": 0}
    )
    model.config.use_cache = False
    return get_peft_model(prepare_model_for_kbit_training(model, use_gradient_checkpointing=True), lora)


def measure_case(name: str, case: Case, paths: list[str], home: Path, until: float) -> None:
    """Measure the paths of a case and print their figures. until: when no path may be started any more."""
    tokenizer = home / "tokenizer"
    model = home / f"model-{case.shape}"
    if not model.exists():
        began = time.monotonic()
        command = [sys.executable, "-m", "bench.random_model", case.shape, str(model), str(tokenizer)]
        subprocess.run(command, env=environment(), check=True, capture_output=True)
        print(f"({case.shape} made in {time.monotonic() - began:.0f} s)", flush=True)
    rows = home / f"{name}.jsonl"
    write_rows(rows, case, TextTokenizer.from_folder(tokenizer))
    print(f"\n{name}: {case.batch} x {case.accumulate} rows of about {case.median} tokens a step", flush=True)
    found: dict[str, Figures] = {}
    for path in case.paths:
        left = until - time.monotonic()
        if paths and path not in paths:
            continue
        if left < 15:
            print(f"  {path:9} left out: no time left")
            continue
        began = time.monotonic()
        spec = run_spec(case, rows, model, path)
        try:
            limit = min(_LIMIT, left)
            figures = ours(spec, limit) if path in OURS else peer(path, spec, limit)
        except (subprocess.TimeoutExpired, RuntimeError, OSError, ValueError) as error:
            print(f"  {path:9} failed: {str(error)[:400]}", flush=True)
            continue
        found[path] = figures
        took = time.monotonic() - began
        print(
            f"  {path:9} {figures.seconds * 1000:8.1f} ms a step {figures.speed:8,.0f} tok/s {figures.memory:6.2f} GiB"
            f"  ({took:.0f} s)  {figures.words}",
            flush=True,
        )
    for other in PEERS:
        if other in found:
            ratios = [f"{path} {found[path].speed / found[other].speed:.2f}" for path in found if path in OURS]
            print(f"  times {other}: {', '.join(ratios) or 'nothing to compare'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", nargs="*", default=[])
    parser.add_argument("--paths", nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        _train_peer(arguments.peer[0], msgspec.json.decode(arguments.peer[1], type=RunSpec))
        return
    until = time.monotonic() + 60 * arguments.minutes
    cases = TINY if arguments.tiny else CASES
    with tempfile.TemporaryDirectory(prefix="suiron-bench-") as folder:
        home = Path(folder)
        for name in ("HOME", "CACHE", "CONFIG"):
            os.environ[f"SUIRON_{name}"] = str(home / name.lower())
        (home / "tokenizer").mkdir()
        make_tokenizer(home / "tokenizer")
        for name, case in cases.items():
            if not arguments.cases or name in arguments.cases:
                measure_case(name, case, arguments.paths, home, until)


if __name__ == "__main__":
    main()
