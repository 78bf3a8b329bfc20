"""`data COMMAND`: everything the Data room does, one file per command. `data SOURCE` means `data show SOURCE`."""

from __future__ import annotations

import argparse
import importlib

from core.base.command_output import CommandOutput

COMMANDS = {
    "show": "rows, counts, filters, order, what could not be read",
    "search": "which rows contain a text, and where",
    "stats": "rows per language and split, empty fields, lengths in tokens, what a maximum length costs",
    "doctor": "check every row for what is missing, repeated, leaked or garbled; safe fixes",
    "map": "show, change and save which source column each of the six is taken from",
    "edit": "change, add, duplicate, delete rows, one or all that pass a filter; undo, redo",
    "export": "write the rows to a file, all or those that pass a filter",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(dest="what", required=True, metavar="COMMAND")
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=words)
        # Suppressed, because the default would overwrite a --json before the command's name.
        command.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="JSON lines on standard output"
        )
        importlib.import_module(f"core.cli.data.{name}").add_arguments(command)


def with_default_command(words: list[str]) -> list[str]:
    """The words after `data`, with `show` put first where they start with a source."""
    first = next((index for index, word in enumerate(words) if word != "--json"), len(words))
    has_command = first < len(words) and (words[first] in COMMANDS or words[first] in ("-h", "--help"))
    return words if has_command else [*words[:first], "show", *words[first:]]


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    return int(importlib.import_module(f"core.cli.data.{arguments.what}").run(arguments, output))
