"""`train SPEC.toml`: start a detached run; `--follow` watches it, and leaving does not harm it.

With `--resume auto` the same command may be given again and again, as batch systems do; `--sbatch` prints a script for
one of them. With `--queue` the run waits for its turn, with `--grid` several do."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import msgspec

from core.base.child import ROOT
from core.base.command_output import CommandOutput
from core.base.errors import UsageError
from core.base.sentences import with_full_stop
from core.cli.follow import follow_run
from core.runs.cuda_devices import cuda_is_visible
from core.runs.launch import QueueWish, start_or_resume_run, start_run
from core.runs.presets import PRESETS, preset_spec
from core.runs.queue import queue_wish
from core.runs.run_folder import RunFolder
from core.runs.setting_grid import parse_setting_values, specs_of_grid
from core.runs.slurm_script import slurm_script
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
    parser.add_argument("--queue", action="store_true", help="wait until the runs before it on the same GPU have ended")
    parser.add_argument("--gpu", default="", metavar="N", help="wait for this GPU, a number as nvidia-smi counts")
    parser.add_argument(
        "--wait-memory",
        type=float,
        default=0.0,
        metavar="GIB",
        help="wait in the queue until the GPU also has this much free memory",
    )
    parser.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="KEY=VALUE,VALUE",
        help="put a run into the queue for each value of a setting, as train.learning_rate=1e-4,2e-4; given twice, "
        "for each pair of values",
    )
    parser.add_argument("--sbatch", action="store_true", help="print a script for Slurm; starts nothing")
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
    _check_options(arguments)
    spec = load_run_spec(arguments.spec)
    if arguments.sbatch:
        return _print_slurm_script(arguments.spec, spec, arguments.force, output)
    if arguments.force:
        spec = msgspec.structs.replace(spec, train=msgspec.structs.replace(spec.train, insist=True))
    specs = [spec]
    if arguments.grid:
        settings = [parse_setting_values(words) for words in arguments.grid]
        specs = specs_of_grid(spec, settings, arguments.spec.parent)
    notes = [words for one in specs for words in check_for_device(one, cuda_is_visible(), str(arguments.spec))]
    for words in dict.fromkeys(notes):
        output.note(with_full_stop(f"Note: {words}"))
    queue = None
    if arguments.queue or arguments.grid:
        queue = queue_wish(arguments.gpu, arguments.wait_memory)
    for one in specs:
        run = _start(one, bool(arguments.resume), queue, output)
    return follow_run(run, output) if arguments.follow else 0


def _check_options(arguments: argparse.Namespace) -> None:
    queued = arguments.queue or arguments.grid
    if (arguments.gpu or arguments.wait_memory) and not queued:
        raise UsageError("--gpu and --wait-memory go with --queue", "train", "Add --queue")
    if arguments.wait_memory < 0:
        raise UsageError("the memory to wait for must be above 0", "train --wait-memory", "Say it in GiB")
    if arguments.grid and arguments.follow:
        do = "Follow one of them with `python -m core runs ID --follow`"
        raise UsageError("several runs cannot be followed at a time", "train --grid", do)
    if arguments.sbatch and (queued or arguments.follow):
        do = "Leave the other options out: Slurm has a queue of its own"
        raise UsageError("--sbatch starts and queues nothing", "train --sbatch", do)


def _start(spec: RunSpec, resume: bool, queue: QueueWish | None, output: CommandOutput) -> RunFolder:
    done = "started"
    if resume:
        run, done = start_or_resume_run(spec, queue)
    else:
        run = start_run(spec, queue)
    output.text(run.id)
    output.record({"run": run.id, "folder": str(run.path), "name": spec.name, "done": done})
    if done != "started":
        output.note({"resumed": "It goes on.", "running": "It is running."}.get(done, f"It is {run.status().state}."))
    elif queue is not None:
        output.note(f"{spec.name} waits for its turn. `python -m core queue` shows its place.")
    return run


def _print_slurm_script(path: Path, spec: RunSpec, force: bool, output: CommandOutput) -> int:
    options = "--force" if force else ""
    script = slurm_script(path, spec.name, python=sys.executable, folder=ROOT, variables=os.environ, options=options)
    output.text(script, end="")
    output.record({"script": script})
    output.note("Save it as a file, and give that to `sbatch`.")
    return 0
