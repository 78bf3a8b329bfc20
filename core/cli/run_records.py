"""What the Runs room does with kept runs, for `runs`: compare, note, rename, trash, restore."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import msgspec

from core.base.command_output import CommandOutput
from core.base.errors import UsageError
from core.runs.compare import differing_settings, last_samples
from core.runs.notes import VERDICTS, change_notes
from core.runs.run_folder import find_run
from core.runs.run_summary import RunSummary, summarise_run
from core.runs.trash import list_trash, restore_run, trash_run

Record = Callable[[list[str], argparse.Namespace, CommandOutput], int]
USAGE = (
    "runs compare A B ...                 the settings in which runs differ, and their losses\n"
    f"runs note ID [TEXT] [--verdict {'|'.join(VERDICTS)}]\n"
    "runs rename ID NAME                  another name; the folder keeps its id\n"
    "runs trash [ID]                      move a run to the trash, or list what is there\n"
    "runs restore ID                      move it back"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verdict", help=f"for `runs note`: {', '.join(VERDICTS)}, or an empty text")


def _compare(words: list[str], arguments: argparse.Namespace, output: CommandOutput) -> int:
    if len(words) < 2:
        raise UsageError("two runs or more are needed", "runs compare", "Say `runs compare ID ID`")
    runs = [find_run(word) for word in words]
    summaries = [summarise_run(run) for run in runs]
    differences = differing_settings([summary.settings for summary in summaries])
    samples = {run.id: last_samples(run.path) for run in runs}
    output.record({"runs": [_record(summary) for summary in summaries], "differ": differences, "samples": samples})
    for summary in summaries:
        output.text(f"{summary.id}  {summary.state}  {loss_words(summary)}  {summary.verdict}".rstrip())
    for difference in differences:
        output.text(f"{difference.key}: " + " | ".join(text or "–" for text in difference.texts))
    if not differences:
        output.note("They have the same settings.")
    for run in runs:
        for sample in samples[run.id]:
            output.text(f"\n{run.id} at step {sample.step}: {sample.question}\n{sample.reasoning}\n{sample.response}")
    return 0


def _note(words: list[str], arguments: argparse.Namespace, output: CommandOutput) -> int:
    if not words or (len(words) == 1 and arguments.verdict is None):
        raise UsageError("a run and a text are needed", "runs note", "Say `runs note ID TEXT --verdict good`")
    text = " ".join(words[1:]) if words[1:] else None
    return _noted(words[0], output, note=text, verdict=arguments.verdict)


def _rename(words: list[str], arguments: argparse.Namespace, output: CommandOutput) -> int:
    if len(words) < 2:
        raise UsageError("a run and its new name are needed", "runs rename", "Say `runs rename ID NAME`")
    return _noted(words[0], output, name=" ".join(words[1:]))


def _noted(run_id: str, output: CommandOutput, **changes: str | None) -> int:
    run = find_run(run_id)
    notes = change_notes(run.path, **changes)
    output.record({"run": run.id, "notes": notes})
    output.text("  ".join(filter(None, (run.id, notes.name, notes.verdict, notes.note))))
    return 0


def _trash(words: list[str], arguments: argparse.Namespace, output: CommandOutput) -> int:
    for run in list_trash() if not words else ():
        output.record({"run": run.id, "folder": str(run.path)})
        output.text(run.id)
    for word in words:
        run = find_run(word)
        target = trash_run(run)
        output.record({"run": run.id, "folder": str(target)})
        output.note(f"{run.id} is in the trash; `python -m core runs restore {run.id}` moves it back.")
    return 0


def _restore(words: list[str], arguments: argparse.Namespace, output: CommandOutput) -> int:
    if len(words) != 1:
        raise UsageError("one run is needed", "runs restore", "`python -m core runs trash` lists the trash")
    run = restore_run(words[0])
    output.record({"run": run.id, "folder": str(run.path)})
    output.text(run.id)
    return 0


RECORDS: dict[str, Record] = {
    "compare": _compare,
    "note": _note,
    "rename": _rename,
    "trash": _trash,
    "restore": _restore,
}
"""The words after `runs`, and what they do."""


def loss_words(summary: RunSummary) -> str:
    """`loss 0.4312`, with `evaluation` before it where it is of one."""
    if summary.loss is None:
        return "no loss"
    return f"{'evaluation ' if summary.evaluated else ''}loss {summary.loss:.4f}"


def _record(summary: RunSummary) -> dict[str, object]:
    return {key: value for key, value in msgspec.structs.asdict(summary).items() if key != "settings"}
