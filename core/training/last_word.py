"""How a training run has ended: its last event and status, and results/train.json."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import msgspec

from core.base import files
from core.base.errors import RunError
from core.base.plural import counted
from core.runs.checkpoint_folders import CHECKPOINTS_FOLDER
from core.runs.process import JobProcess
from core.runs.run_folder import RunFolder
from core.training.run_progress import RunProgress

if TYPE_CHECKING:
    from core.training.run_control import RunControl


def say_end(
    job: JobProcess, control: RunControl, loss: float | None, done: int, planned: int, peak: float | None
) -> None:
    """Write the last event and status of the run, and its results. loss: of the last step. done, planned: steps.
    peak: of its memory, in GiB. Raises RunError where the adapter that should be there is not."""
    run, ending, progress = job.run, control.ending, control.progress
    of = f"{done} of {counted(planned, 'step')}"
    losses = f", loss {loss:.4f}" if loss is not None else (", no finite loss" if progress.not_finite else "")
    _write_results(run, progress, ending, done, loss, peak)
    if ending in ("finished", "patience", "stop", "discard"):  # after the others, the run may go on and obey
        control.refuse_rest(done)
    if ending == "discard":
        for folder in (run.adapter, run.path / CHECKPOINTS_FOLDER):
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
            raise RunError(f"the adapter could not be saved ({why})", str(run.adapter), do)
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


def _write_results(
    run: RunFolder, progress: RunProgress, ending: str, done: int, loss: float | None, peak: float | None
) -> None:
    """results/train.json: how it ended, in numbers."""
    best = progress.best
    numbers = {
        "ended": ending,
        "time": time.time(),
        "steps": done,
        "loss": loss,
        "steps_without_finite_loss": progress.not_finite,
        "best_evaluation": None if best is None else {"step": best.step, "loss": best.loss},
        "rate_factor": progress.rate_factor,
        "peak_memory_gib": peak,
    }
    try:
        files.replace_file(files.private_dir(run.path / "results") / "train.json", msgspec.json.encode(numbers))
    except OSError as error:
        print(f"results/train.json cannot be written: {error}", flush=True)
