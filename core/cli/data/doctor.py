"""`data doctor SOURCE`: every row checked, findings by kind with row numbers; safe fixes on request, as edits that can
be undone.

Exit codes for scripts: 0 where nothing is worse than a hint, 7 where there are errors, 8 where there are warnings and
no errors.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from core.base.command_output import Output
from core.base.safe_text import safe_line
from core.cli.data import options, training
from core.quality import client
from core.quality.client import Options, Progress
from core.quality.registry import FINDING_KINDS
from core.quality.report import SEVERITIES, Group, Report

ERRORS, WARNINGS = 7, 8
_SHOWN = 10  # row numbers printed of a group
_FIXABLE = [kind.name for kind in FINDING_KINDS.values() if kind.fix]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Exit codes: 0 nothing worse than hints, 7 errors were found, 8 warnings were found, else as for every command."
    )
    options.add_source(parser)
    training.add_arguments(parser, "check lengths and special tokens with this model's tokenizer")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=FINDING_KINDS,
        metavar="KIND",
        default=[],
        help=f"show these kinds alone: {', '.join(FINDING_KINDS)}",
    )
    parser.add_argument(
        "--fix",
        nargs="+",
        choices=_FIXABLE,
        metavar="KIND",
        default=[],
        help=f"fix these where it is safe: {', '.join(_FIXABLE)}",
    )


def run(arguments: argparse.Namespace, output: Output) -> int:
    how = training.chosen(arguments)
    report = _examine(arguments, how, output)
    for kind in dict.fromkeys(arguments.fix):
        if (group := report.group(kind)) is not None and _fix(arguments, how, group, output):
            report = _examine(
                arguments, how, output
            )  # one fix may mend or make other findings: a row that is gone has none
    groups = [group for group in report.groups if not arguments.only or group.kind in arguments.only]
    for group in groups:
        _show(group, output)
    _close(report, groups, output)
    severities = {group.severity for group in groups}
    return ERRORS if "error" in severities else WARNINGS if "warning" in severities else 0


def _examine(arguments: argparse.Namespace, how: Options, output: Output) -> Report:
    try:
        return client.run(
            "doctor", arguments.source, arguments.split, how, lambda progress: output.progress(progressed(progress))
        )
    finally:
        output.progress_done()


def progressed(progress: Progress) -> str:
    return (
        f"{progress.words}: {progress.done:,} of {progress.total:,}"
        if progress.total
        else f"{progress.words}: {progress.done:,}"
    )


def _fix(arguments: argparse.Namespace, how: Options, group: Group, output: Output) -> bool:
    """Whether anything was changed."""
    from core.data.editing.editor import open_editor
    from core.examples.run_rows import open_rows
    from core.quality.fixes import apply_fix, plan_fix
    from core.runs.spec import DataSection

    data = DataSection(source=arguments.source, split=arguments.split, columns=how.columns)
    with open_editor(open_rows(data)) as editor:
        planned = plan_fix(editor.dataset, group)
        done = apply_fix(editor, planned)
        left = f"; {planned.left:,} need a person" if planned.left else ""
        output.note(
            f"{group.kind}: {planned.words}: {done:,} rows{left}. The edits are in {editor.where} and can be undone."
        )
    return done > 0


def _show(group: Group, output: Output) -> None:
    output.record(
        {
            "kind": group.kind, "severity": group.severity, "title": group.title, "why": group.why, "do": group.do, "fix": group.fix,
            "count": group.count, "rows": list(group.indices), "others": [group.other(place) for place in range(group.count)] if group.others else [],
        }
    )  # fmt: skip
    output.text(f"{group.severity:<8} {group.kind:<25} {group.count:>9,}  {group.title}")
    output.text(f"{'':9}rows {_rows(group)}")
    output.text(f"{'':9}{group.why}. {group.do}.")
    if group.fix:
        output.text(f"{'':9}--fix {group.kind}: {group.fix}")
    output.text()


def _rows(group: Group) -> str:
    def one(place: int) -> str:
        other, columns = group.other(place), group.columns(place)
        words = f" ({', '.join(columns)})" if columns else ""
        return f"{group.indices[place]}{f' like {other}' if other is not None else ''}{words}"

    more = f" and {group.count - _SHOWN:,} more" if group.count > _SHOWN else ""
    return ", ".join(map(one, range(min(_SHOWN, group.count)))) + more


def _close(report: Report, groups: Sequence[Group], output: Output) -> None:
    for note in report.notes:
        output.note(safe_line(note, 300))
    if report.skipped:
        output.note(f"{report.skipped:,} rows of the source could not be read; `data show --problems` lists them")
    found = {name: sum(group.count for group in groups if group.severity == name) for name in SEVERITIES}
    counts = ", ".join(f"{count:,} {name}{'s' if count != 1 else ''}" for name, count in found.items() if count)
    output.note(f"{report.rows:,} rows checked: {counts or 'nothing found'}")
