"""The command that a run starts when it ends: `train.on_end`, with how it ended in its environment."""

from __future__ import annotations

import os
import subprocess
import sys

from core.base.errors import SuironError
from core.runs.run_folder import RunFolder
from core.runs.run_summary import summarise_run

MOST_SECONDS = 60.0  # that the run's process waits for the command; then it goes on by itself


def run_on_end(run: RunFolder, waits: float = MOST_SECONDS) -> None:
    """Start the command of the run's specification in its folder, and wait for it a while, so that batch systems do not
    end it with the job. Its output goes where this process's does. Nothing here changes how the run ended."""
    try:
        command = run.spec().train.on_end if run.kind() == "train" else ""
    except SuironError:
        return  # the run has failed for it already
    if not command.strip():
        return
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=run.path,
            env={**os.environ, **end_facts(run)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        status = process.wait(waits)
    except subprocess.TimeoutExpired:
        print(f"train.on_end still runs after {waits:.0f} s and is left alone", file=sys.stderr, flush=True)
    except (OSError, ValueError) as error:
        print(f"train.on_end cannot be started: {error}", file=sys.stderr, flush=True)
    else:
        if status:
            print(f"train.on_end left with status {status}", file=sys.stderr, flush=True)


def end_facts(run: RunFolder) -> dict[str, str]:
    """How the run ended, as variables of an environment; those that are not known are empty."""
    summary = summarise_run(run)
    facts = {
        "RUN": run.id,
        "FOLDER": str(run.path),
        "NAME": summary.name,
        "STATE": summary.state,
        "STEP": str(summary.step),
        "STEPS": str(summary.total),
        "LOSS": "" if summary.loss is None else f"{summary.loss:.6g}",
        "MODEL": summary.model,
        "DATA": summary.data,
    }
    return {f"SUIRON_{name}": text.replace("\0", "") for name, text in facts.items()}
