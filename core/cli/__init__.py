"""`python -m core COMMAND`: the commands, which do without a screen what every screen does. One file per command.

Data goes to standard output, notes to standard error; with --json, standard output is only JSON lines, including
errors. Exit codes: 0 done, 1 unexpected, 2 usage error, 3 data, 4 model, 5 run, 6 engine, 7 and 8 the rows have
errors or warnings (`data doctor` only), 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import NoReturn, TextIO

from core.base.command_output import CommandOutput
from core.base.errors import SuironError, UsageError

COMMANDS = {
    "demo": "the embedded demo: rows, training, one question before and after",
    "data": "a data set: show, search, check, edit, export",
    "prompts": "templates, the exact tokens of a row, and the checks before a run",
    "fit": "how much memory a training takes, whether that fits, and what makes it fit",
    "train": "start a run from a TOML file; it outlives this terminal",
    "queue": "the runs that wait for a GPU: list, move, take out",
    "runs": "list runs, show one, follow or stop it",
    "export": "write a tuned model for other programs, and ask it there",
    "ask": "ask a base or tuned model; reasoning and response separately",
    "score": "how likely a model finds given continuations of a question or a text",
    "serve": "the inference server: start, status, stop",
    "doctor": "what is installed, which backend is used and why, GPU, memory, hub",
}


class _Parser(argparse.ArgumentParser):
    """argparse exits by itself and prints text only; this one raises UsageError instead."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.prog, f"See `{self.prog} --help`")


def build_parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="python -m core",
        description="Suiron without its screens.",
        epilog="Exit codes: 0 done, 1 unexpected, 2 usage error, 3 data, 4 model, 5 run, 6 engine, "
        "7 and 8 the rows have errors or warnings (data doctor only), 130 interrupted.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("--json", action="store_true", help="JSON lines on standard output")
        importlib.import_module(f"core.cli.{name}").add_arguments(command)
    return top


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit with its exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["data"]:
        words = ["data", *importlib.import_module("core.cli.data").with_default_command(words[1:])]
    try:
        arguments = build_parser().parse_args(words)
    except UsageError as error:
        CommandOutput(json="--json" in words).error(error)
        sys.exit(error.exit_code)
    with own_stdout() as out:
        sys.exit(_run(arguments, CommandOutput(json=arguments.json, out=out)))


def _run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    try:
        return int(importlib.import_module(f"core.cli.{arguments.command}").run(arguments, output))
    except SuironError as error:
        output.error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0  # the reader of the output has ended (`... | head`)
    except OSError as error:  # a home that cannot be written, a full disk, even for standard output
        do = "Free some space, check its permissions, or set SUIRON_HOME, SUIRON_CACHE or SUIRON_CONFIG elsewhere"
        unusable = SuironError(
            f"a file or folder cannot be used ({error.strerror or error})", str(error.filename or ""), do
        )
        with contextlib.suppress(OSError):
            output.error(unusable)
        return unusable.exit_code


@contextlib.contextmanager
def own_stdout() -> Iterator[TextIO]:
    """Standard output for the command only. Standard output of libraries (Unsloth prints on import) goes to standard
    error."""
    sys.stdout.flush()
    number = os.dup(1)
    os.dup2(2, 1)
    # Closed below, after its buffer is written.
    out = open(number, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    try:
        yield out
    finally:
        # The reader has ended or the disk is full: the command has failed already, because every line is flushed.
        with contextlib.suppress(OSError):
            out.close()
        sys.stdout.flush()
        os.dup2(number, 1)
        os.close(number)
