"""A copy of a run's numbers for other programs: TensorBoard, Weights & Biases, Trackio. Written, never read.

Each program has a thread and a queue of its own, so that one that hangs, fails or is not logged in never holds up the
run. What a program does wrong is told once, and it gets nothing more.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from core.base.without_tokens import without_tokens
from core.runs.process import JobProcess
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec

_MOST_WAITING = 10_000  # steps that wait for a program; more are left out
_PROJECT = "suiron"
_END = None


class MirrorTarget(msgspec.Struct, frozen=True):
    """What a program is told of the run before its first numbers."""

    run: RunFolder
    """The run: its id is its name there, and its folder has what is written locally."""
    spec: RunSpec
    """Its specification."""
    from_step: int
    """The step it goes on from; 0 where it begins."""


class NumberWriter(Protocol):
    """A program that was opened."""

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        """Keep the numbers of a step, by name."""

    def close(self) -> None:
        """Keep what waits and end."""


class NumberMirror:
    """programs: names of `train.report_to`. tell: gets what went wrong, as a clause; called in other threads."""

    def __init__(self, programs: Sequence[str], target: MirrorTarget, tell: Callable[[str], None]) -> None:
        self._copies = [_ProgramCopy(name, target, tell) for name in programs]

    def add(self, step: int, numbers: Mapping[str, float | None]) -> None:
        """Copy the numbers of a step, by name; None is left out. Never waits."""
        present = {name: float(value) for name, value in numbers.items() if value is not None}
        for copy in self._copies:
            copy.add(step, present)

    def close(self, seconds: float = 5.0) -> None:
        """Let the programs keep what they have, for as long at most."""
        end = time.monotonic() + seconds
        for copy in self._copies:
            copy.ask_to_end()
        for copy in self._copies:
            copy.wait(end - time.monotonic())


def make_mirror(job: JobProcess, spec: RunSpec, from_step: int) -> NumberMirror | None:
    """The copies that the run asks for; None where it asks for none. What goes wrong is an event."""
    programs = spec.train.report_to
    target = MirrorTarget(job.run, spec, from_step)
    return NumberMirror(programs, target, lambda words: job.event("note", words)) if programs else None


class _ProgramCopy:
    def __init__(self, name: str, target: MirrorTarget, tell: Callable[[str], None]) -> None:
        self._name, self._target, self._tell = name, target, tell
        self._waiting: queue.Queue[tuple[int, dict[str, float]] | None] = queue.Queue(_MOST_WAITING)
        self._left_out = 0
        self._thread = threading.Thread(target=self._work, name=f"mirror to {name}", daemon=True)
        self._thread.start()

    def add(self, step: int, numbers: dict[str, float]) -> None:
        try:
            self._waiting.put_nowait((step, numbers))
        except queue.Full:
            self._left_out += 1

    def ask_to_end(self) -> None:
        with contextlib.suppress(queue.Full):  # it hangs: nobody waits for it for long
            self._waiting.put_nowait(_END)

    def wait(self, seconds: float) -> None:
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self._tell(f"{self._name} did not take the last {self._waiting.qsize() + self._left_out} numbers in time")
        elif self._left_out:
            self._tell(f"{self._name} was too slow for {self._left_out} steps, which it has not got")

    def _work(self) -> None:
        try:
            writer = OPENERS[self._name](self._target)
            while (item := self._waiting.get()) is not _END:
                writer.write(*item)
            writer.close()
        except Exception as error:  # whatever another program does, the run goes on
            lines = str(error).strip().splitlines()
            why = without_tokens(f"{type(error).__name__}: {lines[0] if lines else 'no message'}")
            self._tell(f"{self._name} gets no numbers of this run any more: {why}")
            while self._waiting.get() is not _END:
                continue  # so that nothing is counted as waiting


class _TensorBoard:
    """Event files in the folder TENSORBOARD_LOGGING_DIR. Steps that a resumption undid are dropped there."""

    def __init__(self, target: MirrorTarget) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = os.environ.get("TENSORBOARD_LOGGING_DIR") or str(target.run.path / "results" / "tensorboard")
        purge = target.from_step + 1 if target.from_step else None
        self._writer: Any = SummaryWriter(folder, purge_step=purge)

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class _LoggedRun:
    """A run of a program whose runs have `log` and `finish`."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def write(self, step: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        self._run.finish()


def _open_wandb(target: MirrorTarget) -> NumberWriter:
    import wandb

    return _LoggedRun(
        wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            id=target.run.id,
            name=target.run.id,
            config=msgspec.to_builtins(target.spec),
            resume="allow",
            settings={"console": "off"},
        )
    )


def _open_trackio(target: MirrorTarget) -> NumberWriter:
    import trackio

    return _LoggedRun(
        trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", _PROJECT),
            name=target.run.id,
            config=msgspec.to_builtins(target.spec),
            resume="allow",
        )
    )


OPENERS: dict[str, Callable[[MirrorTarget], NumberWriter]] = {
    "tensorboard": _TensorBoard,
    "wandb": _open_wandb,
    "trackio": _open_trackio,
}
"""How each program of `train.report_to` is opened, in its thread."""
