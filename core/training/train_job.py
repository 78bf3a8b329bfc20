"""A training run from its specification to its adapter: reads the rows, loads the model, trains, says how it ended.

The heavy libraries are imported only once the rows are read, so that a wrong path fails within a second.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base import files
from core.base.errors import RunError
from core.base.plural import counted
from core.examples.build import TrainingSet, build_training_set
from core.models.fingerprint import model_fingerprint
from core.runs.checkpoint_folders import CHECKPOINTS_FOLDER, AdapterOrigin
from core.runs.facts_file import write_facts
from core.runs.plan import planned_steps
from core.runs.process import JobProcess
from core.runs.spec import RunSpec
from core.runs.spec_checks import check_for_device, check_warmup
from core.training.lora_settings import lora_settings
from core.training.memory_facts import keep_run_peak, memory_facts
from core.training.model_facts import library_versions, model_revision
from core.training.resume_point import ResumePoint, check_same, find_resume_point

if TYPE_CHECKING:
    from core.models.loading import LoadedModel
    from core.tokens.tokenizer import TextTokenizer
    from core.training.probe_asker import ProbeAsker
    from core.training.probe_questions import Probe
    from core.training.run_control import RunControl
    from core.training.step_record import StepRecord
    from core.training.validation import RowSplit

_NICE = 10  # on a CPU the run uses every core; the terminal has priority


class EndedBeforeFirstStep(Exception):
    """The run was asked to end while it was loading, and has said so."""


class TrainJob:
    """The stages of one run, in their order. accept_changes: go on although rows or model are not what they were."""

    def __init__(self, job: JobProcess, spec: RunSpec, accept_changes: bool) -> None:
        self._job, self._run, self._spec, self._accept = job, job.run, spec, accept_changes
        self._facts: dict[str, Any] = {}
        self._point: ResumePoint
        self._probes: list[Probe] = []  # chosen later where no sample is planned
        self._peak_gib: float | None = None

    def run(self) -> None:
        """Raises what ends the run."""
        job, spec = self._job, self._spec
        if job.started_before:
            job.refuse_stale_requests(job.status.status.started)
        self._point = find_resume_point(self._run, spec)
        if self._point.step:
            job.resumable_words = f"it goes on from step {self._point.step}"
        job.status.update(state="loading", step=self._point.step, message="reading the rows")
        prepared = self._prepare_rows()
        split = self._split(prepared)
        planned = planned_steps(len(prepared) if split is None else len(split.trained), spec)
        check_warmup(spec, planned, self._run.id)
        self._facts["steps_planned"] = planned
        folder = Path(self._facts["model_folder"])
        changed = check_same(self._run, self._point, self._facts, self._accept)
        self._end_if_asked()

        job.status.update(message="importing the libraries", total=planned)
        if prepared.weighted:
            # Read when Unsloth is imported. Without logits, only its own unweighted loss can be computed.
            os.environ["UNSLOTH_RETURN_LOGITS"] = "1"
        self._prepare_machine()
        from core.training.first_weights import find_first_weights, load_first_weights

        first_weights = find_first_weights(spec.lora, folder)
        loaded = self._load(prepared.longest)
        if first_weights is not None and self._point.checkpoint is None:
            load_first_weights(loaded.model, first_weights)
        self._note_facts(loaded, folder, changed)
        self._end_if_asked()
        self._train(loaded, prepared, split)

    # -- before the first step --

    def _prepare_rows(self) -> TrainingSet:
        from core.examples.run_mixture import named_templates
        from core.examples.run_rows import data_facts, open_rows
        from core.models.resolve import local_model_folder
        from core.templates.template_file import dump_template
        from core.tokens.tokenizer import TextTokenizer

        spec, status = self._spec, self._job.status
        self._data = open_rows(spec.data)
        folder = local_model_folder(
            spec.model.name,
            lambda message: status.update(message=message),
            trust_remote_code=spec.model.trust_remote_code,
        )
        tokenizer = TextTokenizer.from_folder(folder)
        day = str(self._run.facts().get("chat_template_date") or "")  # of a run that goes on: its rows stay the same
        prepared = build_training_set(
            self._data,
            spec,
            tokenizer,
            lambda rows: status.update_later(message=f"encoding the rows: {rows} done"),
            day=day,
        )
        self._facts |= {**data_facts(self._data), **prepared.facts(), "model_folder": str(folder)}
        before = str(self._run.facts().get("model_fingerprint") or "")
        self._facts["model_fingerprint"] = model_fingerprint(folder, like=before)
        # Copies, because a template may be edited after this run.
        for template in named_templates(spec.prompt.mixture, spec.data.source):
            copies = files.private_dir(self._run.path / "templates")
            if not (copy := copies / f"{template.name}.yaml").exists():
                files.replace_file(copy, dump_template(template).encode())
        if spec.samples.steps:  # so that a question that cannot be asked is found now
            status.update(message="choosing the probe questions")
            self._probes = self._choose_probes(tokenizer)
        return prepared

    def _split(self, prepared: TrainingSet) -> RowSplit | None:
        """The rows kept out; None where there are none."""
        section = self._spec.validation
        if not section.share:
            return None
        from core.training.validation import split_rows

        self._job.status.update(message="drawing the rows to keep out")
        rows = (row for batch in self._data.batches() for row in batch)
        split = split_rows(prepared, rows, section, self._spec.data.source)
        self._facts |= {"rows_trained": len(split.trained), "rows_kept_out": len(split.kept_out)}
        return split

    def _prepare_machine(self) -> None:
        """Use one GPU: with more of them visible, the trainer would split every batch. Without a GPU, use all cores at
        a low priority.

        Called before torch is imported: torch reads the variable once, and its threads inherit the priority.
        """
        # Where the programs of train.report_to write, unless the user says otherwise.
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(self._run.path / "results" / "tensorboard"))
        os.environ.setdefault("WANDB_DIR", str(files.private_dir(self._run.path / "results")))
        os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
        from core.base.cpu_cores import available_cores
        from core.models.backend import prepare_imports

        prepare_imports()
        import torch

        has_cuda = torch.cuda.is_available()
        for words in check_for_device(self._spec, has_cuda, self._run.id):
            if not self._job.started_before:
                self._job.event("note", words)
        if not has_cuda:
            os.nice(_NICE)
            torch.set_num_threads(self._spec.train.threads or available_cores())
        self._facts["threads"] = torch.get_num_threads()

    def _load(self, longest: int) -> LoadedModel:
        from core.models.loading import load_for_training

        return load_for_training(
            self._spec.model.name,
            lora_settings(self._spec, longest),
            four_bit=self._spec.model.load_in_4bit,
            trust_remote_code=self._spec.model.trust_remote_code,
            progress=lambda message: self._job.status.update(message=message),
            insist=self._spec.train.insist,
        )

    def _note_facts(self, loaded: LoadedModel, folder: Path, changed: list[str]) -> None:
        """Write facts.json, once; where the run goes on with changed rows or another model, anew."""
        trainable, total = loaded.model.get_nb_trainable_parameters()
        self._facts |= {
            "model": loaded.name,
            "model_resolved": loaded.resolved_name,
            "model_revision": model_revision(folder),
            "parameters": total,
            "trainable_parameters": trainable,
            "gradient_checkpointing": loaded.gradient_checkpointing,
            "model_notes": list(loaded.notes),
            "four_bit": loaded.backend.four_bit,
            "dtype": base_dtype(loaded.model),
            "backend": loaded.backend.line,
            "seed": self._spec.train.seed,
            "versions": library_versions(),
        }
        if loaded.fit is not None:
            self._facts["memory"] = memory_facts(loaded.fit)
            if loaded.fit.warning and not self._job.started_before:
                self._job.event("note", loaded.fit.warning)
        self._job.status.update(backend=loaded.backend.line)
        before = self._run.facts()
        if not before or changed:
            write_facts(self._run.path, self._facts)
            for note in loaded.notes:
                self._job.event("note", note)
        for what in changed:
            self._job.event("note", f"goes on with another {what} than before, as was asked for")
        for key in ("versions", "threads", "dtype", "backend"):
            if before and before.get(key) != self._facts[key]:
                self._job.event("note", f"{key} are not what they were: losses will differ in their last digits")

    def _end_if_asked(self) -> None:
        """Obey a request to end that came while the run was loading. Raises EndedBeforeFirstStep."""
        kept = []
        for request in self._job.new_requests():
            resumed = self._point.checkpoint is not None
            if request.kind == "pause" or (request.kind in ("stop", "discard") and not resumed):
                self._job.obeyed(request, "before the first step", self._point.step)
                words = f"ended while loading: {self._job.resumable_words}"
                state = {"pause": "paused", "stop": "stopped", "discard": "discarded"}[request.kind]
                self._job.event("ended", words)
                self._job.status.end(state, words)
                raise EndedBeforeFirstStep
            kept.append(request.name)
        self._job.inbox.handled.difference_update(kept)

    # -- training --

    def _train(self, loaded: LoadedModel, prepared: TrainingSet, split: RowSplit | None) -> None:
        from core.training.number_mirror import make_mirror
        from core.training.probe_asker import Sampling
        from core.training.run_control import RunControl
        from core.training.saving import Saver
        from core.training.step_callback import StepCallback
        from core.training.step_chooser import StepChooser
        from core.training.step_record import StepRecord
        from core.training.trainer import StepInterrupted, make_trainer
        from core.training.validation import Evaluator

        job, spec, point = self._job, self._spec, self._point
        saver = Saver(job, lambda step: self._origin(loaded, step))
        evaluator = Evaluator(prepared, split.kept_out, spec.train.batch_size) if split is not None else None
        sampling, mirror = Sampling(job, self._asker(loaded)), make_mirror(job, spec, point.step)
        control = RunControl(job, spec, point.progress, saver, evaluator, point.replays, sampling, mirror)
        record = StepRecord()
        went_before = job.started_before or point.checkpoint is not None
        steps = StepCallback(job, spec, record, control, self._facts["dtype"], point.step if went_before else None)
        output = self._run.path / CHECKPOINTS_FOLDER
        rows = None if split is None else split.trained
        chooser = StepChooser(job, spec, loaded, prepared.longest, point.step)
        trainer = make_trainer(loaded, spec, prepared, output, record, (chooser, steps), control, rows)
        steps.trainer = chooser.trainer = trainer
        if went_before:
            job.event("resumed", f"goes on from step {point.step}", step=point.step)
        else:
            job.event("started", "begins with its first step", step=0)
        if point.step >= self._facts["steps_planned"]:  # it ended between its last checkpoint and its last word
            self._adapter_of_checkpoint(saver, control)
        else:
            try:
                trainer.train(resume_from_checkpoint=str(point.checkpoint) if point.checkpoint is not None else None)
            except StepInterrupted:
                control.save(trainer)
            finally:
                if mirror is not None:
                    mirror.close()
        done = max(trainer.state.global_step, point.step)
        self._keep_peak(loaded, record)
        self._say_end(control, steps.loss, done, self._facts["steps_planned"])

    def _asker(self, loaded: LoadedModel) -> ProbeAsker:
        from core.training.probe_asker import ProbeAsker

        return ProbeAsker(
            self._run,
            loaded.tokenizer,
            self._spec.samples.max_tokens,
            lambda: self._probes or self._choose_probes(loaded.tokenizer),
            whole=loaded.backend.kind == "unsloth",
        )

    def _choose_probes(self, tokenizer: TextTokenizer) -> list[Probe]:
        from core.training.probe_questions import choose_probes

        day = str(self._facts.get("chat_template_date") or "")
        return choose_probes(self._spec, self._data, tokenizer, day)

    def _keep_peak(self, loaded: LoadedModel, record: StepRecord) -> None:
        """Keep the memory at the peak for the estimates of later runs."""
        from core.training.step_callback import peak_memory

        self._peak_gib = peak_memory()
        if record.largest_pass == (0, 0):  # only packed passes, which the estimate does not describe
            return
        try:
            keep_run_peak(loaded, record.largest_pass, self._peak_gib, self._run.id)
        except OSError as error:  # a full disk, or a home that cannot be written: only later estimates lose by it
            print(f"the peak of memory cannot be kept: {error}", flush=True)

    def _origin(self, loaded: LoadedModel, step: int) -> AdapterOrigin:
        return AdapterOrigin(
            self._spec.model.name,
            str(loaded.folder),
            self._run.id,
            step,
            self._facts["model_fingerprint"],
            self._facts["encoded_hash"],
        )

    def _adapter_of_checkpoint(self, saver: Any, control: RunControl) -> None:
        from core.runs.checkpoint_folders import ADAPTER_NEEDED

        checkpoint, best = self._point.checkpoint, control.progress.best
        assert checkpoint is not None  # noqa: S101 - a step above 0 has one
        control.ending = "finished"
        if self._spec.validation.use_best and best is not None and best.step != self._point.step:
            control.adapter_saved = saver.adapter_of_best(best.step)
        if not control.adapter_saved:

            def copy(part: Path) -> None:
                for name in ADAPTER_NEEDED:
                    shutil.copyfile(checkpoint / name, part / name)

            control.adapter_saved = saver.whole_adapter(self._run.adapter, copy, self._point.step)
            control.adapter_failure = saver.failure

    def _say_end(self, control: RunControl, loss: float | None, done: int, planned: int) -> None:
        job, ending, progress = self._job, control.ending, control.progress
        of = f"{done} of {counted(planned, 'step')}"
        losses = f", loss {loss:.4f}" if loss is not None else (", no finite loss" if progress.not_finite else "")
        self._write_results(progress, ending, done, loss)
        if ending in ("finished", "patience", "stop", "discard"):  # after the others, the run may go on and obey
            control.refuse_rest(done)
        if ending == "discard":
            for folder in (self._run.adapter, self._run.path / CHECKPOINTS_FOLDER):
                shutil.rmtree(folder, ignore_errors=True)
            state, words = "discarded", f"discarded after {of}; nothing of it is kept"
        elif ending in ("pause", "signal"):
            why = f"ended by {job.termination.signal_name}" if ending == "signal" else "paused"
            kept = f"the last checkpoint could not be saved ({control.checkpoint_failure}); "
            kept = kept if control.checkpoint_failure else ""
            state, words = "paused", f"{why} after {of}{losses}; {kept}{job.resumable_words}"
        else:
            if not control.adapter_saved:
                why = control.adapter_failure or "see console.log"
                do = "Free some space, then `python -m core runs resume`: it goes on from its newest checkpoint"
                raise RunError(f"the adapter could not be saved ({why})", str(self._run.adapter), do)
            failed = f"; the last checkpoint was not saved: {control.checkpoint_failure}"
            failed = failed if control.checkpoint_failure else ""
            if ending == "stop":
                state, words = "stopped", f"stopped after {of}{losses}; the adapter is saved{failed}"
            elif ending == "patience":
                without = f"no better evaluation in {progress.worse_evaluations}"
                state, words = "finished", f"finished early after {of}{losses}: {without}{failed}"
            else:
                state, words = "finished", f"finished after {counted(done, 'step')}{losses}{failed}"
        job.event("ended", words, step=done)
        job.status.update_later(step=done)
        job.status.end(state, words)

    def _write_results(self, progress: Any, ending: str, done: int, loss: float | None) -> None:
        """results/train.json: how it ended, in numbers."""
        import msgspec

        best = progress.best
        numbers = {
            "ended": ending,
            "time": time.time(),
            "steps": done,
            "loss": loss,
            "steps_without_finite_loss": progress.not_finite,
            "best_evaluation": None if best is None else {"step": best.step, "loss": best.loss},
            "rate_factor": progress.rate_factor,
            "peak_memory_gib": self._peak_gib,
        }
        try:
            files.replace_file(
                files.private_dir(self._run.path / "results") / "train.json", msgspec.json.encode(numbers)
            )
        except OSError as error:
            print(f"results/train.json cannot be written: {error}", flush=True)


def base_dtype(model: Any) -> str:
    """The number format in which the base model computes: `float32`, `bfloat16`, `float16`."""
    return str(getattr(model, "dtype", "unknown")).removeprefix("torch.")
