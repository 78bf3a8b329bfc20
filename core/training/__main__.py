"""`python -m core.training RUN_FOLDER`: one run, from its specification to its adapter. Reads no terminal and asks
nothing.

The heavy libraries are imported only once the rows are known to be there, so that a wrong path fails within a second.
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
from core.examples.prepare import Prepared, prepare
from core.runs.folder import RunFolder
from core.runs.spec import RunSpec
from core.training.checkpoints import About, drop_torn, save_adapter
from core.training.console import Console
from core.training.failure_causes import explain
from core.training.requests import Stopped, Wishes
from core.training.status_reporter import Reporter

if TYPE_CHECKING:
    import torch

    from core.models.loading import LoadedModel

_NICE = 10  # on a CPU the run takes every core there is; the terminal goes first
_LIBRARIES = ("torch", "transformers", "trl", "peft", "datasets", "accelerate", "tokenizers", "bitsandbytes", "unsloth")


def main(arguments: list[str]) -> int:
    """Exit status 0 for a run that finished or was stopped, else the error's."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "run.toml").is_file():
        print("usage: python -m core.training RUN_FOLDER (a folder with a run.toml)", file=sys.stderr)
        return 2
    sys.stdout, sys.stderr = Console(sys.stdout), Console(sys.stderr)
    run = RunFolder(Path(arguments[0]).absolute())
    wishes = Wishes(run)
    wishes.heed_signals()
    spec: RunSpec | None = None
    with Reporter(run) as reporter:
        try:
            spec = run.spec()
            _train(run, spec, reporter, wishes)
        except Stopped:
            reporter.end("stopped", "stopped before the first step; nothing was trained")
        except BaseException as error:  # whatever it is, the status must say that the run has ended
            traceback.print_exc()
            trouble = explain(error, spec, run.id)
            reporter.end("failed", trouble.what, trouble)
            return error.exit_code if isinstance(error, SuironError) else RunError.exit_code
    return 0


def _train(run: RunFolder, spec: RunSpec, reporter: Reporter, wishes: Wishes) -> None:
    reporter.update(state="loading", message="reading the rows")
    prepared = _rows(run, spec, reporter)
    wishes.stop_early()

    reporter.update(message="importing the libraries")
    if prepared.weighted:
        os.environ["UNSLOTH_RETURN_LOGITS"] = (
            "1"  # read when Unsloth is imported: without scores there is no loss but its own
        )
    _settle_machine()
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
    wishes.stop_early()

    from core.training.steps import Steps
    from core.training.trainer import make_trainer

    def about(step: int) -> About:
        return About(spec.model.name, str(loaded.folder), run.id, step)

    losses: list[torch.Tensor] = []
    saved: list[int] = []

    def keep(step: int) -> None:
        reporter.update(state="saving", step=step, message="saving the adapter", seconds_left=None)
        save_adapter(trainer.model, run.adapter, about(step))
        saved.append(step)

    steps = Steps(run, reporter, wishes, losses, spec.train.save_steps, about, keep)
    trainer = make_trainer(loaded, spec, prepared, run.path / "checkpoints", losses, steps)
    unkept = ""
    try:
        trainer.train()
    except (
        Exception
    ) as error:  # the last checkpoint comes after the adapter: without it the run has still done what it was for
        if not saved:
            raise
        traceback.print_exc()
        drop_torn(run.path / "checkpoints")
        unkept = f"; the last checkpoint is not saved: {explain(error, spec, run.id).what}"

    done, planned = trainer.state.global_step, trainer.state.max_steps
    if not saved:  # no step was left to do
        keep(done)
    reporter.facts(steps_without_finite_loss=len(steps.not_finite))
    loss = "no finite loss" if steps.loss is None else f"loss {steps.loss:.4f}"
    if done < planned:
        reporter.end("stopped", f"stopped after {done} of {planned} steps, {loss}; the adapter is saved{unkept}")
    else:
        reporter.end("finished", f"finished after {done} steps, {loss}{unkept}")


def _rows(run: RunFolder, spec: RunSpec, reporter: Reporter) -> Prepared:
    from core.examples.run_mixture import named_templates
    from core.examples.run_rows import facts_of, open_rows
    from core.models.resolve import local_folder
    from core.templates.template_files import dump_template
    from core.tokens.tokenizer import TextTokenizer

    data = open_rows(spec.data)
    folder = local_folder(
        spec.model.name,
        lambda message: reporter.update(message=message),
        trust_remote_code=spec.model.trust_remote_code,
    )
    tokenizer = TextTokenizer.from_folder(folder)
    prepared = prepare(data, spec, tokenizer, lambda rows: reporter.hold(message=f"encoding the rows: {rows} done"))
    reporter.facts(**facts_of(data), **prepared.facts())
    for template in named_templates(
        spec.prompt.mixture, spec.data.source
    ):  # one that is changed later was not what this run was trained with
        files.replace_file(
            files.private_dir(run.path / "templates") / f"{template.name}.yaml", dump_template(template).encode()
        )
    return prepared


def _settle_machine() -> None:
    """One GPU for one process: with more in sight the trainer would split every batch. Without a GPU, all cores work,
    below everybody else.

    Called before torch is imported: it looks at the variable once, and its threads inherit the priority they are born
    with.
    """
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    from core.models.backend import available_cores, prepare_imports

    prepare_imports()
    import torch

    if not torch.cuda.is_available():
        os.nice(_NICE)
        torch.set_num_threads(available_cores())


def _load(spec: RunSpec, longest: int, reporter: Reporter) -> LoadedModel:
    from core.models.loading import Lora, load_for_training

    lora, train = spec.lora, spec.train
    adapter = Lora(
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
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
