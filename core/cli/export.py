"""`export RUN --to merged|gguf|ollama|adapter|vllm`: write what a run has tuned for other programs, and ask it there.

The export is a detached job; this command follows it. Leaving (Ctrl-C) does not harm it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from core.base.command_output import CommandOutput
from core.base.errors import RunError, UsageError
from core.base.paths import absolute_path
from core.export.export_jobs import (
    check_target,
    find_training_run,
    follow_export,
    read_export,
    start_export,
    usual_folder,
)
from core.export.export_result import ExportResult
from core.export.export_spec import QUESTIONS, ExportTarget, ExportType
from core.models.export.hub_upload import check_upload, plan_upload, upload
from core.runs.run_folder import RunFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a training run: an id, the start or end of one, or `last`")
    parser.add_argument("--to", required=True, choices=get_args(ExportTarget), help="what is written")
    parser.add_argument(
        "--type",
        default="",
        choices=[kind for kind in get_args(ExportType) if kind],
        help="number format of the weights; merged: f16 where the run fits, else the base model's 16 bit, gguf: f16, "
        "ollama: q8_0",
    )
    parser.add_argument(
        "--out", default="", metavar="FOLDER", help="the folder to write; default: below <home>/exports"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an export that is there")
    parser.add_argument(
        "--check",
        type=int,
        default=QUESTIONS,
        metavar="N",
        help=f"ask it N held-out questions and compare with the run (default {QUESTIONS}; 0: none)",
    )
    parser.add_argument(
        "--base",
        default="auto",
        choices=["auto", "original", "dequantised"],
        help="of a run trained in 4 bit: the weights to merge into; auto: those that agree with the run more",
    )
    parser.add_argument("--upload", default="", metavar="OWNER/NAME", help="then upload it to the hub, privately")
    parser.add_argument("--public", action="store_true", help="with --upload: for everybody to read")
    parser.add_argument("--yes", action="store_true", help="with --upload: do not ask before it is sent")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    if (arguments.public or arguments.yes) and not arguments.upload:
        raise UsageError("nothing is uploaded", "export", "Add --upload OWNER/NAME, or leave out --public and --yes")
    if arguments.upload and not arguments.yes and not sys.stdin.isatty():
        raise UsageError("an upload is asked for first, and there is no terminal", "export --upload", "Add --yes")
    if arguments.upload:
        check_upload(arguments.upload)
    training = find_training_run(arguments.run)
    out = (
        Path(absolute_path(arguments.out)) if arguments.out else usual_folder(training.id, arguments.to, arguments.type)
    )
    overwrite = arguments.overwrite or _may_overwrite(out, output)
    job = start_export(
        training.id,
        arguments.to,
        type=arguments.type,
        out=out,
        overwrite=overwrite,
        check=arguments.check,
        base=arguments.base,
    )
    output.note(f"Export {job.id} of {training.id}")
    output.record({"job": job.id, "run": training.id, "folder": str(out)})
    if (code := _follow(job, output)) != 0:
        return code
    result = read_export(job).result
    if result is None:
        return 0
    _tell(result, output)
    if arguments.upload:
        _upload(Path(result.folder), arguments, output)
    return 0


def _may_overwrite(out: Path, output: CommandOutput) -> bool:
    """Whether the user lets an existing export be replaced. Asked only on a terminal."""
    if not out.is_dir() or output.json or not sys.stdin.isatty():
        return False
    check_target(out, overwrite=True)
    return _yes(f"{out} exists. Replace it?", output)


def _yes(question: str, output: CommandOutput) -> bool:
    output.note(f"{question} [y/N]")
    return sys.stdin.readline().strip().casefold() in ("y", "yes")


def _follow(job: RunFolder, output: CommandOutput) -> int:
    """Show how far the export is until it ends; the exit code. Raises RunError where it failed."""
    last = ""
    try:
        for progress in follow_export(job):
            status = progress.status
            stage = f"{status.state}: {status.message.partition(' model.')[0].partition(' blk.')[0]}"
            if stage != last and not status.ended and status.message not in ("", status.state):
                output.note(stage)
                last = stage
            output.progress(progress.line)
            if status.ended:
                output.progress_done()
                output.record({"job": job.id, "status": status})
    except KeyboardInterrupt:
        output.progress_done()
        output.note(
            f"The export continues. `python -m core runs {job.id}` shows it, `python -m core runs control {job.id} "
            "stop` ends it."
        )
        return 130
    if status.state != "finished":
        output.note(status.message)
        return RunError.exit_code
    return 0


def _tell(result: ExportResult, output: CommandOutput) -> None:
    output.record({"result": result, "words": result.words})
    output.text(result.folder)
    for name, size in result.files.items():
        output.text(f"  {size:>15,}  {name}")
    took = f"written in {result.write_seconds:.1f} s, with {result.peak_bytes / 1e6:,.0f} MB of memory at most"
    output.text(took)
    output.text(result.words)
    names = {
        "original": "merged into the original weights",
        "dequantised": "merged into the unpacked 4-bit weights",
        "llama-server": "asked through llama.cpp",
        "ollama": "asked through Ollama (texts)",
    }
    for name, agreement in result.agreements.items():
        if name in names:
            output.text(f"{names[name]}: {agreement.words}")
    if len(result.agreements) > 1 and "original" in result.agreements:
        output.text(f"written: the {result.base_weights} weights")
    if result.texts:
        output.text(f"{result.texts_equal} of {result.texts} texts have the same token ids")
    for remark in result.remarks:
        output.note(f"Note: {remark}.")
    output.text("In that folder:")
    for command in result.commands:
        output.text(f"  {command}")


def _upload(folder: Path, arguments: argparse.Namespace, output: CommandOutput) -> None:
    plan = plan_upload(folder, arguments.upload, public=arguments.public)
    for line in plan.lines:
        output.note(line)
    if not arguments.yes and not _yes("Upload these files?", output):
        output.note("Nothing was uploaded.")
        return
    address = upload(folder, plan)
    output.record({"uploaded": plan.repository, "address": address, "private": plan.private})
    output.text(address)
