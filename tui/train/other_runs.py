"""The runs that are laid over the chart of another one. Reads the disk: call it from a thread."""

from __future__ import annotations

from collections.abc import Sequence

from core.runs.run_curves import RunCurves
from core.runs.run_folder import RunFolder, list_training_runs
from core.runs.run_reader import RunReader
from core.runs.run_summary import summarise_run


def read_other_runs(shown: RunFolder, marked: Sequence[str]) -> dict[str, RunCurves]:
    """The numbers of the marked runs by their names, else those of the training run before the one shown."""
    runs = list_training_runs()
    chosen = [run for run in runs if run.id in marked and run.id != shown.id]
    if not chosen:
        chosen = [run for run in runs if run.id < shown.id and run.kind() == "train"][:1]
    others: dict[str, RunCurves] = {}
    for run in chosen:
        reader = RunReader(run)
        reader.read_changes()
        name = summarise_run(run).name or run.id
        others[f"{name} {run.id[-4:]}" if name in others else name] = reader.curves
    return others
