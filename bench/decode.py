"""Decoding steps on one GPU: the speed of each path on random models of real shapes, their truth, and their yardstick.

    python -m bench.decode [--sections yardstick,product,speed,rows,context,truth] [--models 7b-nf4-lora,...]

Prompt of 200 tokens, 256 new ones, greedy. `plain` and transformers' `generate` make 64. Rates are those of the whole
loop with every token read by the host, after the first token. The yardstick is the best rate at which cuBLAS reads
bfloat16 weights in this run. `truth` compares scores with the same model in float32 on dequantised weights, fed the
same tokens. Each line is one JSON object. Needs an NVIDIA GPU; `bench.decode_unsloth` is the same with Unsloth.
"""
# ruff: noqa: E402  (the environment is prepared before torch is imported)

from __future__ import annotations

import argparse
import gc
import json
import os
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("SUIRON_CACHE", str(Path(tempfile.gettempdir()) / "suiron-bench"))

from core.models.backend import prepare_imports

prepare_imports()

import torch

from bench.decode_model import SHAPES, float32_reference, random_decoder
from bench.generate_rate import generate_rate
from core.engine.kernels.launcher import CooperativeKernel
from core.engine.kernels.nvrtc import DECODE_STEP, compile_cached, kernel_source, with_macros
from core.engine.steps.captured_step import CapturedStep
from core.engine.steps.fused_step import NO_ADAPTER, FusedKernel, FusedStep
from core.engine.steps.plain_step import PlainStep
from core.engine.steps.rows import RowStep
from core.engine.steps.trial import try_step

PROMPT = list(range(100, 300))
NEW, FEW = 256, 64
LORA = 16
MODELS = (
    "7b-nf4-lora",
    "0.5b-nf4-lora",
    "7b-nf4",
    "7b-bf16",
    "7b-bf16-lora",
    "0.5b-bf16",
    "14b-nf4-lora",
    "32b-nf4-lora",
)
_OWN_PEERS = ("7b-nf4-lora", "0.5b-nf4-lora", "7b-bf16", "7b-bf16-lora", "0.5b-bf16")


