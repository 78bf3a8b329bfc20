"""An export from its specification to its proof: checks, writes beside and renames, asks what was written, says how it
agrees with the run."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from core.base import files
from core.base.errors import RunError, SuironError
from core.export.export_jobs import ASIDE, check_target
from core.export.export_result import ExportResult, write_result
from core.export.export_spec import ADAPTER_TARGETS, ExportSpec
from core.export.export_writing import Writing
from core.export.held_out_questions import Questions, held_out_questions, run_mixture
from core.export.model_card import CardPrompt, base_licence, model_card
from core.export.run_comparison import RunComparison
from core.export.run_material import RunMaterial, run_material
from core.models.export.disk_and_memory import peak_memory
from core.models.export.merged_tensors import BaseWeights
from core.models.export.model_tensors import open_model_tensors, total_weights
from core.models.export.safetensors_writing import WeightTooLarge
from core.runs.checkpoint_folders import MARK_FILE, AdapterOrigin, read_mark, write_folder_whole
from core.runs.facts_file import write_facts
from core.runs.process import ENDING_REQUESTS, JobProcess
from core.training.failure_causes import failure_cause
from core.training.model_facts import library_versions

CARD = "README.md"


class ExportCancelled(Exception):
    """A person or a signal asked the export to end."""


class ExportJob:
    """The stages of one export, in their order."""

    def __init__(self, job: JobProcess, spec: ExportSpec) -> None:
        self._job, self._spec = job, spec
        self._out = Path(spec.out)
        self._done = self._total = 0
        self._written = False
        self._prompt: CardPrompt | None = None

    def run(self) -> None:
        """Raises what ends the export."""
        if self._job.started_before:
            raise RunError("an export is not resumed", self._job.run.id, "Start it again: nothing half-made is left")
        self._job.termination.saves_itself()
        try:
            self._run()
        except ExportCancelled as cancelled:
            kept = f"the export is in {self._out}, not compared" if self._written else "nothing was written"
            words = f"cancelled by {cancelled}: {kept}"
            self._job.event("ended", words)
            self._job.status.end("stopped", words)

    def _run(self) -> None:
        began = time.monotonic()
        self._say("loading", "looking at the run and its base model")
        material = run_material(self._spec.run, lambda words: self._say("loading", words))
        check_target(self._out, self._spec.overwrite)
        with open_model_tensors(material.base, packed=self._spec.to in ADAPTER_TARGETS) as stored:
            self._say("loading", "checking what would be written")
            writing = Writing(self._spec, material, stored)
            self._check_cancelled()
            with contextlib.suppress(SuironError):  # templates that are gone: the card leaves them out
                self._prompt = writing.prompt()
            questions = self._questions(material)
            weights = total_weights(stored.headers)
            self._note_facts(material, weights)
            comparison = RunComparison(self, self._spec, material, writing, questions, weights)
            self._total = (0 if writing.is_adapter else len(stored.headers)) + comparison.answers_planned
            self._job.event("started", f"exports {material.run.id} to {self._spec.to}")
            if comparison.compares_bases or not comparison.can_ask:
                self._check_type(writing, comparison)
            base = comparison.choose_base()
            result = self._write_what_fits(material, writing, base)
            result = self._prove(comparison, result, writing, lambda: self._write(material, writing, base))
        result = msgspec.structs.replace(result, seconds=round(time.monotonic() - began, 2))
        self._write_card(self._out, material, result)
        files_now = _sizes(self._out)
        result = msgspec.structs.replace(result, files=files_now)
        write_result(self._job.run.path, result)
        self._job.event("ended", result.words)
        self._job.status.end("finished", result.words)

    def _prove(
        self, comparison: RunComparison, result: ExportResult, writing: Writing, again: Callable[[], ExportResult]
    ) -> ExportResult:
        """The result with its agreements. What was written stays where asking it fails: the result says why. again:
        writes once more, where float16 was tried and does not do."""
        try:
            if writing.type_is_tried and not self._check_type(writing, comparison):
                result = again()
            return comparison.prove(msgspec.structs.replace(result, remarks=tuple(writing.remarks)))
        except ExportCancelled:
            raise
        except Exception as error:  # loading a model fails in many ways: memory, its own code, other versions
            traceback.print_exc()
            cause = failure_cause(error, None, self._job.run.id)
        self._job.event("note", f"the export could not be asked: {cause.what}")
        if writing.type_is_tried:
            writing.take_own_type("the run could not be asked whether its numbers fit")
            result = again()
        return msgspec.structs.replace(result, not_checked=f"asking it failed ({cause.what})")

    def _check_type(self, writing: Writing, comparison: RunComparison) -> bool:
        """Settle the number format where float16 is tried. Returns whether it stays."""
        if not writing.type_is_tried:
            return True
        why = comparison.why_not_float16()
        if why:
            writing.take_own_type(why)
            return False
        writing.keep_type()
        return True

    # -- writing --

    def _write_what_fits(self, material: RunMaterial, writing: Writing, base: BaseWeights) -> ExportResult:
        """Write; in the base model's own format where float16 is tried and a weight does not fit."""
        try:
            return self._write(material, writing, base)
        except WeightTooLarge as error:
            if not writing.type_is_tried:
                raise
            writing.take_own_type(error.what)
            return self._write(material, writing, base)

    def _write(self, material: RunMaterial, writing: Writing, base: BaseWeights) -> ExportResult:
        began = time.monotonic()
        results: list[ExportResult] = []

        def fill(part: Path) -> None:
            writing.write(part, base, self._on_tensor)
            self._check_cancelled()
            result = ExportResult(
                run=material.run.id,
                to=self._spec.to,
                type=writing.type,
                folder=str(self._out),
                files=_sizes(part),
                base_weights=base,
                not_checked="the comparison has not ended",
                remarks=tuple(writing.remarks),
                commands=tuple(writing.commands()),
                write_seconds=round(time.monotonic() - began, 2),
                peak_bytes=peak_memory(),
            )
            results.append(result)
            self._write_card(part, material, result)

        step = material.run.status().step
        mark = read_mark(material.adapter)
        about = AdapterOrigin(
            material.base_name,
            "",  # folders of this machine mean nothing elsewhere
            material.run.id,
            mark.step if mark is not None else step,
            str(material.facts.get("model_fingerprint") or ""),
            str(material.facts.get("encoded_hash") or ""),
        )
        self._say("exporting", "writing")
        files.private_dir(self._out.parent)
        write_folder_whole(self._out, fill, about, "export", ASIDE)
        self._written = True
        self._job.event("saved", f"{self._spec.to} in {self._out}")
        return results[0]

    def _write_card(self, folder: Path, material: RunMaterial, result: ExportResult) -> None:
        """Write the card, and its size into the mark of a folder that is whole already."""
        licence = base_licence(material.base)
        card = model_card(material.run, material.spec, result, material.base_name, licence, self._prompt)
        files.replace_file(folder / CARD, card.encode("utf-8", "replace"))
        mark = folder / MARK_FILE
        if mark.is_file():
            content = msgspec.json.decode(mark.read_bytes(), type=dict[str, Any])
            content["files"] = {**content["files"], CARD: (folder / CARD).stat().st_size}
            files.replace_file(mark, msgspec.json.encode(content))

    def _on_tensor(self, name: str, done: int, total: int) -> None:
        self._check_cancelled()
        self._job.status.update_later(step=self._done + done, message=f"writing {name}" if name else "written")
        if done == total:
            self._done += total

    # -- what the job shows and hears --

    def _questions(self, material: RunMaterial) -> Questions | None:
        if not self._spec.check:
            return None
        self._say("loading", "drawing the questions")
        mixture = run_mixture(material.spec, material.adapter, material.tokenizer)
        return held_out_questions(material.spec, mixture, material.tokenizer, self._spec.check)

    def _note_facts(self, material: RunMaterial, weights: int) -> None:
        facts = {
            "run": material.run.id,
            "adapter": str(material.adapter),
            "model_folder": str(material.base),
            "four_bit": material.four_bit,
            "weights": weights,
            "versions": library_versions(),
        }
        write_facts(self._job.run.path, facts)

    def on_answers(self, words: str) -> Callable[[int], None]:
        """For a model that is asked: shows how far it is, and hears a wish to end. words: what is asked."""
        begin = self._done
        self._say("checking", words)

        def answered(done: int) -> None:
            self._check_cancelled()
            self._done = begin + done
            self._job.status.update_later(step=self._done)

        return answered

    def say(self, words: str) -> None:
        """Show what the comparison is doing."""
        self._check_cancelled()
        self._say("checking", words)

    def _say(self, state: str, words: str) -> None:
        self._job.status.update(state=state, message=words, step=self._done, total=max(self._done, self._total))

    def _check_cancelled(self) -> None:
        """Raises ExportCancelled where the export was asked to end."""
        if self._job.termination.asked:
            raise ExportCancelled(self._job.termination.signal_name)
        for request in self._job.new_requests():
            if request.kind in ENDING_REQUESTS:
                self._job.obeyed(request, "the export ends", self._done)
                raise ExportCancelled("request")
            self._job.refused(request, "an export can only be stopped", self._done)


def _sizes(folder: Path) -> dict[str, int]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in paths}
