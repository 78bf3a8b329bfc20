"""Prints a run's progress while it trains."""

from __future__ import annotations

from core.base.command_output import CommandOutput
from core.runs.run_folder import RunFolder
from core.runs.watch_run import progress_line, raise_if_failed, watch_run


def follow_run(run: RunFolder, output: CommandOutput) -> int:
    """Print the run's progress until it ends; returns the exit code. Raises RunError where the run failed."""
    last_words = ""
    try:
        for status, metrics in watch_run(run):
            for metric in metrics:
                output.record(metric)
            words = f"{status.state}: {status.message}" if status.message else status.state
            if words != last_words and not status.ended:
                output.note(words)
                last_words = words
            if metrics:
                output.progress(progress_line(status, metrics[-1]))
                if not output.live and not output.json:
                    for metric in metrics:
                        if metric.step % max(1, status.total // 10) == 0 or metric.step == 1:
                            output.text("  " + progress_line(status, metric))
    except KeyboardInterrupt:
        output.progress_done()
        output.note(f"The run continues. `python -m core runs {run.id} --follow` watches it, `--stop` stops it.")
        return 130
    output.progress_done()
    output.record({"run": run.id, "status": status})
    raise_if_failed(run, status)
    output.text(f"{run.id} {status.state} at step {status.step} of {status.total}")
    if status.state == "paused":
        output.note(f"`python -m core runs resume {run.id}` goes on.")
    return 0
