"""`demo`: the demo of `make run` as plain text; `--report` measures it."""

from __future__ import annotations

import argparse

from core.base.command_output import CommandOutput


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report",
        action="store_true",
        help="ask 40 held-out questions before and after, and print the measured figures as JSON",
    )


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    from core.demo.story import run_story

    return run_story(report=arguments.report, output=output)
