"""`runs`: lists all runs, newest first; `runs ID`: shows one; `--follow`, `--stop` and `--metrics` for one."""

from __future__ import annotations

import argparse

from core.base.command_output import CommandOutput
from core.base.errors import RunError, UsageError, error_record, error_sentences
from core.cli.follow import follow_run
from core.runs.run_folder import RunFolder, find_run, list_runs
from core.runs.spec import dump_run_spec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", help="a run's id, the start or end of one, or `last`")
    parser.add_argument("--follow", action="store_true", help="watch it until it ends")
    parser.add_argument("--stop", action="store_true", help="ask it to stop at its next step; its adapter is saved")
    parser.add_argument("--metrics", action="store_true", help="every logged step")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    if arguments.run is None:
        if arguments.follow or arguments.stop or arguments.metrics:
            raise UsageError("no run given", "runs", "Name one: an id, or `last`")
        return _list(output)
    run = find_run(arguments.run)
    if arguments.stop:
        if run.status().ended:
            output.note(f"{run.id} has already ended ({run.status().state}).")
        else:
            run.request("stop")
            output.note(f"{run.id} will stop at its next step.")
    if arguments.follow:
        return follow_run(run, output)
    if arguments.metrics:
        for metric in run.metrics()[0]:
            output.record(metric)
            output.text(f"{metric.step}\t{metric.loss}\t{metric.learning_rate}\t{metric.tokens_per_second}")
    elif not arguments.stop:
        _show(run, output)
    return 0


def _list(output: CommandOutput) -> int:
    runs = list_runs()
    for run in runs:
        try:
            status = run.status()
        except RunError as error:  # one damaged folder must not hide the others
            output.record({"run": run.id, "error": error_record(error)})
            output.text(f"{run.id}  {error.what}")
            continue
        output.record({"run": run.id, "status": status})
        output.text(f"{run.id}  {status.state:<9} {status.step}/{status.total}")
    if not runs:
        output.note("There are no runs yet. Start one with `python -m core demo` or `python -m core train SPEC.toml`.")
    return 0


def _show(run: RunFolder, output: CommandOutput) -> None:
    status, spec = run.status(), run.spec()
    metrics, _ = run.metrics()
    output.record(
        {"run": run.id, "folder": str(run.path), "spec": spec, "status": status, "steps_logged": len(metrics)}
    )
    output.text(
        f"{run.id}: {status.state}, step {status.step} of {status.total}\n"
        f"folder   {run.path}\nbackend  {status.backend}"
    )
    if metrics:
        output.text(
            f"loss     {metrics[0].loss} at step {metrics[0].step}, {metrics[-1].loss} at step {metrics[-1].step}"
        )
    for name, fact in status.facts.items():
        output.text(f"{name}: {fact}")
    if status.error:
        output.text(f"error    {status.error.where}: {error_sentences(status.error).line}")
    output.text("\n" + dump_run_spec(spec).decode(), end="")
