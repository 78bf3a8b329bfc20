"""Texts that repeat one passage many times: a model that was caught in a loop when the data was made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_WRITTEN = ("reasoning", "output")  # columns that the model learns to write
_IS_ASKED_FOR = re.compile(
    r"\brepeat|\btimes\b.*\b(?:write|say|print)|\b(?:write|say|print)\b.*\btimes\b|\bsong|\blyrics|\bpoem|\bchant|"
    r"\bchorus|\brefrain|繰り返|歌詞|詩|重复|重複|歌词|诗",
    re.IGNORECASE,
)

KINDS = (
    FindingKind(
        "repeated_passage",
        "warning",
        "one passage many times in a row",
        "The text comes from a model in a loop, and the tuned model would learn to end in loops",
        "Keep the passage once, or delete the row",
    ),
)


def check_repetitions(block: RowBlock, findings: Findings) -> None:
    from core.quality.text.repeated_passage import repeated_passage

    for column in _WRITTEN:
        for position, text in enumerate(block[column]):
            if repeated_passage(text) and not _IS_ASKED_FOR.search(block.request(position)):
                findings.add("repeated_passage", block.indices[position], column)


CHECK = RowCheck(KINDS, lambda context: check_repetitions)
