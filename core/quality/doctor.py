"""The doctor: runs every check on every row, then compares the rows. Keeps a few hundred bytes per row, never texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.base.child_main import ReportProgress
from core.examples.trained_rows import TrainedRows, is_held_out
from core.quality.doctor_pass import check_all_blocks
from core.quality.quality_request import QualityOptions
from core.quality.registry import COMPARISON_CHECKS, FINDING_KINDS
from core.quality.report import QualityReport, Severity
from core.quality.row_comparison import RowComparison
from core.tokens.tokenizer import TextTokenizer


def examine_rows(
    data: Any, options: QualityOptions, tokenizer: TextTokenizer | None, why: str, report_progress: ReportProgress
) -> QualityReport:
    """The report on all rows of `data`, an open DataSet.

    tokenizer: of the chosen model, or None; `why` is then the reason. Raises SuironError where a helper process fails,
    UsageError for a template that does not exist.
    """
    checked = check_all_blocks(data, options, tokenizer, report_progress)
    findings, flags = checked.findings, set(checked.signatures.flag_numbers)
    if checked.done > 1:
        rows = RowComparison(data, checked.signatures, options.train_flag, report_progress)
        for check in COMPARISON_CHECKS:
            check.compare(rows, findings)
    notes = []
    if tokenizer is None or not options.max_length:
        notes.append(f"row lengths were not checked: {why or 'no maximum length is set'}")
    notes += _notes_on_flags(flags, options.train_flag)
    milder: dict[str, Severity] = {}
    if not checked.reasoned and checked.done:
        milder["empty_reasoning"] = "hint"
        notes.append("no row has reasoning: this is a data set of questions and answers")
    return QualityReport(
        source=data.source,
        split=data.split,
        fingerprint=data.fingerprint,
        rows=checked.done,
        groups=findings.groups(FINDING_KINDS, milder),
        notes=tuple(notes),
        skipped=data.problem_count,
        problems=tuple(data.problem_kinds),
        tokenizer=options.model if tokenizer is not None else "",
        max_length=options.max_length if tokenizer is not None else 0,
    )


def _notes_on_flags(flags: Iterable[str], train_flag: str) -> list[str]:
    """Which checks are not possible with these values of sysflag."""
    if not any(is_held_out(flag) for flag in flags):
        return ["no row is held out (sysflag test), so no test question can leak into training"]
    if not any(TrainedRows(train_flag).compares_as_trained(flag) for flag in flags):
        return [f"no row has the sysflag {train_flag!r}, so nothing was compared with the test rows"]
    return []
