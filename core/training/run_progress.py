"""What a run must remember besides model, optimizer and trainer to go on as if it had never ended: `progress.json` in
each checkpoint."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.base.errors import RunError
from core.runs.steering import LiveSettings

PROGRESS_FILE = "progress.json"


class BestEvaluation(msgspec.Struct):
    """The evaluation with the lowest loss so far."""

    step: int
    """Its step."""
    loss: float
    """Its loss, in nats."""


class RunProgress(msgspec.Struct, kw_only=True):
    """Changes during the run."""

    settings: LiveSettings
    """The settings in force."""
    rate_factor: float = 1.0
    """By what the learning rate of the schedule has been multiplied."""
    handled: list[str] = []
    """Names of the requests that changed a setting: after a resumption, later ones are done again at their step."""
    first_losses: list[float] = []
    """The losses of the first steps, in nats: what a loss is compared with."""
    recent_losses: list[float] = []
    """The losses of the last steps."""
    back_offs: int = 0
    """How often the run has backed off."""
    not_finite: int = 0
    """Steps whose loss was not a finite number."""
    first_not_finite: int = 0
    """The first of them; 0 where there is none."""
    best: BestEvaluation | None = None
    """The best evaluation; None before the first."""
    worse_evaluations: int = 0
    """Evaluations since the best one."""
    evaluated_at: int = 0
    """The step of the last evaluation; 0 before the first."""

    ranks: int = 1
    """How many ranks have trained the run."""

    def write(self, folder: Path) -> None:
        """Raises OSError."""
        (folder / PROGRESS_FILE).write_bytes(msgspec.json.encode(self))


def read_progress(checkpoint: Path) -> RunProgress:
    """The progress in the folder `checkpoint`. Raises RunError."""
    path = checkpoint / PROGRESS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunProgress)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        what = f"the checkpoint's progress cannot be read ({error})"
        raise RunError(
            what, str(path), "Remove this checkpoint, so that the run goes on from the one before"
        ) from error
