"""`runs`: lists all runs, newest first. `runs ID` shows one; `runs control ID ...` steers it while it works; `runs
resume ID` goes on with one that has ended."""

from __future__ import annotations

import argparse

import msgspec

from core.base import folders
from core.base.command_output import CommandOutput
from core.base.errors import RunError, UsageError, error_record, error_sentences
from core.cli import run_records
from core.cli.follow import follow_run
from core.cli.run_samples import print_samples
from core.runs.checkpoint_folders import checkpoint_step
from core.runs.job_requests import JobRequest
from core.runs.launch import resume_run
from core.runs.process import ENDING_REQUESTS
from core.runs.queue import queue_wish
from core.runs.run_folder import RunFolder, find_run
from core.runs.run_index import RunIndex
from core.runs.steering import REQUEST_KINDS, check_request


def add_arguments(parser: argparse.ArgumentParser) -> None:
    kinds = "; ".join(f"{kind}: {words}" for kind, words in REQUEST_KINDS.items())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "runs                                 list all runs, newest first\n"
        "runs ID                              show one: an id, the start or end of one, or `last`\n"
        "runs control ID pause|checkpoint|evaluate|sample|stop|discard\n"
        "runs control ID rate FACTOR\n"
        "runs control ID set KEY VALUE        ask a run that works, at its next step\n"
        "runs resume ID [--accept-changes] [--queue]\n"
        "                                     go on with a run that has ended, at once or at its turn\n"
        + run_records.USAGE
    )
    parser.epilog = kinds
    parser.add_argument("words", nargs="*", metavar="ID | control ID ... | resume ID | compare ID ID | ...")
    run_records.add_arguments(parser)
    parser.add_argument("--follow", action="store_true", help="watch it until it ends")
    parser.add_argument("--stop", action="store_true", help="ask it to stop at its next step; its adapter is saved")
    parser.add_argument("--metrics", action="store_true", help="every logged step")
    parser.add_argument("--samples", action="store_true", help="what the model answered to the probe questions")
    parser.add_argument("--events", action="store_true", help="what happened to it")
    parser.add_argument(
        "--accept-changes", action="store_true", help="resume although its rows or its model have changed"
    )
    parser.add_argument("--queue", action="store_true", help="resume when the runs before it on the GPU have ended")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    words = arguments.words
    if not words:
        if any((arguments.follow, arguments.stop, arguments.metrics, arguments.events, arguments.samples)):
            raise UsageError("no run given", "runs", "Name one: an id, or `last`")
        return _list(output)
    if words[0] == "control":
        return _control(words[1:], arguments.follow, output)
    if words[0] == "resume":
        return _resume(words[1:], arguments, output)
    if words[0] in run_records.RECORDS:
        return run_records.RECORDS[words[0]](words[1:], arguments, output)
    if len(words) > 1:
        raise UsageError(f"one run at a time, not {len(words)}", " ".join(words), "See `python -m core runs --help`")
    run = find_run(words[0])
    if arguments.stop:
        _ask(run, JobRequest("stop"), output)
    if arguments.follow:
        return follow_run(run, output)
    if arguments.metrics:
        for metric in run.metrics()[0]:
            output.record(metric)
            output.text(f"{metric.step}\t{metric.loss}\t{metric.learning_rate}\t{metric.tokens_per_second}")
    if arguments.events:
        for event in run.events()[0]:
            output.record(event)
            output.text(f"{event.step}\t{event.kind}\t{event.words}")
    if arguments.samples:
        print_samples(run, output)
    if not (arguments.stop or arguments.metrics or arguments.events or arguments.samples):
        _show(run, output)
    return 0


def _control(words: list[str], follow: bool, output: CommandOutput) -> int:
    if len(words) < 2:
        raise UsageError("a run and a request are needed", "runs control", "Say `runs control ID pause`, for example")
    run = find_run(words[0])
    kind, values = words[1], words[2:]
    expected = {"rate": 1, "set": 2}.get(kind, 0)
    if kind in REQUEST_KINDS and len(values) != expected:
        what = f"{kind} takes {expected} more, not {len(values)}"
        raise UsageError(what, "runs control", "See `python -m core runs --help`")
    key = values[0] if kind == "set" else ""
    _ask(run, JobRequest(kind, values[-1] if values else None, key), output)
    return follow_run(run, output) if follow else 0


