"""`python -m core.training RUN_FOLDER`: one run, from its specification to its adapter, without a terminal.

The heavy libraries are imported only once the rows are read, so that a wrong path fails within a second.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from core.base import files
from core.base.errors import RunError, SuironError
from core.examples.build import TrainingSet, build_training_set
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec
from core.training.checkpoints import AdapterOrigin, remove_incomplete_checkpoints, save_adapter
from core.training.console import DiskFullSafeStream
from core.training.failure_causes import failure_cause
from core.training.heartbeat import StatusReporter
from core.training.requests import RunRequests, StoppedBeforeFirstStep

if TYPE_CHECKING:
    import torch

    from core.models.loading import LoadedModel

_NICE = 10  # on a CPU the run uses every core; the terminal has priority
_LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "tokenizers", "bitsandbytes", "unsloth")


def main(arguments: list[str]) -> int:
    """The exit status: 0 for a run that finished or was stopped, else the error's."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "run.toml").is_file():
        print("usage: python -m core.training RUN_FOLDER (a folder with a run.toml)", file=sys.stderr)
        return 2
    sys.stdout, sys.stderr = DiskFullSafeStream(sys.stdout), DiskFullSafeStream(sys.stderr)
    run = RunFolder(Path(arguments[0]).absolute())
    requests = RunRequests(run)
    requests.catch_signals()
    spec: RunSpec | None = None
    with StatusReporter(run) as reporter:
        try:
            spec = run.spec()
            _train(run, spec, reporter, requests)
        except StoppedBeforeFirstStep:
            reporter.end("stopped", "stopped before the first step; nothing was trained")
        except BaseException as error:  # for any error, the status must show that the run ended
            traceback.print_exc()
            trouble = failure_cause(error, spec, run.id)
            reporter.end("failed", trouble.what, trouble)
            return error.exit_code if isinstance(error, SuironError) else RunError.exit_code
    return 0


def _train(run: RunFolder, spec: RunSpec, reporter: StatusReporter, requests: RunRequests) -> None:
    reporter.update(state="loading", message="reading the rows")
    prepared = _prepare_rows(run, spec, reporter)
    requests.raise_if_stopped()

    reporter.update(message="importing the libraries")
    if prepared.weighted:
        # Read when Unsloth is imported. Without logits, only its own unweighted loss can be computed.
        os.environ["UNSLOTH_RETURN_LOGITS"] = "1"
    _prepare_machine()
    loaded = _load(spec, prepared.longest, reporter)
    trainable, total = loaded.model.get_nb_trainable_parameters()
    reporter.facts(
        model=loaded.name,
        model_folder=str(loaded.folder),
        model_resolved=loaded.resolved_name,
        parameters=total,
        trainable_parameters=trainable,
        gradient_checkpointing=loaded.gradient_checkpointing,
        seed=spec.train.seed,
        versions=_versions(),
    )
    reporter.update(backend=loaded.backend.line)
    requests.raise_if_stopped()

    from core.training.step_callback import StepCallback
    from core.training.trainer import make_trainer

    def about(step: int) -> AdapterOrigin:
        return AdapterOrigin(spec.model.name, str(loaded.folder), run.id, step)

    losses: list[torch.Tensor] = []
    saved: list[int] = []

    def keep(step: int) -> None:
        reporter.update(state="saving", step=step, message="saving the adapter", seconds_left=None)
        save_adapter(trainer.model, run.adapter, about(step))
        saved.append(step)

    steps = StepCallback(run, reporter, requests, losses, spec.train.save_steps, about, keep)
    trainer = make_trainer(loaded, spec, prepared, run.path / "checkpoints", losses, steps)
    checkpoint_failure = ""
    try:
        trainer.train()
    except Exception as error:
        # The last checkpoint is written after the adapter: where only that fails, the run still has its adapter.
        if not saved:
            raise
        traceback.print_exc()
        remove_incomplete_checkpoints(run.path / "checkpoints")
        checkpoint_failure = f"; the last checkpoint was not saved: {failure_cause(error, spec, run.id).what}"

    done, planned = trainer.state.global_step, trainer.state.max_steps
    if not saved:  # there was no step left to run
        keep(done)
    reporter.facts(steps_without_finite_loss=len(steps.not_finite))
    loss = "no finite loss" if steps.loss is None else f"loss {steps.loss:.4f}"
    if done < planned:
        reporter.end(
            "stopped", f"stopped after {done} of {planned} steps, {loss}; the adapter is saved{checkpoint_failure}"
        )
    else:
        reporter.end("finished", f"finished after {done} steps, {loss}{checkpoint_failure}")


def _prepare_rows(run: RunFolder, spec: RunSpec, reporter: StatusReporter) -> TrainingSet:
    from core.examples.run_mixture import named_templates
    from core.examples.run_rows import data_facts, open_rows
    from core.models.resolve import local_model_folder
    from core.templates.template_file import dump_template
    from core.tokens.tokenizer import TextTokenizer

    data = open_rows(spec.data)
    folder = local_model_folder(
        spec.model.name,
        lambda message: reporter.update(message=message),
        trust_remote_code=spec.model.trust_remote_code,
    )
    tokenizer = TextTokenizer.from_folder(folder)
    prepared = build_training_set(
        data, spec, tokenizer, lambda rows: reporter.update_later(message=f"encoding the rows: {rows} done")
    )
    reporter.facts(**data_facts(data), **prepared.facts())
    # Copies, because a template may be edited after this run.
    for template in named_templates(spec.prompt.mixture, spec.data.source):
        folder = files.private_dir(run.path / "templates")
        files.replace_file(folder / f"{template.name}.yaml", dump_template(template).encode())
    return prepared


def _prepare_machine() -> None:
    """Use one GPU: with more of them visible, the trainer would split every batch. Without a GPU, use all cores at a
    low priority.

    Called before torch is imported: torch reads the variable once, and its threads inherit the priority.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    from core.base.cpu_cores import available_cores
    from core.models.backend import prepare_imports

    prepare_imports()
    import torch

    if not torch.cuda.is_available():
        os.nice(_NICE)
        torch.set_num_threads(available_cores())


def _load(spec: RunSpec, longest: int, reporter: StatusReporter) -> LoadedModel:
    from core.models.loading import LoraSettings, load_for_training

    lora, train = spec.lora, spec.train
    adapter = LoraSettings(
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
    )
    return load_for_training(
        spec.model.name,
        adapter,
        four_bit=spec.model.load_in_4bit,
        trust_remote_code=spec.model.trust_remote_code,
        progress=lambda message: reporter.update(message=message),
    )


def _versions() -> dict[str, str]:
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
