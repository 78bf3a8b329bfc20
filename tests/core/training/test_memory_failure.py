"""A run that ran out of memory names what grew and the smallest change that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core.models.fit.training_shape import Placement
from core.training.failure_causes import failure_cause
from core.training.memory_failure import part_that_grew
from core.training.probe import longest_rows
from tests.core.models.fit.model_folders import LLAMA_8B, write_config
from tests.support.training_process import make_spec


class OutOfMemoryError(RuntimeError):
    """Named as torch's own."""


WORDS = (
    "CUDA out of memory. Tried to allocate 256.00 MiB. GPU 0 has a total capacity of 22.03 GiB of which 12.06 MiB is "
    "free. Process 77 has 3.00 GiB memory in use. Process 12 has 19.01 GiB memory in use."
)


def backward(words: str) -> None:
    raise OutOfMemoryError(words)


def cross_entropy() -> None:
    raise OutOfMemoryError(WORDS)


def forward_of_a_layer() -> None:
    raise OutOfMemoryError(WORDS)


def recompute_in_backward() -> None:
    def backward() -> None:
        forward_of_a_layer()

    backward()


def raised(work: Any, *words: str) -> OutOfMemoryError:
    with pytest.raises(OutOfMemoryError) as caught:
        work(*words)
    return caught.value


def test_what_grew_is_told_by_where_it_happened() -> None:
    assert "backward" in part_that_grew(raised(backward, WORDS))
    assert "vocabulary" in part_that_grew(raised(cross_entropy))
    assert "backward" in part_that_grew(raised(recompute_in_backward))
    assert part_that_grew(raised(forward_of_a_layer)) == "the activations"
    assert part_that_grew(MemoryError()) == ""


def test_the_change_fits_into_what_others_leave_and_the_checkpoint_is_named(tmp_path: Path) -> None:
    folder = write_config(tmp_path / "model", LLAMA_8B)
    spec = make_spec("rows", str(folder), batch_size=16, gradient_accumulation=1)
    placement = Placement(backend="transformers", on_gpu=True, four_bit=True)
    facts = {
        "model_folder": str(folder),
        "longest_row_tokens": 2048,
        "gradient_checkpointing": True,
        "memory": {"placement": msgspec.structs.asdict(placement)},
    }
    cause = failure_cause(raised(backward, WORDS), spec, "run", facts, 40)
    assert "the GPU ran out of memory for the activations of the backward pass" in cause.what
    assert "checkpoint of step 40 is kept" in cause.what
    assert "train.batch_size = " in cause.do and "of 19.0" in cause.do
    assert "the same 16 rows" in cause.do


def test_without_facts_the_usual_next_smaller_setting_is_named() -> None:
    spec = make_spec("rows", "m", batch_size=8)
    cause = failure_cause(raised(backward, WORDS), spec, "run", {"memory": "nonsense"})
    assert "train.batch_size = 4" in cause.do


def test_a_probe_takes_the_longest_rows_again_and_again() -> None:
    lengths = np.array([5, 90, 7, 80, 85])
    assert longest_rows(lengths, 2, 3).tolist() == [1, 4, 1, 4, 1, 4]
    assert longest_rows(np.array([3, 4]), 5, 1).tolist() == [1, 0, 1, 0, 1]
