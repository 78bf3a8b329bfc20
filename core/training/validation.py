"""Evaluation on training rows that are kept out: which rows they are, and their loss. Imports torch late."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from core.base.errors import RunError
from core.base.row import Row
from core.examples.build import TrainingSet
from core.examples.trained_rows import is_held_out
from core.runs.spec import ValidationSection

if TYPE_CHECKING:
    from core.training.ranks import Ranks
    from core.training.trainer import RunTrainer

    Array = np.ndarray[Any, np.dtype[Any]]


class RowSplit(msgspec.Struct, frozen=True):
    """The rows of a training set that are trained, and those kept out, by their index in it: int64, ascending."""

    trained: Any
    """Trained on."""
    kept_out: Any
    """Kept out for evaluation."""


def is_kept_out(row: Row, section: ValidationSection) -> bool:
    """Whether the row is kept out. Rows of the same texts are on the same side, in any source and order. A row that is
    marked as held out never is: it must not choose anything."""
    if is_held_out(row.sysflag):
        return False
    digest = hashlib.blake2b(f"{section.seed} {row.identity()}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") < section.share * 2**64


def split_rows(prepared: TrainingSet, rows: Iterable[Row], section: ValidationSection, where: str) -> RowSplit:
    """rows: all rows of the source. Raises RunError where nothing would be left on one of the two sides."""
    chosen = np.fromiter((row.index for row in rows if is_kept_out(row, section)), np.int64)
    kept_out = np.isin(prepared.row_indices, chosen)
    split = RowSplit(np.nonzero(~kept_out)[0], np.nonzero(kept_out)[0])
    if not len(split.kept_out):
        what = f"none of the {len(prepared)} training rows is kept out with validation.share = {section.share}"
        raise RunError(what, where, "Raise validation.share, or add rows")
    if not len(split.trained):
        raise RunError("all training rows would be kept out for evaluation", where, "Add rows of other texts")
    return split


class EvaluationLosses(msgspec.Struct, frozen=True):
    """The mean losses over the rows kept out, in nats."""

    loss: float
    """Of the trained tokens, weighted as in training: what is compared."""
    loss_prompt: float | None
    """Of the prompt's tokens, each counted once; None where it is not known."""
    loss_reasoning: float | None
    """Of the reasoning's tokens, its markers included."""
    loss_response: float | None
    """Of the response's tokens, its end included."""
    rows: int
    """How many rows."""


class Evaluator:
    """Evaluates one run's model on the rows kept out. Draws no random number and changes nothing of the model. ranks:
    share out the batches, and all get the losses of all."""

    def __init__(self, prepared: TrainingSet, kept_out: Array, batch_size: int, ranks: Ranks | None = None) -> None:
        by_length = kept_out[np.argsort(prepared.ends[kept_out, -1], kind="stable")]
        self._batches = [by_length[first : first + batch_size] for first in range(0, len(by_length), batch_size)]
        self._prepared, self._count, self._ranks = prepared, len(kept_out), ranks

    def evaluate(self, trainer: RunTrainer, stopped: Callable[[], bool]) -> EvaluationLosses | None:
        """None where `stopped` turned true between two batches."""
        import torch

        total = weight = ended = 0.0
        batches = self._batches if self._ranks is None else self._batches[self._ranks.rank :: self._ranks.count]
        sections = torch.zeros(2, 3, dtype=torch.float64)
        model = trainer.model
        was_training = model.training
        devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices), torch.no_grad():
            model.eval()
            try:
                for batch in batches:
                    if stopped():
                        ended = 1.0
                        break
                    items = [{"input_ids": self._prepared.ids(row), "row": int(row)} for row in batch]
                    part = trainer.evaluation_part(trainer.padded_collator(items))
                    total, weight = total + part.total, weight + part.weight
                    sections += part.sections.cpu()
            finally:
                model.train(was_training)
        if self._ranks is not None:
            of_all = torch.tensor([total, weight, ended, *sections.flatten().tolist()], dtype=torch.float64)
            self._ranks.add_up(of_all)
            total, weight, ended = of_all[:3].tolist()
            sections = of_all[3:].view(2, 3)
        if ended:
            return None
        sums, counts = sections.tolist()
        prompt, reasoning, response = (
            section_sum / count if count else None for section_sum, count in zip(sums, counts, strict=True)
        )
        return EvaluationLosses(total / weight, prompt, reasoning, response, self._count)
