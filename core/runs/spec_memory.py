"""What a run's specification says to the estimate of its memory."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from core.models.fit.training_shape import FitBackend, Placement, TrainingShape
from core.runs.spec import RunSpec
from core.tokens.loss_mask import is_weighted

_FAST_BFLOAT16 = ("avx512_bf16", "amx_bf16")


def training_shape_of(spec: RunSpec, longest: int | None = None) -> TrainingShape:
    """The settings on which the run's memory depends. longest: tokens of its longest row; None: as long as allowed."""
    return TrainingShape(
        batch_size=spec.train.batch_size,
        tokens=longest or spec.prompt.max_seq_length,
        r=spec.lora.r,
        target_modules=spec.lora.target_modules,
        gradient_checkpointing=spec.train.gradient_checkpointing,
        accumulation=spec.train.gradient_accumulation,
        optim=spec.train.optim,
        weighted=is_weighted(spec.prompt.loss_on),
    )


def placement_of(spec: RunSpec, on_gpu: bool, backend: FitBackend | None = None) -> Placement:
    """How the run holds its model on a GPU, or in main memory. backend: the library; None: that which a run on this
    machine takes."""
    kind: FitBackend = "transformers"
    if on_gpu:
        kind = backend or ("unsloth" if importlib.util.find_spec("unsloth") is not None else "transformers")
    return Placement(
        backend=kind,
        on_gpu=on_gpu,
        four_bit=on_gpu and spec.model.load_in_4bit,
        width=_width(spec.train.dtype, on_gpu),
    )


def _width(dtype: str, on_gpu: bool) -> int:
    """Bytes of a weight that is not quantised."""
    if dtype == "auto":
        return 2 if on_gpu or _cpu_has_bfloat16() else 4
    return 4 if dtype == "float32" else 2


def _cpu_has_bfloat16() -> bool:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(flag in text for flag in _FAST_BFLOAT16)
