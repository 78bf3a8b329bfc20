"""`prompts TASK`: the exact training text before a run, one file per task."""

from __future__ import annotations

import argparse
import importlib

from core.base.command_output import CommandOutput

TASKS = {
    "list": "every template file: built in, your own, beside a data set; and what is wrong with bad ones",
    "show": "one row in one template: the exact text, tokens, sections, labels, and what a model is asked with",
    "check": "what training checks before it starts: counts, lengths, checks of every row, the hash",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    for name, words in TASKS.items():
        task = tasks.add_parser(name, help=words)
        # Suppressed, because the default would overwrite a --json before the task's name.
        task.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="JSON lines on standard output"
        )
        importlib.import_module(f"core.cli.prompts.{name}").add_arguments(task)


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    return int(importlib.import_module(f"core.cli.prompts.{arguments.task}").run(arguments, output))
