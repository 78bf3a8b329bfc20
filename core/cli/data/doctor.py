"""`data doctor SOURCE`: checks every row, lists findings by kind, and applies safe fixes as edits on request.

Exit codes for scripts: 0 where no finding is worse than a hint, 7 where there are errors or rows that cannot be read, 8
where there are warnings and neither of these.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from core.base.command_output import CommandOutput
from core.base.plural import counted
from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from core.cli.data import options
from core.cli.data.training_options import add_training_arguments, training_options
from core.data.problems import problem_words, unread_words
from core.quality import quality_job
from core.quality.quality_job import ChildProgress, QualityOptions
from core.quality.registry import FINDING_KINDS
from core.quality.report import SEVERITIES, FindingGroup, QualityReport

ERRORS, WARNINGS = 7, 8
"""Exit codes."""

_SHOWN = 10  # row numbers printed of a group
_FIXABLE = [kind.name for kind in FINDING_KINDS.values() if kind.fix]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Exit codes: 0 nothing worse than hints, 7 errors were found or rows cannot be read, 8 warnings were found, "
        "else as for every command."
    )
    options.add_source(parser)
    add_training_arguments(parser, "check lengths and special tokens with this model's tokenizer")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=FINDING_KINDS,
        metavar="KIND",
        default=[],
        help=f"show only these kinds: {', '.join(FINDING_KINDS)}",
    )
    parser.add_argument(
        "--fix",
        nargs="+",
        choices=_FIXABLE,
        metavar="KIND",
        default=[],
        help=f"apply the safe fix for these kinds: {', '.join(_FIXABLE)}",
    )


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    quality_options = training_options(arguments)
    report = _examine(arguments, quality_options, output)
    for kind in dict.fromkeys(arguments.fix):
        group = report.group(kind)
        if group is not None and _fix(arguments, quality_options, group, output):
            # a fix can resolve or cause other findings: a deleted row has none
            report = _examine(arguments, quality_options, output)
    _print_problems(report, output)
    groups = [group for group in report.groups if not arguments.only or group.kind in arguments.only]
    for group in groups:
        _print_group(group, output)
    _print_summary(report, groups, output)
    severities = {group.severity for group in groups}
    if "error" in severities or report.skipped:
        return ERRORS
    return WARNINGS if "warning" in severities else 0


def _examine(arguments: argparse.Namespace, quality_options: QualityOptions, output: CommandOutput) -> QualityReport:
    def show_progress(progress: ChildProgress) -> None:
        output.progress(progress_words(progress))

    try:
        return quality_job.run_quality_job("doctor", arguments.source, arguments.split, quality_options, show_progress)
    finally:
        output.progress_done()


def progress_words(progress: ChildProgress) -> str:
    """Progress as one line; without a total where it is not known."""
    total = f" of {progress.total:,}" if progress.total else ""
    return f"{progress.words}: {progress.done:,}{total}"


def _fix(
    arguments: argparse.Namespace, quality_options: QualityOptions, group: FindingGroup, output: CommandOutput
) -> bool:
    """Applies the fix of a group; returns whether any row changed."""
    from core.data.editing.editor import open_editor
    from core.examples.run_rows import open_rows
    from core.quality.fixes import apply_fix, plan_fix
    from core.runs.spec import DataSection

    columns, names = quality_options.columns, quality_options.names
    data = DataSection(source=arguments.source, split=arguments.split, columns=columns, names=names)
    with open_editor(open_rows(data)) as editor:
        fix = plan_fix(editor.dataset, group)
        changed = apply_fix(editor, fix)
        left = f"; {fix.left:,} are left for you" if fix.left else ""
        rows = counted(changed, "row")
        output.note(f"{group.kind}: {fix.words}: {rows}{left}. Edits are in {editor.where} and can be undone.")
    return changed > 0


def _print_problems(report: QualityReport, output: CommandOutput) -> None:
    """What of the source cannot be read, before what is wrong with the rest."""
    if not report.skipped:
        return
    output.record({"unreadable": report.skipped, "problems": report.problems})
    why = safe_line(problem_words(report.problems), 500)
    output.text(f"{unread_words(report.problems)} of the source could not be read: {why}")
    output.text("`data show --problems` lists them.\n")


def _print_group(group: FindingGroup, output: CommandOutput) -> None:
    output.record(
        {
            "kind": group.kind,
            "severity": group.severity,
            "title": group.title,
            "why": group.why,
            "do": group.do,
            "fix": group.fix,
            "count": group.count,
            "rows": list(group.indices),
            "columns": [list(group.columns(position)) for position in range(group.count)] if group.fields else [],
            "others": [group.other(position) for position in range(group.count)] if group.others else [],
        }
    )
    output.text(f"{group.severity:<8} {group.kind:<25} {group.count:>9,}  {group.title}")
    output.text(f"{'':9}rows {_row_words(group)}")
    output.text(f"{'':9}{group.why}. {group.do}.")
    if group.fix:
        output.text(f"{'':9}--fix {group.kind}: {group.fix}")
    output.text()


def _row_words(group: FindingGroup) -> str:
    """The first rows of a group, each with the other row and the columns of its finding."""
    words = []
    for position in range(min(_SHOWN, group.count)):
        other, columns = group.other(position), group.columns(position)
        like = f" like {other}" if other is not None else ""
        fields = f" ({', '.join(columns)})" if columns else ""
        words.append(f"{group.indices[position]}{like}{fields}")
    more = f" and {group.count - _SHOWN:,} more" if group.count > _SHOWN else ""
    return ", ".join(words) + more


def _print_summary(report: QualityReport, groups: Sequence[FindingGroup], output: CommandOutput) -> None:
    output.record({"rows": report.rows, **report.about_source})
    if report.not_used_words:
        output.note(with_full_stop(safe_line(report.not_used_words, 500)))
    for note in report.notes:
        output.note(safe_line(note, 300))
    counts = [f"{unread_words(report.problems)} not read"] if report.skipped else []
    for severity in SEVERITIES:
        count = sum(group.count for group in groups if group.severity == severity)
        if count:
            counts.append(counted(count, severity))
    output.note(f"{counted(report.rows, 'row')} checked: {', '.join(counts) or 'nothing found'}")
