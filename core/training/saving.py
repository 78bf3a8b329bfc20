"""Saves a run's adapter and its checkpoints, each completely or not at all. Imports torch."""

from __future__ import annotations

import io
import os
import random
import shutil
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME
from transformers.trainer_pt_utils import safe_globals

from core.base.files import private_dir
from core.runs import checkpoint_folders
from core.runs.checkpoint_folders import (
    ADAPTER_NEEDED,
    CHECKPOINTS_FOLDER,
    AdapterOrigin,
    checkpoint_folder,
    folder_is_whole,
    force_story_to_disk,
    rotate_checkpoints,
    write_folder_whole,
)
from core.runs.disk_reserve import give_up_disk_reserve
from core.runs.process import JobProcess
from core.training.failure_causes import failure_cause
from core.training.ranks import Ranks
from core.training.run_progress import RunProgress

RNG_FILE = "rng_state.pth"  # the name that the trainer reads
RNG_FILE_OF_RANK = "rng_state_{}.pth"  # of the others
_ATTEMPTS = 3


def rng_states() -> dict[str, Any]:
    """The states of all random numbers that training draws, as the trainer reads them back."""
    states: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "cpu": torch.random.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.random.get_rng_state()
    return states


def fill_adapter(model: Any, folder: Path) -> None:
    """Write the adapter of the PeftModel `model` into `folder`."""
    model.save_pretrained(str(folder), safe_serialization=True)
    (folder / "README.md").unlink(missing_ok=True)  # a model card of placeholders


def fill_checkpoint(
    trainer: Any, folder: Path, rng: dict[str, Any], progress: RunProgress, rng_of_others: Sequence[bytes] = ()
) -> None:
    """Write all that the trainer needs to go on into `folder`. rng_of_others: the files of ranks 1, 2, and so on.
    Raises OSError, and the libraries' own errors on a full disk."""
    fill_adapter(trainer.model, folder)
    checkpoint_folders.reached("checkpoint: adapter")
    for name, state in (
        (OPTIMIZER_NAME, trainer.optimizer.state_dict()),
        (SCHEDULER_NAME, trainer.lr_scheduler.state_dict()),
        (RNG_FILE, rng),
    ):
        with open(folder / name, "wb") as file:
            torch.save(state, file)
        checkpoint_folders.reached(f"checkpoint: {name}")
    for rank, content in enumerate(rng_of_others, start=1):
        (folder / RNG_FILE_OF_RANK.format(rank)).write_bytes(content)
    trainer._save_scaler(str(folder))
    trainer.state.save_to_json(os.path.join(folder, TRAINER_STATE_NAME))
    progress.write(folder)


def load_rng_of_rank(checkpoint: Path, rank: int) -> None:
    """Go on with the random numbers of `rank`, one other than the first, where the checkpoint has them."""
    path = checkpoint / RNG_FILE_OF_RANK.format(rank)
    if not path.is_file():
        return
    with safe_globals():
        states = torch.load(path, weights_only=True)
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.random.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and "cuda" in states:
        torch.cuda.random.set_rng_state(states["cuda"])


class Saver:
    """Saves for one run. about: the mark for a step. ranks: all of them call each method together; the first one
    writes, and all get its result."""

    def __init__(self, job: JobProcess, about: Callable[[int], AdapterOrigin], ranks: Ranks | None = None) -> None:
        self._job, self._about, self._ranks = job, about, ranks or Ranks()
        self.failure = ""
        """Why the last attempt to save failed; empty after one that did not."""

    def checkpoint(
        self, trainer: Any, step: int, rng: dict[str, Any], progress: RunProgress, must: bool = False
    ) -> bool:
        """Save a checkpoint; whether it was saved. A failure is an event. must: try again, with older checkpoints
        removed first; the newest whole one stays in any case."""
        target = checkpoint_folder(self._job.run.path, step)
        if self._ranks.from_first(folder_is_whole(target), bool):
            return True
        others = self._rng_of_others(rng)

        def write() -> None:
            private_dir(target.parent)
            force_story_to_disk(self._job.run.path)
            if target.exists() and not target.is_dir():
                raise FileExistsError(17, "a file is in the way", str(target))
            write_folder_whole(
                target,
                lambda part: fill_checkpoint(trainer, part, rng, progress, others),
                self._about(step),
                "checkpoint",
            )

        if not self._try(write, "checkpoint", step, must):
            return False
        if not self._job.writes:
            return True
        removed = rotate_checkpoints(self._job.run.path, progress.settings.keep_checkpoints)
        self._job.event("saved", f"checkpoint of step {step}", step=step, what="checkpoint", removed=removed)
        return True

    def adapter(self, model: Any, step: int) -> bool:
        """Save the adapter where readers look for it; whether it was saved."""
        return self.whole_adapter(self._job.run.adapter, lambda part: fill_adapter(model, part), step)

    def best(self, model: Any, step: int) -> bool:
        """Save the adapter as that of the best evaluation so far."""
        target = self.best_folder
        if not self._try(
            lambda: self._write_adapter(target, lambda part: fill_adapter(model, part), step), "best", step
        ):
            return False
        self._job.event("best", f"the lowest evaluation loss so far, at step {step}", step=step)
        return True

    @property
    def best_folder(self) -> Path:
        return self._job.run.path / CHECKPOINTS_FOLDER / "best"

    def adapter_of_best(self, step: int) -> bool:
        """Save the adapter of the best evaluation, of `step`, as the run's adapter."""
        best = self.best_folder
        if not self._ranks.from_first(folder_is_whole(best, ADAPTER_NEEDED), bool):
            return False

        def copy(part: Path) -> None:
            for name in ADAPTER_NEEDED:
                shutil.copyfile(best / name, part / name)

        return self.whole_adapter(self._job.run.adapter, copy, step)

    def whole_adapter(self, target: Path, fill: Callable[[Path], None], step: int) -> bool:
        if not self._try(lambda: self._write_adapter(target, fill, step), "adapter", step, must=True):
            return False
        self._job.event("saved", f"adapter of step {step}", step=step, what="adapter")
        return True

    def _write_adapter(self, target: Path, fill: Callable[[Path], None], step: int) -> None:
        private_dir(target.parent)
        write_folder_whole(target, fill, self._about(step), "adapter")

    def _rng_of_others(self, rng: dict[str, Any]) -> list[bytes]:
        if self._ranks.count == 1:
            return []
        file = io.BytesIO()
        torch.save(rng, file)
        return self._ranks.gather_bytes(file.getvalue())[1:]

    def _try(self, write: Callable[[], None], what: str, step: int, must: bool = False) -> bool:
        saved = self._job.writes and self._attempt(write, what, step, must)
        saved, self.failure = self._ranks.from_first((saved, self.failure), tuple[bool, str])
        return saved

    def _attempt(self, write: Callable[[], None], what: str, step: int, must: bool) -> bool:
        self.failure = ""
        for attempt in range(_ATTEMPTS if must else 1):
            try:
                write()
            except Exception as error:  # the libraries raise their own kinds on a full disk
                cause = failure_cause(error, None, str(self._job.run.path))
                self.failure = cause.what
                traceback.print_exc()
                if attempt == 0:
                    self._job.event("save_failed", f"{what} of step {step}: {cause.what}", step=step, what=what)
                if must and attempt == 0:
                    rotate_checkpoints(self._job.run.path, 1)
                elif must:
                    give_up_disk_reserve(self._job.run.path)
            else:
                self.failure = ""
                return True
        return False
