"""The interface of a check: the kinds of finding it reports, and how it finds them. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.examples.lengths import RowLengths
    from core.quality.findings import Findings
    from core.quality.quality_request import QualityOptions
    from core.quality.row_blocks import RowBlock
    from core.quality.row_comparison import RowComparison
    from core.tokens.tokenizer import TextTokenizer

CheckBlock = Callable[["RowBlock", "Findings"], None]
"""Checks the rows of a block and adds its findings."""


class CheckContext(msgspec.Struct, frozen=True):
    """The information for a check besides the rows."""

    options: QualityOptions
    """How the rows would be trained."""
    tokenizer: TextTokenizer | None
    """The tokenizer of the chosen model, None where there is none."""
    trained: RowLengths
    """How long rows are in training, and the markers of their templates."""


class RowCheck(msgspec.Struct, frozen=True):
    """A check of each row by itself."""

    kinds: tuple[FindingKind, ...]
    """The kinds of finding that it reports."""
    prepare: Callable[[CheckContext], CheckBlock | None]
    """Called once before the rows; returns the function that checks them, or None where they cannot be checked."""


class ComparisonCheck(msgspec.Struct, frozen=True):
    """A check that compares rows with each other."""

    kinds: tuple[FindingKind, ...]
    """The kinds of finding that it reports."""
    compare: Callable[[RowComparison, Findings], None]
    """Compares all rows and adds its findings."""
