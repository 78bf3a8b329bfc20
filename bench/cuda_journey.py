"""The journey on a CUDA machine: train through Unsloth, then ask the result.

    python -m bench.cuda_journey SHAPE TOKENIZER_FOLDER [--steps N] [--screens | --only-screens]

With `--screens` also through the real app in a pseudo-terminal. Makes a model of the shape with random weights (see
bench.random_model) in a temporary folder, so its answers mean nothing; the journey shows that every process works
there, and how fast. Prints what each part printed, then one line of figures.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def core(*words: str) -> list[dict[str, Any]]:
    """The JSON lines of one headless command."""
    result = subprocess.run([sys.executable, "-m", "core", *words, "--json"], cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        print(result.stdout[-3000:], result.stderr[-6000:])
        raise SystemExit(f"core {words[0]} left with {result.returncode}")
    return [json.loads(line) for line in result.stdout.splitlines()]


def train(model: Path, steps: int) -> str:
    """Start a run on the demo's rows, wait for its end, print its figures; returns its id."""
    spec = model.parent / "spec.toml"
    spec.write_text(
        f'name = "cuda"\n[data]\nsource = "demo"\n[model]\nname = "{model}"\n'
        f"[train]\nsteps = {steps}\nbatch_size = 8\ngradient_accumulation = 1\nlearning_rate = 1e-3\n"
    )
    lines = core("train", str(spec), "--follow")
    metrics = [line for line in lines if "step" in line]
    run, status = lines[-1]["run"], lines[-1]["status"]
    print(f"run {run}: {status['state']}; {status['backend']}")
    print("facts:", json.dumps(status["facts"], ensure_ascii=False)[:1500])
    speeds = sorted(line["tokens_per_second"] for line in metrics[3:] if line.get("tokens_per_second"))
    print(
        f"loss {metrics[0]['loss']:.3f} -> {metrics[-1]['loss']:.3f}, median {speeds[len(speeds) // 2]:.0f} tok/s,"
        f" memory {metrics[-1]['memory']:.2f} GiB, {metrics[-1]['time'] - metrics[0]['time']:.1f} s for "
        f"{len(metrics)} steps"
    )
    return str(run)


def ask(run: str, *words: str) -> None:
    events = core(
        "ask",
        "Greta is 18 years old. Alma is 4 years older. How old is Alma?",
        "--adapter",
        run,
        "--max-tokens",
        "200",
        *words,
    )
    finish = events[-1]
    text = "".join(event.get("text", "") for event in events)
    print(f"asked {' '.join(words) or 'tuned'}: {text[:160]!r}")
    print("finish:", json.dumps(finish))


def headless(model: Path, steps: int) -> None:
    """Doctor, a run, and what the tuned and the base model say."""
    print(json.dumps(core("doctor", "--offline")[0], indent=1))
    run = train(model, steps)
    ask(run)
    ask(run, "--base")
    ask(run, "--template", "alpaca")


def screens(model: Path, steps: int) -> None:
    """Open, filter, train, quit and come back while it runs, ask: by keyboard in a pseudo-terminal of 120x40."""
    from bench.journey import come_back, leave, look_around, start_training, talk, wait_until_trained
    from bench.terminal import Terminal

    argv = [sys.executable, "-m", "tui", "demo", "--model", str(model)]
    with Terminal(argv, cwd=str(ROOT)) as terminal:
        look_around(terminal)
        start_training(terminal, steps)
        print(terminal.text())
        leave(terminal)
    with Terminal([sys.executable, "-m", "tui"], cwd=str(ROOT)) as terminal:
        come_back(terminal)
        wait_until_trained(terminal, 300)
        print(terminal.text())
        talk(terminal, "How many minutes are 2 hours?", sections=("reasoning",))
        print(terminal.text())
        leave(terminal)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("shape")
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--screens", action="store_true", help="after the headless part")
    parser.add_argument("--only-screens", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="suiron-cuda-") as folder:
        for name in ("HOME", "CACHE", "CONFIG"):
            os.environ[f"SUIRON_{name}"] = str(Path(folder) / name.lower())
        start = time.perf_counter()
        model = Path(folder) / f"random-{arguments.shape}"
        subprocess.run(
            [sys.executable, "-m", "bench.random_model", arguments.shape, str(model), str(arguments.tokenizer)],
            cwd=ROOT,
            check=True,
        )
        print(f"made in {time.perf_counter() - start:.1f} s")
        if not arguments.only_screens:
            headless(model, arguments.steps)
        if arguments.screens or arguments.only_screens:
            screens(model, arguments.steps)
        core("serve", "--stop")


if __name__ == "__main__":
    main()
