"""Peaks of earlier runs are kept in the home and found again by what they depend on."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.models.fit.config_shape import shape_of_config
from core.models.fit.measured_peaks import PEAKS_FILE, MeasuredPeak, keep_peak, peak_key, peaks_of
from core.models.fit.training_shape import Placement, TrainingShape
from tests.core.models.fit.model_folders import LLAMA_8B, QWEN_7B

HELD = Placement(backend="unsloth", on_gpu=True, four_bit=True)
STEP = TrainingShape(batch_size=2, tokens=2048, r=16, gradient_checkpointing=True)


def test_the_key_tells_what_memory_depends_on_and_not_the_size_of_a_pass() -> None:
    qwen = shape_of_config(QWEN_7B)
    key = peak_key(qwen, HELD, STEP)
    assert key == peak_key(qwen, HELD, msgspec.structs.replace(STEP, batch_size=8, tokens=100, accumulation=3))
    others = [
        peak_key(shape_of_config(LLAMA_8B), HELD, STEP),
        peak_key(qwen, msgspec.structs.replace(HELD, four_bit=False), STEP),
        peak_key(qwen, msgspec.structs.replace(HELD, backend="transformers"), STEP),
        peak_key(qwen, HELD, msgspec.structs.replace(STEP, gradient_checkpointing=False)),
        peak_key(qwen, HELD, msgspec.structs.replace(STEP, target_modules=("q_proj",))),
        peak_key(qwen, HELD, msgspec.structs.replace(STEP, optim="adamw_torch")),
        peak_key(qwen, HELD, msgspec.structs.replace(STEP, weighted=True)),
    ]
    assert len({key, *others}) == 8


def test_peaks_are_appended_and_found_and_broken_lines_passed_over(tmp_path: Path) -> None:
    assert peaks_of("a", tmp_path) == ()
    for key, peak in (("a", 5), ("b", 6), ("a", 7)):
        keep_peak(MeasuredPeak(key=key, batch_size=1, tokens=2, peak=peak), tmp_path)
    with (tmp_path / PEAKS_FILE).open("ab") as file:
        file.write(b'{"key": "a"}\nnonsense\n{"key": "a", "batch')
    keep_peak(MeasuredPeak(key="a", batch_size=1, tokens=2, peak=8), tmp_path)
    assert [peak.peak for peak in peaks_of("a", tmp_path)] == [5, 7, 8]
    assert peaks_of("a", tmp_path)[0].time > 0
