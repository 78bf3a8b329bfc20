"""The settings of the adapter as `core.models.loading` takes them, from a run's specification. Imports no torch."""

from __future__ import annotations

from core.models.lora_settings import LoraSettings
from core.runs.spec import RunSpec
from core.tokens.loss_mask import is_weighted


def lora_settings(spec: RunSpec, longest: int) -> LoraSettings:
    """longest: tokens of the longest row."""
    lora, train = spec.lora, spec.train
    return LoraSettings(
        r=lora.r,
        alpha=lora.alpha,
        dropout=lora.dropout,
        target_modules=lora.target_modules,
        bias=lora.bias,
        use_rslora=lora.use_rslora,
        seed=train.seed,
        batch_size=train.batch_size,
        tokens=longest,
        max_seq_length=spec.prompt.max_seq_length,
        gradient_checkpointing=train.gradient_checkpointing,
        dtype=train.dtype,
        optim=train.optim,
        packed=train.step != "padded",
        weighted=is_weighted(spec.prompt.loss_on),
    )
