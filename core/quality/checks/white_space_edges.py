"""White space at the beginning or end of a field."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.base.row import TEXTS
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind, fix_each_text

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

KINDS = (
    FindingKind(
        "blank_edges",
        "hint",
        "white space around a field",
        "The model learns to write spaces before its answer, or blank lines after it",
        "Trim the field",
        fix_each_text("trim white space at the beginning and end of the field", str.strip),
    ),
)


def check_edges(block: RowBlock, findings: Findings) -> None:
    for column in TEXTS:
        for row, text in zip(block.indices, block[column], strict=True):
            if text and (text[0].isspace() or text[-1].isspace()) and text.strip():
                findings.add("blank_edges", row, column)


CHECK = RowCheck(KINDS, lambda context: check_edges)
