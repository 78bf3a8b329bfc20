"""`fit MODEL [SPEC.toml]`: how much memory a training takes at its peak, whether that fits, and what makes it fit.

Reads config.json and headers, no weights; with `--probe` it makes real steps on the longest rows instead."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from core.base.child import Child, ChildDied
from core.base.command_output import CommandOutput
from core.base.errors import RunError, SuironError, UsageError
from core.models.fit.changes import changes_that_fit
from core.models.fit.constants import GIB
from core.models.fit.estimate import Estimate, estimate_memory
from core.models.fit.free_memory import DeviceMemory, gpu_memory, main_memory
from core.models.fit.gpus import GPUS, find_gpu
from core.models.fit.header_shape import shape_of_folder
from core.models.fit.measured_peaks import peak_key, peaks_of
from core.models.fit.model_files import folder_to_estimate
from core.models.fit.report import FitReport
from core.models.fit.training_shape import Placement, TrainingShape
from core.runs.spec import DataSection, ModelSection, RunSpec, load_run_spec
from core.runs.spec_memory import placement_of, training_shape_of

if TYPE_CHECKING:
    from core.models.fit.model_shape import ModelShape

_MOST_ROWS = 20_000  # whose lengths are looked up: more take longer than an estimate may


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="+",
        metavar="MODEL | SPEC.toml",
        help="a model's folder (config.json is enough) or hub name, a run's specification, or both: then this model "
        "with the settings of that run",
    )
    known = ", ".join(gpu.name for gpu in GPUS)
    parser.add_argument(
        "--gpu", metavar="NAME", help=f"as if on this one, all of it free: {known}; or a size such as 24GiB"
    )
    parser.add_argument("--backend", choices=["unsloth", "transformers"], help="the library that trains on the GPU")
    parser.add_argument(
        "--probe", action="store_true", help="make two real steps on the longest rows of SPEC.toml, here, and measure"
    )


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    spec, model = _spec_and_model(arguments.words)
    if arguments.probe:
        if spec is None:
            raise UsageError("a probe needs rows", "fit --probe", "Name a run's specification")
        _probe(msgspec.structs.replace(spec, model=msgspec.structs.replace(spec.model, name=model)), output)
    folder = folder_to_estimate(model, output.note)
    lengths = _row_lengths(spec, output) if spec is not None else []
    if spec is None:
        spec = RunSpec(data=DataSection(source="rows"), model=ModelSection(name=model))
    memory, on_gpu = _device(arguments.gpu)
    placement = placement_of(spec, on_gpu, arguments.backend or ("unsloth" if arguments.gpu else None))
    training = training_shape_of(spec, max(lengths) if lengths else None)
    shape = shape_of_folder(folder)
    kept = msgspec.structs.replace(training, gradient_checkpointing=False)
    if not on_gpu and _estimate(shape, placement, kept).verdict(memory.free) == "fits":
        training = kept  # as a run does on a CPU

    def estimate_of(held: Placement, step: TrainingShape) -> Estimate:
        return _estimate(shape, held, step)

    estimate = estimate_of(placement, training)
    fits = estimate.verdict(memory.free) == "fits"
    report = FitReport(
        model=model,
        shape=shape,
        placement=placement,
        training=training,
        rows_known=len(lengths),
        estimate=estimate,
        free=memory.free,
        device=memory.name,
        changes=[] if fits else changes_that_fit(placement, training, memory.free, estimate_of, lengths),
    )
    output.record(report.record())
    for line in report.lines():
        output.text(line)
    return 0


def _spec_and_model(words: list[str]) -> tuple[RunSpec | None, str]:
    """The specification that is named, and the model: the one that is named, or else the run's."""
    specs = [word for word in words if word.endswith(".toml")]
    models = [word for word in words if not word.endswith(".toml")]
    if len(specs) > 1 or len(models) > 1:
        raise UsageError("one model and one specification at most", " ".join(words), "See `python -m core fit --help`")
    spec = load_run_spec(Path(specs[0])) if specs else None
    if models:
        return spec, models[0]
    assert spec is not None  # noqa: S101 - argparse asks for one word
    return spec, spec.model.name


def _device(gpu: str | None) -> tuple[DeviceMemory, bool]:
    """The memory to fit into, and whether it is a GPU's: the named one, this machine's, or main memory."""
    if gpu:
        known = find_gpu(gpu)
        size = int(known.gib * GIB)
        return DeviceMemory(size, size, f"a whole {known.name}"), True
    here = gpu_memory()
    return (here, True) if here is not None else (main_memory(), False)


def _estimate(shape: ModelShape, placement: Placement, training: TrainingShape) -> Estimate:
    return estimate_memory(shape, placement, training, peaks_of(peak_key(shape, placement, training)))


def _row_lengths(spec: RunSpec, output: CommandOutput) -> list[int]:
    """Tokens of each row that would be trained; empty where the rows or the tokenizer are not on this machine, or are
    so many that looking would take long."""
    from core.examples.build import examine_training_set
    from core.examples.run_rows import open_rows
    from core.models.tokenizer_folder import tokenizer_folder
    from core.tokens.segments import EOS
    from core.tokens.tokenizer import TextTokenizer

    try:
        folder = tokenizer_folder(spec.model.name)
        if folder is None:
            output.note("Note: the model's tokenizer is not here, so every row counts as long as it may be.")
            return []
        data = open_rows(spec.data)
        if len(data) > _MOST_ROWS:
            output.note(f"Note: more than {_MOST_ROWS:,} rows, so every row counts as long as it may be.")
            return []
        prepared, _, _ = examine_training_set(data, spec, TextTokenizer.from_folder(folder))
    except SuironError as error:
        output.note(f"Note: the rows cannot be read ({error.what}), so every row counts as long as it may be.")
        return []
    return [] if prepared is None else [int(length) for length in prepared.ends[:, EOS]]


def _probe(spec: RunSpec, output: CommandOutput) -> None:
    """Real steps in a child process; their peak is kept, and the estimate that follows rests on it."""
    output.note("Making two steps on the longest rows ...")
    request = msgspec.to_builtins(spec)
    try:
        with Child("core.training.probe", request, own_session=True) as child:
            answer = child.answer(progress=lambda done: output.progress(done.words))
    except ChildDied as death:
        do = "Look at the estimate (without --probe) for what would fit"
        raise death.explain(RunError, "the probe", spec.model.name, do, do) from death
    output.progress_done()
    output.note(
        f"Measured: {answer['peak_gib']:.2f} GiB at the peak, with {answer['batch_size']} rows of {answer['tokens']} "
        f"tokens; {answer['backend']}."
    )
