"""`queue`: what waits for which GPU; `queue move`, `queue remove` and `queue restart` change that."""

from __future__ import annotations

import argparse
import time
from typing import get_args

from core.base.command_output import CommandOutput
from core.base.errors import UsageError
from core.base.plural import counted
from core.runs.known_names import did_you_mean
from core.runs.queue import QueueEntry, move_in_queue, read_queue, restart_queue, take_out_of_queue
from core.runs.queue_order import Move, device_words
from core.runs.run_folder import find_run
from core.runs.watch_run import duration_words

ACTIONS = ("list", "move", "remove", "restart")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = (
        "queue [list]                     what works and waits, by GPU\n"
        "queue move ID up|down|first      let a run that waits pass another one, or all\n"
        "queue remove ID                  take a run out that waits; its folder stays\n"
        "queue restart                    let those wait again whose processes ended with the machine"
    )
    parser.add_argument("words", nargs="*", metavar="list | move ID HOW | remove ID | restart")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    action, *words = arguments.words or ["list"]
    if action not in ACTIONS:
        raise UsageError(f"there is no `queue {action}`", "queue", did_you_mean(action, ACTIONS))
    expected = {"move": 2, "remove": 1}.get(action, 0)
    if len(words) != expected:
        raise UsageError(f"{action} takes {expected} more, not {len(words)}", "queue", "See `python -m core queue -h`")
    if action == "move":
        return _move(words[0], words[1], output)
    if action == "remove":
        run_id = find_run(words[0]).id
        take_out_of_queue(run_id)
        output.record({"run": run_id, "removed": True})
        output.note(f"{run_id} is taken out. `python -m core runs resume {run_id}` starts it all the same.")
    elif action == "restart":
        runs = restart_queue()
        for folder in runs:
            output.record({"run": folder.id, "restarted": True})
            output.text(folder.id)
        output.note(f"{counted(len(runs), 'run')} of this machine had lost their turn and wait again.")
    else:
        _list(output)
    return 0


def _move(name: str, how: str, output: CommandOutput) -> int:
    run_id = find_run(name).id
    ways = get_args(Move)
    chosen: Move | None = next((way for way in ways if way == how), None)
    if chosen is None:
        raise UsageError(f"a run cannot be moved {how!r}", f"queue move {name}", did_you_mean(how, ways))
    changed = move_in_queue(run_id, chosen)
    words = next((entry.words for entry in read_queue() if entry.run == run_id), "it has had its turn")
    output.record({"run": run_id, "moved": changed, "words": words})
    output.note(f"{run_id}: {words}." if changed else f"{run_id} stays where it is: {words}.")
    return 0


def _list(output: CommandOutput) -> None:
    entries = read_queue()
    for entry in entries:
        output.record(entry)
        output.text(f"{entry.run}  {entry.state:<11} {_about(entry)}")
    if not entries:
        output.note("Nothing works or waits. `python -m core train SPEC.toml --queue` lets a run wait for its turn.")
    elif any(entry.state == "interrupted" for entry in entries):
        output.note("`python -m core queue restart` lets runs wait again whose processes ended while they waited.")


def _about(entry: QueueEntry) -> str:
    if entry.state != "waiting":
        return f"{device_words(entry.gpus)} of {entry.host}"
    memory = f", for {entry.wait_memory_gib:g} GiB of free memory" if entry.wait_memory_gib else ""
    return f"{entry.words}{memory}, since {duration_words(time.time() - entry.asked)}"
