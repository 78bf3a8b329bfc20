"""How fast a 7B model is merged and written as GGUF, and in how much memory.

    python -m bench.export [--tiny] [--seconds N] [FOLDER]

Makes a model of Qwen2.5-7B's shape with random weights and a random adapter (on the GPU where there is one), then, in a
process of its own for each: merges it in 16 bit, and writes it as Q8_0. Prints time, weights a second and core, and the
peak of memory beside its limit (twice the largest tensor and 300 MB). First, what one core writes of each number
format. FOLDER (the temporary folder) needs 32 GB free; what is written there is removed at the end. After N seconds
(240) what is not done yet is left out, and said so. --tiny: a small shape, in seconds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from core.base.cpu_cores import available_cores, numpy_on_one_core

numpy_on_one_core()  # as in an export's process

import numpy as np  # noqa: E402

from bench.random_model import make  # noqa: E402
from core.models.export.adapter_weights import read_lora_updates  # noqa: E402
from core.models.export.disk_and_memory import peak_memory  # noqa: E402
from core.models.export.gguf_shapes import gguf_shape  # noqa: E402
from core.models.export.gguf_tokenizer import gguf_tokenizer  # noqa: E402
from core.models.export.gguf_writing import GGUF_TYPES, encode, write_gguf  # noqa: E402
from core.models.export.merged_tensors import MergedTensors  # noqa: E402
from core.models.export.model_tensors import largest_tensor_bytes, open_model_tensors, total_weights  # noqa: E402
from core.models.export.safetensors_writing import write_safetensors_folder  # noqa: E402
from core.models.resolve import read_model_config  # noqa: E402

RANK = 16
SECONDS_A_TYPE = 1.0
SECONDS_A_LINE = 5.0
NEEDED_BYTES = 32_000_000_000
LIMIT_EXTRA = 300 << 20


def one_core() -> None:
    """What one core writes of each format, in blocks that stay in its cache."""
    block = np.random.default_rng(0).normal(0, 0.02, (256, 4096)).astype(np.float32)
    for kind in GGUF_TYPES:
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS_A_TYPE:
            encode(block, kind)
            count += block.size
        print(
            f"one core, {kind}: {count / (time.perf_counter() - began) / 1e6:.0f} million weights a second", flush=True
        )


def make_adapter(model: Path, folder: Path) -> None:
    """A random adapter of rank 16 on all seven projections."""
    from safetensors.numpy import save_file

    generator = np.random.default_rng(0)
    factors: dict[str, object] = {}
    with open_model_tensors(model) as stored:
        for name, header in stored.headers.items():
            if not name.endswith("_proj.weight"):
                continue
            key = f"base_model.model.{name.removesuffix('.weight')}"
            rows, columns = header.shape
            factors[f"{key}.lora_A.weight"] = generator.normal(0, 0.02, (RANK, columns)).astype(np.float32)
            factors[f"{key}.lora_B.weight"] = generator.normal(0, 0.01, (rows, RANK)).astype(np.float32)
    folder.mkdir()
    save_file(factors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")


def write(to: str, model: Path, adapter: Path, out: Path) -> None:
    """Write one export and print its figures: the work of a process of its own."""
    began = time.perf_counter()
    out.mkdir()
    cores = available_cores()
    said = began

    def progress(name: str, done: int, total: int) -> None:
        nonlocal said
        if time.perf_counter() - said > SECONDS_A_LINE:
            said = time.perf_counter()
            print(f"  {to}: {done} of {total} tensors after {said - began:.0f} s", flush=True)

    with open_model_tensors(model) as stored:
        tensors = MergedTensors(stored, read_lora_updates(adapter, stored.headers))
        if to == "merged":
            write_safetensors_folder(tensors, model, out, "BF16", progress, cores)
        else:
            shape = gguf_shape(read_model_config(model), str(model))
            tokenizer = gguf_tokenizer(model, shape.vocabulary)
            write_gguf(tensors, shape, tokenizer, out / "m.gguf", "q8_0", {"name": "m"}, progress, cores)
        weights, largest = total_weights(stored.headers), largest_tensor_bytes(stored.headers)
    seconds = time.perf_counter() - began
    size = sum(path.stat().st_size for path in out.iterdir())
    rate = weights / seconds / 1e6
    print(
        f"{to}: {weights / 1e9:.2f} billion weights in {seconds:.1f} s on {cores} cores ({rate:.0f} million a second), "
        f"{size / 1e9:.1f} GB; peak memory {peak_memory() / 1e6:.0f} MB, limit {(2 * largest + LIMIT_EXTRA) / 1e6:.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--tiny", action="store_true", help="a small shape, in seconds")
    parser.add_argument("--seconds", type=float, default=240, help="leave out what is not done by then")
    parser.add_argument("--write", nargs=4, metavar=("TO", "MODEL", "ADAPTER", "OUT"), help="one export alone")
    options = parser.parse_args()
    if options.write:
        write(options.write[0], *(Path(word) for word in options.write[1:]))
        return
    free = shutil.disk_usage(options.folder).free
    print(f"{available_cores()} cores; {free / 1e9:.0f} GB free in {options.folder}", flush=True)
    if not options.tiny and free < NEEDED_BYTES:
        sys.exit(f"{NEEDED_BYTES / 1e9:.0f} GB are needed: name another folder")
    from tests.support.export_models import QWEN_SPLIT, make_byte_level

    began = time.perf_counter()
    one_core()
    root = Path(tempfile.mkdtemp(prefix="export-", dir=options.folder))
    try:
        tokenizer = make_byte_level(root / "tokenizer", QWEN_SPLIT)
        model = make("tiny" if options.tiny else "7b", root / "model", tokenizer)
        make_adapter(model, root / "adapter")
        print(f"made the model, {time.perf_counter() - began:.1f} s after the start", flush=True)
        for to in ("merged", "q8_0"):
            left = options.seconds - (time.perf_counter() - began)
            command = [sys.executable, "-m", "bench.export", "--write", to]
            try:
                subprocess.run([*command, model, root / "adapter", root / to], check=True, timeout=max(1.0, left))
            except subprocess.TimeoutExpired:
                print(f"{to}: left out, or ended, after {options.seconds:.0f} s", flush=True)
            shutil.rmtree(root / to, ignore_errors=True)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
