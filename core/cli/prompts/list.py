"""`prompts list`: every template file: built in, the user's own, beside a data set; and what is wrong with bad ones."""

from __future__ import annotations

import argparse
from typing import Any

from core.base.command_output import CommandOutput
from core.base.errors import error_record
from core.base.safe_text import safe_line
from core.templates.by_name import list_templates, template_folders


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--beside", default="", metavar="SOURCE", help="also the templates beside this data set")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    for listed in list_templates(template_folders(arguments.beside)):
        template, error = listed.template, listed.error
        record: dict[str, Any] = {"name": listed.name, "origin": listed.origin, "path": str(listed.path)}
        if template is not None:
            record["words"] = template.words
            record["reasoning"] = template.has_reasoning
            record["drop_empty_input"] = template.drop_empty_input
            record["languages"] = list(template.versions)
            record["chat"] = template.chat
            languages = f" ({', '.join(template.versions)})" if len(template.versions) > 1 else ""
            output.text(f"{listed.name:28} {listed.origin:15} {safe_line(template.words, 100)}{languages}")
        elif error is not None:
            record["error"] = error_record(error)
            output.text(f"{safe_line(listed.name, 28):28} {listed.origin:15} cannot be used")
            output.note(str(error))
        output.record(record)
    return 0
