"""Where a run goes on: its newest whole checkpoint, checked against the rows and the model of today, and the requests
that were obeyed after it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import RunError
from core.runs.checkpoint_folders import checkpoint_step, clean_checkpoints, newest_whole_checkpoint, read_mark
from core.runs.events_file import JobEvent
from core.runs.job_requests import JobRequest
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec
from core.runs.steering import LiveSettings
from core.training.run_progress import RunProgress, read_progress

SAME = {"encoded_hash": "rows", "model_fingerprint": "model"}
"""The facts that must be the same for a run to go on, and what each is about."""


class ResumePoint(msgspec.Struct, frozen=True):
    """Where the run begins in this process."""

    folder: str
    """The folder of the checkpoint; empty where the run begins with its first step."""
    step: int
    """Its step; 0 without one."""
    progress: RunProgress
    """What the run remembers."""
    replays: dict[int, list[JobRequest]]
    """Requests that changed a setting after the checkpoint, by the step at which they were obeyed."""

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint; None where the run begins with its first step."""
        return Path(self.folder) if self.folder else None


def find_resume_point(run: RunFolder, spec: RunSpec) -> ResumePoint:
    """Removes what interrupted saves have left first. Raises RunError."""
    clean_checkpoints(run.path)
    checkpoint = newest_whole_checkpoint(run.path)
    progress = RunProgress(settings=LiveSettings.of_spec(spec)) if checkpoint is None else read_progress(checkpoint)
    step = 0 if checkpoint is None else checkpoint_step(checkpoint)
    return ResumePoint(
        "" if checkpoint is None else str(checkpoint), step, progress, _replays(run.events()[0], progress)
    )


def check_same(run: RunFolder, point: ResumePoint, now: Mapping[str, Any], accepted: bool) -> list[str]:
    """What of the facts `now` is not what it was when the run began, in words; empty where all is. Raises RunError
    where something is not and that is not `accepted`."""
    before = dict(run.facts())
    mark = read_mark(point.checkpoint) if point.checkpoint is not None else None
    if mark is not None:  # a checkpoint may have been copied here from another run
        before |= {"encoded_hash": mark.encoded_hash, "model_fingerprint": mark.base_fingerprint}
    changed = [what for key, what in SAME.items() if key in now and before.get(key) not in (None, "", now[key])]
    if changed and not accepted:
        words = " and the ".join(changed)
        verb = "are" if changed != ["model"] else "is"
        raise RunError(
            f"the {words} {verb} not what the run was trained with so far",
            run.id,
            f"Bring them back, start a new run, or go on all the same: `python -m core runs resume {run.id} "
            "--accept-changes`",
        )
    return changed


def _replays(events: list[JobEvent], progress: RunProgress) -> dict[int, list[JobRequest]]:
    replays: dict[int, list[JobRequest]] = {}
    seen = set(progress.handled)
    for event in events:
        facts = event.facts
        if event.kind != "obeyed" or facts.get("asked") not in ("rate", "set") or facts.get("request") in seen:
            continue
        seen.add(facts["request"])
        request = JobRequest(facts["asked"], facts.get("value"), facts.get("key", ""), name=facts["request"])
        replays.setdefault(event.step, []).append(request)
    return replays