def say(**fields: Any) -> None:
    print(json.dumps(fields), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sections", default="yardstick,product,speed,rows,context,truth")
    parser.add_argument("--models", default=",".join(MODELS))
    arguments = parser.parse_args()
    sections, names = arguments.sections.split(","), arguments.models.split(",")
    say(card=torch.cuda.get_device_name(), torch=torch.__version__, cores=os.cpu_count())
    best = read_rate() if {"yardstick", "product"} & set(sections) else 0.0
    if "product" in sections:
        section("product", lambda: own_product(best))
    for name in names:
        section(f"model {name}", lambda name=name: one_model(name, sections))  # type: ignore[misc]


def section(name: str, work: Callable[[], None]) -> None:
    """Run one part; its failure is printed and does not lose the others."""
    start = time.perf_counter()
    try:
        work()
    except Exception:
        traceback.print_exc()
    gc.collect()
    torch.cuda.empty_cache()
    say(section=name, seconds=round(time.perf_counter() - start, 1))


def read_rate() -> float:
    """The best rate, in TB/s, at which cuBLAS reads bfloat16 weights for one column."""
    rates = {}
    for rows, width in ((37888, 3584), (3584, 18944), (55296, 5120), (152064, 3584)):
        weights = [torch.randn(rows, width, device="cuda", dtype=torch.bfloat16) for _ in range(4)]
        x = torch.randn(1, width, device="cuda", dtype=torch.bfloat16)
        us = microseconds(lambda w=weights, x=x: [torch.nn.functional.linear(x, one) for one in w]) / len(weights)  # type: ignore[misc]
        rates[f"{rows}x{width}"] = round(2 * rows * width / us / 1e6, 2)
    say(yardstick="cuBLAS bf16, TB/s", **rates)
    return max(rates.values())


def own_product(best: float) -> None:
    """Gate and up of 7B with their norm and the meeting of all blocks, over 14 layers, which no cache holds."""
    layers = 14
    model = random_decoder("7b", four_bit=True, num_hidden_layers=layers, vocab_size=5000)
    shape = SHAPES["7b"]
    weights = 2 * shape["intermediate_size"] * shape["hidden_size"]
    size = weights // 2 + weights // 64 + weights // 64 // 64
    for rows in (1, 8):
        kernel = FusedKernel(model, rows)
        step = FusedStep(model, kernel, rows)
        source = with_macros(kernel_source(DECODE_STEP), {**kernel.plan.macros, "PRODUCT_ONLY": 1})
        cubin = compile_cached(source, kernel.architecture)
        launcher = CooperativeKernel(
            cubin, "gate_up_only", blocks=kernel.blocks, threads=512, shared_bytes=kernel.plan.shared_bytes
        )
        step.buffer("hidden").normal_()
        us = microseconds(lambda run=launcher, step=step: step.launch_other(run)) / layers  # type: ignore[misc]
        rate = size / us / 1e6
        say(product="7b gate+up nf4", columns=rows, us=round(us, 1), tb_s=round(rate, 2), share=round(rate / best, 2))


def one_model(name: str, sections: list[str]) -> None:
    shape, kind, *more = name.split("-")
    model = random_decoder(shape, four_bit=kind == "nf4", lora=LORA if more else 0)
    say(model=name, weights_gib=round(torch.cuda.memory_allocated() / 2**30, 1))
    if "speed" in sections:
        speeds(name, model)
    if "rows" in sections and name == "7b-nf4-lora":
        eight_rows(name, model)
    if "context" in sections and name == "7b-nf4-lora":
        long_context(name, model)
    if "truth" in sections and name in ("7b-nf4-lora", "0.5b-nf4-lora", "7b-bf16-lora"):
        truth(name, model)


def base_of(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def speeds(name: str, model: Any) -> None:
    has_peers = name in _OWN_PEERS
    if has_peers:
        say(model=name, path="generate", tok_s=round(generate_rate(model, PROMPT, FEW), 1))
        say(model=name, path="plain", **rate(PlainStep(model), FEW))
    start = time.perf_counter()
    kernel = FusedKernel(base_of(model), 1)
    compiled = time.perf_counter() - start
    if has_peers:
        say(model=name, path="captured", **rate(CapturedStep(model), NEW))
    step = FusedStep(model, kernel)
    verdict = try_step(step, PlainStep(model), PROMPT[:40])
    say(model=name, path="fused", **rate(step, NEW), compile_s=round(compiled, 2), trial=verdict.why or "same")


def rate(step: RowStep, count: int, rows: int = 1, prompt: list[int] | None = None) -> dict[str, Any]:
    """tok/s of one row, the prompt's seconds, and the seconds of the first step (where a graph is recorded)."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    for row in range(rows):
        step.prefill(row, prompt or PROMPT)
    torch.cuda.synchronize()
    fed = time.perf_counter()
    step.advance()
    torch.cuda.synchronize()
    first = time.perf_counter()
    for _ in range(count):
        step.advance()
    torch.cuda.synchronize()
    seconds = time.perf_counter() - first
    for row in range(rows):
        step.release(row)
    return {
        "tok_s": round(count / seconds, 1),
        "prefill_s": round((fed - start) / rows, 3),
        "first_step_s": round(first - fed, 3),
    }


def eight_rows(name: str, model: Any) -> None:
    alone = rate(FusedStep(model, FusedKernel(base_of(model), 1)), NEW)["tok_s"]
    together = rate(FusedStep(model, FusedKernel(base_of(model), 8), 8), NEW, rows=8)["tok_s"]
    say(model=name, rows=8, each_tok_s=together, alone=alone, share=round(together / alone, 2))


def long_context(name: str, model: Any) -> None:
    kernel = FusedKernel(base_of(model), 1)
    short = rate(FusedStep(model, kernel), NEW)["tok_s"]
    step = FusedStep(model, kernel, capacity=16_384 + 1024)
    prompt = [100 + i % 30_000 for i in range(16_384)]
    found = rate(step, NEW, prompt=prompt)
    cache_gib = round(step.cache.bytes / 2**30, 2)
    say(model=name, context=16_384, **found, short=short, share=round(found["tok_s"] / short, 2), cache_gib=cache_gib)


@torch.inference_mode()
def truth(name: str, model: Any) -> None:
    """Errors of the scores against float32, bits of a row alone and beside others, and 200 greedy ids."""
    base = base_of(model)
    reference = float32_reference(model)
    paths: dict[str, RowStep] = {
        "plain": PlainStep(model),
        "captured": CapturedStep(model),
        "fused": FusedStep(model, FusedKernel(base, 1)),
    }
    errors: dict[str, list[float]] = {path: [] for path in paths}
    for text in range(2):
        ids = [(7 + 13 * text + 31 * i) % 30_000 for i in range(80 + 60 * text)]
        for step in paths.values():
            step.release(0)
            step.prefill(0, ids)
        for _ in range(12):
            token = paths["plain"].tokens[0].clone()
            ids.append(int(token))
            for step in paths.values():
                step.tokens[0] = token
                step.advance()
            want = reference(torch.tensor([ids], device="cuda"), logits_to_keep=1).logits[0, -1]
            for path, step in paths.items():
                errors[path].append(float((step.scores(0) - want).norm() / want.norm()))
    say(
        model=name,
        truth="mean relative error of the scores",
        **{k: round(sum(v) / len(v), 5) for k, v in errors.items()},
    )
    del reference
    same_bits(name, model, paths["fused"])
    base_and_tuned(name, model, paths["fused"])
    greedy_ids(name, paths)


def same_bits(name: str, model: Any, alone: RowStep) -> None:
    together = FusedStep(model, FusedKernel(base_of(model), 8), 8)
    prompts = [[(5 + 17 * row + 29 * i) % 30_000 for i in range(60 + 37 * row)] for row in range(8)]
    seen = []
    for row in range(8):
        together.prefill(row, prompts[row])
    fed = [together.advance() for _ in range(16)]
    for row in range(8):
        alone.release(0)
        alone.prefill(0, prompts[row])
        ids = [alone.advance()[0] for _ in range(16)]
        same = ids == [step[row] for step in fed]
        seen.append(same and torch.equal(alone.scores(0), together.scores(row)))
    say(model=name, truth="a row's scores have the same bits alone and beside seven", rows=seen)


def base_and_tuned(name: str, model: Any, alone: RowStep) -> None:
    """The base model and its adapter side by side in one batch: each must have the bits that it has alone."""
    together = FusedStep(model, FusedKernel(base_of(model), 8), 8)
    with model.disable_adapter():
        together.prefill(0, PROMPT, slot=NO_ADAPTER)
        plain = PlainStep(model)
        plain.prefill(0, PROMPT)
    together.prefill(1, PROMPT)
    alone.release(0)
    alone.prefill(0, PROMPT)
    for _ in range(4):
        with model.disable_adapter():
            plain.tokens[0] = together.tokens[0]
            plain.advance()
        alone.advance()
        together.advance()
    base, tuned = together.scores(0), together.scores(1)
    error = float((base - plain.scores(0)).norm() / plain.scores(0).norm())
    apart = float((base - tuned).norm() / tuned.norm())
    same = torch.equal(tuned, alone.scores(0))
    say(
        model=name,
        truth="base and tuned in one batch",
        base_to_plain=round(error, 4),
        apart=round(apart, 3),
        tuned=same,
    )


def greedy_ids(name: str, paths: dict[str, RowStep]) -> None:
    """200 ids of each path after the plain step's own: where one differs, the plain step's scores say by how much, in
    standard deviations of all scores; then it is fed the plain step's id."""
    for step in paths.values():
        step.release(0)
        step.prefill(0, PROMPT)
    gaps: dict[str, list[float]] = {path: [] for path in paths if path != "plain"}
    for _ in range(200):
        plain = paths["plain"]
        chosen, scores = int(plain.tokens[0]), plain.scores(0)
        for path, step in paths.items():
            if path == "plain":
                continue
            other = int(step.tokens[0])
            if other != chosen:
                gaps[path].append(round(float((scores[chosen] - scores[other]) / scores.std()), 3))
                step.tokens[0] = chosen
        for step in paths.values():
            step.advance()
    found = {path: {"differ": len(gap), "largest": max(gap, default=0.0)} for path, gap in gaps.items()}
    say(model=name, truth="greedy ids that differ of 200, and the largest gap in standard deviations", **found)


def microseconds(work: Callable[[], Any], times: int = 20) -> float:
    """The median of `times` runs, timed by events on the card."""
    for _ in range(3):
        work()
    start: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    end: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    found = []
    for _ in range(times):
        start.record()
        work()
        end.record()
        end.synchronize()
        found.append(start.elapsed_time(end) * 1e3)
    return float(sorted(found)[len(found) // 2])


if __name__ == "__main__":
    main()