def _ask(run: RunFolder, request: JobRequest, output: CommandOutput) -> None:
    """Write a request that makes sense. A run that has ended hears only what it can do when it goes on."""
    kind = run.kind()
    if kind == "train":
        try:
            request = check_request(request, run.spec())
        except RunError as error:
            raise UsageError(error.what, f"runs control {run.id}", error.do) from error
    elif request.kind not in ENDING_REQUESTS:
        raise UsageError(f"a job of kind {kind!r} can only be ended", f"runs control {run.id}", "Ask it to stop")
    status = run.status()
    if status.ended and request.kind not in ("rate", "set"):
        output.note(f"{run.id} has already ended ({status.state}).")
        return
    name = run.request(request.kind, request.value, request.key)
    output.record({"run": run.id, "request": name, "kind": request.kind, "key": request.key, "value": request.value})
    when = "when it is resumed" if status.ended else "at its next step"
    words = REQUEST_KINDS[request.kind] if kind == "train" else "end"
    output.note(f"{run.id}: {words}; {when}.")


def _resume(words: list[str], arguments: argparse.Namespace, output: CommandOutput) -> int:
    if len(words) != 1:
        raise UsageError("one run is needed", "runs resume", "Say `runs resume ID`, or `runs resume last`")
    run = find_run(words[0])
    checkpoint = run.checkpoint()
    resume_run(run, arguments.accept_changes, queue_wish() if arguments.queue else None)
    start = f"step {checkpoint_step(checkpoint)}" if checkpoint is not None else "its first step"
    output.text(run.id)
    output.record({"run": run.id, "folder": str(run.path), "from": start})
    output.note(f"It goes on from {start}{', at its turn' if arguments.queue else ''}.")
    return follow_run(run, output) if arguments.follow else 0


def _list(output: CommandOutput) -> int:
    summaries = RunIndex().list()
    for run in summaries:
        if output.json:
            output.record({"run": run.id, **_status_record(run.id), "summary": run})
        about = [] if run.kind == "train" else [run.kind or "of an unknown kind"]
        about += [f"{run.loss:.4f}"] if run.loss is not None else []
        about += [word for word in (run.verdict, run.name if run.kind == "train" else "", run.trouble) if word]
        output.text(f"{run.id}  {run.state:<9} {run.step}/{run.total}" + "".join(f"  {word}" for word in about))
    if not summaries:
        output.note("There are no runs yet. Start one with `python -m core demo` or `python -m core train SPEC.toml`.")
    return 0


def _status_record(run_id: str) -> dict[str, object]:
    """The run's kind and status for programs. A damaged folder must not hide the others."""
    run = RunFolder(folders.runs() / run_id)
    try:
        return {"kind": run.kind(), "status": run.status()}
    except RunError as error:
        return {"kind": run.kind(), "error": error_record(error)}


def _show(run: RunFolder, output: CommandOutput) -> None:
    status, facts = run.status(), run.facts()
    metrics, _ = run.metrics()
    written = (run.path / "run.toml").read_text(encoding="utf-8", errors="replace")
    record = {"run": run.id, "folder": str(run.path), "kind": run.kind(), "status": status, "facts": facts}
    try:
        record["spec"] = msgspec.toml.decode(written)
    except msgspec.DecodeError:
        record["spec"] = None
    checkpoint = run.checkpoint()
    step = None if checkpoint is None else checkpoint_step(checkpoint)
    output.record({**record, "steps_logged": len(metrics), "checkpoint": step})
    output.text(
        f"{run.id}: {status.state}, step {status.step} of {status.total}\n"
        f"folder   {run.path}\nbackend  {status.backend}"
    )
    if status.message:
        output.text(f"message  {status.message}")
    if step is not None:
        output.text(f"checkpoint of step {step}")
    if metrics:
        output.text(
            f"loss     {metrics[0].loss} at step {metrics[0].step}, {metrics[-1].loss} at step {metrics[-1].step}"
        )
    for name, fact in facts.items():
        output.text(f"{name}: {fact}")
    if status.error:
        output.text(f"error    {status.error.where}: {error_sentences(status.error).line}")
    output.text("\n" + written, end="")
