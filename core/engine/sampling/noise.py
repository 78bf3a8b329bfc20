"""Noise of a draw, by the row's seed, the token's position and the token alone (a hash, not a generator's state)."""

from __future__ import annotations

from typing import Any

import torch

SEED_MASK = 0xFFFFFFFF
"""The bits of a seed that count."""


def exponential_noise(seeds: torch.Tensor, positions: torch.Tensor, count: int) -> torch.Tensor:
    """Draws from Exp(1), float32 above 0, shape (rows, count). seeds, positions: int64, shape (rows, 1)."""
    return token_noise(seeds, positions, torch.arange(count, device=seeds.device, dtype=torch.int64)[None])


def token_noise(seeds: torch.Tensor, positions: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """`exponential_noise` of some tokens. index: int64, shape (rows or 1, count)."""
    row = _mix(_mix(seeds) + positions)
    mixed = _mix((index * 0x9E3779B1 + row) & SEED_MASK)
    uniform = ((mixed >> 8).to(torch.float32) + 0.5) / (1 << 24)
    return -torch.log(uniform)


def _mix(values: Any) -> Any:
    """A permutation of 32-bit numbers in which every bit depends on all (MurmurHash3's finalizer, public domain)."""
    values = values & SEED_MASK
    values = values ^ (values >> 16)
    values = (values * 0x85EBCA6B) & SEED_MASK
    values = values ^ (values >> 13)
    values = (values * 0xC2B2AE35) & SEED_MASK
    return values ^ (values >> 16)
