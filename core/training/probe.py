"""A probe: real steps on the longest rows of a run, in padded batches, to measure what it takes at its peak.

`python -m core.training.probe` is a child process (see `core.base.child`): it gets a specification and answers with the
peak, which it also keeps for later estimates. It saves no adapter and makes no run.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.base.child_main import ReportProgress, answer_parent
from core.base.errors import RunError
from core.models.fit.constants import GIB
from core.runs.spec import RunSpec
from core.tokens.segments import EOS
from core.training.failure_causes import failure_cause, ran_out_of_memory
from core.training.lora_settings import lora_settings

_STEPS = 2  # the optimizer's state exists from the end of the first
_PASSES = 2  # gradients exist from the end of the first


class ProbeResult(msgspec.Struct, frozen=True):
    """What a probe measured."""

    peak_gib: float
    """GiB at the peak: reserved by the allocator on a GPU, else of the process."""
    batch_size: int
    """Rows of the largest pass."""
    tokens: int
    """Tokens of each row of it, padding included."""
    backend: str
    """The library and device, in words."""
    estimate_gib: float
    """What was estimated before."""


def probe(spec: RunSpec, report: ReportProgress) -> ProbeResult:
    """Load the model and make two steps of at most two passes on the longest rows. Raises SuironError, and RunError
    where memory runs out."""
    try:
        return _probe(spec, report)
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        cause = failure_cause(error, spec, spec.model.name)
        raise RunError(cause.what, cause.where, cause.do) from error


def _probe(spec: RunSpec, report: ReportProgress) -> ProbeResult:
    from core.examples.build import build_training_set
    from core.examples.run_rows import open_rows
    from core.models.resolve import local_model_folder
    from core.tokens.tokenizer import TextTokenizer

    report("reading the rows", 0, 0)
    folder = local_model_folder(
        spec.model.name, lambda words: report(words, 0, 0), trust_remote_code=spec.model.trust_remote_code
    )
    prepared = build_training_set(open_rows(spec.data), spec, TextTokenizer.from_folder(folder))
    report("importing the libraries", 0, 0)
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    from core.models.backend import prepare_imports

    if prepared.weighted:
        os.environ["UNSLOTH_RETURN_LOGITS"] = "1"  # as a run does
    prepare_imports()
    from core.models.loading import load_for_training

    loaded = load_for_training(
        spec.model.name,
        msgspec.structs.replace(lora_settings(spec, prepared.longest), packed=False),  # as the estimate is
        four_bit=spec.model.load_in_4bit,
        trust_remote_code=spec.model.trust_remote_code,
        progress=lambda words: report(words, 0, 0),
        insist=True,
    )
    from transformers import TrainerCallback

    from core.training.memory_facts import keep_run_peak
    from core.training.step_callback import peak_memory
    from core.training.step_record import StepRecord
    from core.training.trainer import make_trainer

    report("two steps on the longest rows", 0, 0)
    passes = min(_PASSES, spec.train.gradient_accumulation)
    short = msgspec.structs.replace(
        spec,
        train=msgspec.structs.replace(
            spec.train, steps=_STEPS, gradient_accumulation=passes, warmup_steps=0, report_to=()
        ),
    )
    rows = longest_rows(prepared.ends[:, EOS], spec.train.batch_size, passes * _STEPS)
    record = StepRecord()
    with tempfile.TemporaryDirectory(prefix="suiron-probe-") as output:
        make_trainer(loaded, short, prepared, Path(output), record, (TrainerCallback(),), None, rows).train()
    peak = peak_memory()
    keep_run_peak(loaded, record.largest_pass, peak, "")
    estimate = 0.0 if loaded.fit is None else loaded.fit.estimate.total / GIB
    return ProbeResult(peak, *record.largest_pass, loaded.backend.line, estimate)


def longest_rows(lengths: np.ndarray[Any, Any], batch_size: int, passes: int) -> np.ndarray[Any, Any]:
    """The indices of the longest rows for so many passes of the same rows, shape (passes * batch_size,); the longest
    again where there are fewer."""
    longest = np.argsort(-lengths, kind="stable")[:batch_size]
    return np.resize(np.resize(longest, batch_size), passes * batch_size)


def _answer(request: Any, report: ReportProgress) -> Any:
    return msgspec.to_builtins(probe(msgspec.convert(request, RunSpec), report))


if __name__ == "__main__":
    answer_parent(_answer)
