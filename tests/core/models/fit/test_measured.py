"""The estimate against peaks that were measured on a GPU (bench/fit_measured.json)."""

from __future__ import annotations

import statistics

import msgspec
import pytest

from bench.fit import KEPT, estimate_of, read_results
from bench.fit_configs import FitConfig, on_gpu
from core.models.fit.constants import GIB


@pytest.fixture(scope="module")
def pairs() -> list[tuple[FitConfig, float]]:
    """Each measured configuration with the GiB that its allocator reserved at the peak."""
    return [
        (msgspec.convert(result["config"], FitConfig), result["peak_reserved_gib"]) for result in read_results(KEPT)
    ]


def test_sizes_backends_and_bits_are_all_measured(pairs: list[tuple[FitConfig, float]]) -> None:
    assert len(pairs) >= 16
    assert {"0.5b", "3b", "7b", "14b", "32b"} <= {config.shape for config, _ in pairs}
    assert {(config.backend, config.bits) for config, _ in pairs} == {
        *(("unsloth", 4), ("unsloth", 16), ("transformers", 4), ("transformers", 16))
    }
    assert not all(config.checkpointing for config, _ in pairs)


def test_the_median_error_is_below_5_percent_and_the_largest_below_15(pairs: list[tuple[FitConfig, float]]) -> None:
    errors = {config.name: abs(estimate_of(config).gib / peak - 1) for config, peak in pairs}
    assert statistics.median(errors.values()) <= 0.05
    assert max(errors.values()) <= 0.15, max(errors, key=lambda name: errors[name])


def test_at_least_95_percent_lie_between_low_and_high(pairs: list[tuple[FitConfig, float]]) -> None:
    inside = [estimate_of(config).low <= peak * GIB <= estimate_of(config).high for config, peak in pairs]
    assert sum(inside) >= 0.95 * len(inside)


def test_the_limits_are_close_enough_to_say_something(pairs: list[tuple[FitConfig, float]]) -> None:
    for config, _ in pairs:
        estimate = estimate_of(config)
        assert estimate.high <= 1.35 * estimate.low


def test_names_of_configurations_are_unique() -> None:
    names = [config.name for config in on_gpu()]
    assert len(names) == len(set(names))
