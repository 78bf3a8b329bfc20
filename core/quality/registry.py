"""The list of the doctor's checks, and their kinds of finding.

A new check is a file in `core/quality/checks/` that exports `CHECK`, and one line here. Imports nothing heavy: checks
import their libraries when they run.
"""

from __future__ import annotations

from importlib import import_module

from core.quality.check_interface import ComparisonCheck, RowCheck
from core.quality.finding_kind import FindingKind

CHECK_NAMES = (
    "missing_fields",
    "leaked_test_rows",
    "template_markers",
    "too_long",
    "odd_characters",
    "duplicates",
    "swapped_fields",
    "next_turns",
    "media_placeholders",
    "json_literals",
    "refused_answers",
    "answer_in_question",
    "repeated_passages",
    "escaped_line_breaks",
    "html_in_text",
    "copied_text",
    "mojibake",
    "language_mismatch",
    "unfinished_texts",
    "near_duplicates",
    "renumbered_test_rows",
    "contradicting_answers",
    "answer_not_concluded",
    "personal_data",
    "white_space_edges",
)
"""The files of `core/quality/checks/`, in the order in which findings of the same severity and number are listed."""

CHECKS: tuple[RowCheck | ComparisonCheck, ...] = tuple(
    import_module(f"core.quality.checks.{name}").CHECK for name in CHECK_NAMES
)
ROW_CHECKS = tuple(check for check in CHECKS if isinstance(check, RowCheck))
COMPARISON_CHECKS = tuple(check for check in CHECKS if isinstance(check, ComparisonCheck))
FINDING_KINDS: dict[str, FindingKind] = {kind.name: kind for check in CHECKS for kind in check.kinds}
"""Every kind of finding by its name."""
