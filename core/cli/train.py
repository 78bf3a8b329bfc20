"""`train SPEC.toml`: start a detached run; `--follow` watches it, and leaving does not harm it.

With `--resume auto` the same command may be given again and again, as batch systems do."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from core.base.command_output import CommandOutput
from core.base.errors import UsageError
from core.base.sentences import with_full_stop
from core.cli.follow import follow_run
from core.runs.cuda_devices import cuda_is_visible
from core.runs.launch import start_or_resume_run, start_run
from core.runs.presets import PRESETS, preset_spec
from core.runs.spec import DataSection, ModelSection, RunSpec, dump_run_spec, load_run_spec
from core.runs.spec_checks import check_for_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "spec",
        nargs="?",
        type=Path,
        help="the run's specification; relative data and model paths in it start from its folder",
    )
    parser.add_argument(
        "--follow", action="store_true", help="watch the run until it ends; leaving (Ctrl-C) does not stop it"
    )
    parser.add_argument(
        "--resume",
        choices=["auto"],
        help="where a run of exactly this specification exists: leave it alone while it works or has ended as it "
        "should, else go on with it; start one where there is none",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="train although the weights alone take more memory than the device has (train.insist)",
    )
    parser.add_argument(
        "--example", action="store_true", help="print a complete specification with its defaults; starts nothing"
    )
    parser.add_argument("--preset", metavar="NAME", help=f"with --example, that of a preset: {', '.join(PRESETS)}")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    if arguments.example:
        data, model = DataSection(source="rows.jsonl"), ModelSection(name="owner/model-or-folder")
        example = (
            preset_spec(arguments.preset, data, model)
            if arguments.preset
            else RunSpec(data=data, model=model, name="my-run")
        )
        output.text(dump_run_spec(example).decode(), end="")
        output.record(example)
        return 0
    if arguments.preset:
        raise UsageError(
            "--preset goes with --example", "train", "Save what it prints as a file, edit it, and start that"
        )
    if arguments.spec is None:
        raise UsageError(
            "no specification given",
            "train",
            "Run `python -m core train SPEC.toml`; `--example` prints one to start from",
        )
    spec = load_run_spec(arguments.spec)
    for words in check_for_device(spec, cuda_is_visible(), str(arguments.spec)):
        output.note(with_full_stop(f"Note: {words}"))
    if arguments.force:
        spec = msgspec.structs.replace(spec, train=msgspec.structs.replace(spec.train, insist=True))
    if arguments.resume:
        run, done = start_or_resume_run(spec)
    else:
        run, done = start_run(spec), "started"
    output.text(run.id)
    output.record({"run": run.id, "folder": str(run.path), "done": done})
    if done != "started":
        output.note({"resumed": "It goes on.", "running": "It is running."}.get(done, f"It is {run.status().state}."))
    return follow_run(run, output) if arguments.follow else 0
