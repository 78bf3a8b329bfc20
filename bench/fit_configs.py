"""The trainings whose memory `bench.fit` measures: sizes, backends, bits, batches, lengths, checkpointing."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class FitConfig(msgspec.Struct, frozen=True):
    """One training to measure."""

    shape: str
    """The model: a name in `bench.hollow_model.SHAPES`."""
    backend: Literal["unsloth", "transformers"]
    """The library that trains."""
    bits: int
    """4 or 16: of the base weights."""
    batch: int
    """Rows of a pass."""
    tokens: int
    """Tokens of every row."""
    checkpointing: bool = True
    """Whether activations are recomputed in the backward pass."""
    r: int = 16
    """The adapter's rank."""
    targets: tuple[str, ...] = ()
    """The modules that get an adapter; empty: all seven projections."""
    optim: str = "auto"
    """The optimizer."""
    limit_gib: float = 0.0
    """The allocator may take no more than this; 0: no limit."""

    @property
    def name(self) -> str:
        """A short name, unique among the configurations."""
        parts = [self.shape, self.backend, f"{self.bits}bit", f"b{self.batch}", f"s{self.tokens}"]
        parts += [] if self.checkpointing else ["nock"]
        parts += [f"r{self.r}"] if self.r != 16 else []
        parts += ["-".join(self.targets)] if self.targets else []
        parts += [self.optim] if self.optim != "auto" else []
        parts += [f"limit{self.limit_gib:g}"] if self.limit_gib else []
        return " ".join(parts)


def _of(backend: Any, rows: tuple[tuple[Any, ...], ...]) -> list[FitConfig]:
    return [
        FitConfig(shape, backend, bits, batch, tokens, *((checkpointing,) if rest == () else (checkpointing, *rest)))
        for shape, bits, batch, tokens, checkpointing, *more in rows
        for rest in [tuple(more)]
    ]


_UNSLOTH = _of(
    "unsloth",
    (
        ("32b", 4, 1, 2048, True),
        ("7b", 4, 2, 2048, True),
        ("0.5b", 4, 8, 2048, True),
        ("14b", 4, 2, 4096, True),
        ("3b", 16, 2, 2048, True),
        ("7b", 4, 1, 2048, False),
        ("0.5b", 16, 4, 2048, True),
        ("3b", 4, 2, 2048, True),
        ("7b", 16, 1, 2048, True),
        ("0.5b", 4, 8, 2048, False),
        ("14b", 4, 1, 1024, True),
        ("3b", 4, 1, 4096, True, 64),
        ("7b", 4, 8, 1024, True),
        ("llama-1b", 4, 4, 2048, True),
        ("llama-8b", 4, 2, 2048, True),
        ("0.5b", 4, 2, 512, True),
    ),
)
_TRANSFORMERS = _of(
    "transformers",
    (
        ("32b", 4, 1, 2048, True),
        ("7b", 4, 2, 2048, True),
        ("0.5b", 4, 8, 2048, True),
        ("14b", 4, 1, 2048, True),
        ("3b", 16, 2, 2048, True),
        ("7b", 4, 1, 1024, False),
        ("0.5b", 16, 4, 2048, True),
        ("3b", 4, 2, 2048, True),
        ("7b", 16, 1, 2048, True),
        ("0.5b", 4, 4, 1024, False),
        ("3b", 16, 1, 1024, False),
        ("3b", 4, 1, 4096, True, 64),
        ("7b", 4, 8, 1024, True),
        ("llama-1b", 4, 4, 2048, True),
        ("llama-8b", 4, 2, 2048, True),
        ("0.5b", 4, 2, 512, True),
    ),
)
_OTHERS = [
    FitConfig("14b", "unsloth", 16, 1, 1024),
    FitConfig("32b", "unsloth", 4, 1, 2048, limit_gib=22.5),
    FitConfig("3b", "unsloth", 4, 2, 2048, targets=("q_proj", "v_proj")),
    FitConfig("3b", "transformers", 4, 2, 2048, optim="adamw_torch"),
    FitConfig("llama-8b", "unsloth", 4, 1, 2048),
    FitConfig("7b", "unsloth", 4, 1, 8192),
    FitConfig("7b", "transformers", 4, 1, 8192),
    FitConfig("llama-8b", "transformers", 16, 1, 2048),
    FitConfig("llama-1b", "unsloth", 16, 8, 1024),
    FitConfig("14b", "transformers", 4, 2, 1024, r=32, targets=("q_proj", "k_proj", "v_proj", "o_proj")),
    FitConfig("llama-1b", "transformers", 4, 2, 2048, False),
]
"""None of these was looked at when the constants were fitted: they judge them."""


def on_gpu() -> list[FitConfig]:
    """Those for a GPU of 80 GB, the most telling first; either backend in turn."""
    turns = [config for pair in zip(_UNSLOTH, _TRANSFORMERS, strict=True) for config in pair]
    return turns + _OTHERS


def tiny() -> list[FitConfig]:
    """Those that show on any CPU that the measuring works."""
    return [FitConfig("tiny", "transformers", 16, 2, 64), FitConfig("tiny", "transformers", 16, 2, 64, False)]
