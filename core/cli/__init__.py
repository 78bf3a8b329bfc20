"""`python -m core COMMAND`: the headless twin of every screen, one command a file.

Data goes to standard output, narration to standard error; with --json, standard output is JSON lines alone, errors included.
Exit codes: 0 done, 1 unexpected, 2 wrong words on the command line, 3 data, 4 model, 5 run, 6 engine, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from core.errors import SuironError
from core.output import Output

COMMANDS = {
    "demo": "the whole story on the embedded model: rows, training, one question before and after",
    "data": "open a data set: rows, counts, filters, what could not be read",
    "train": "start a run from a TOML file; it outlives this terminal",
    "runs": "list runs, look at one, follow or stop it",
    "ask": "ask a model, base or tuned; reasoning and response apart",
    "serve": "the inference server: start, look, stop",
    "doctor": "what is installed, which backend is used and why, GPU, memory, hub",
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m core",
        description="Suiron without its screens.",
        epilog="Exit codes: 0 done, 1 unexpected, 2 wrong words on the command line, 3 data, 4 model, 5 run, 6 engine, 130 interrupted.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, words in COMMANDS.items():
        command = commands.add_parser(name, help=words, description=words)
        command.add_argument("--json", action="store_true", help="JSON lines on standard output")
        importlib.import_module(f"core.cli.{name}").add_arguments(command)
    return top


def main(argv: list[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    arguments = parser().parse_args(argv)
    output = Output(json=arguments.json)
    try:
        code = importlib.import_module(f"core.cli.{arguments.command}").run(arguments, output)
        sys.stdout.flush()
    except SuironError as error:
        output.error(error)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        # Whoever read our output has gone (`... | head`): nothing is left to say, and Python's own flush at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
