"""A mapping after later rows turned out to hold reasoning between markers, unlike those from which it was guessed.

Rows without markers read the same either way, so the rows read before keep their meaning.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.base.row import FIELDS
from core.data.columns.mapping import ColumnMapping, ColumnPick


def taken_apart(mapping: ColumnMapping, columns: Iterable[str]) -> ColumnMapping:
    """The mapping that takes those of its watched `columns` (reasoning, output) apart in which markers were met."""
    met = [column for column in columns if column in mapping.watched]
    picks, unclear = dict(mapping.picks), dict(mapping.unclear)
    if "output" in met:
        source = mapping.source("output")
        picks["output"] = ColumnPick(source, "answer", f"{picks['output'].why}; later rows have reasoning in it")
        if not mapping.source("reasoning"):
            picks["reasoning"] = ColumnPick(source, "think", f"between its markers in {source}, in later rows")
            unclear.pop("reasoning", None)
    if "reasoning" in met:
        pick = picks["reasoning"]
        picks["reasoning"] = ColumnPick(pick.column, "unmarked", f"{pick.why}; without the markers of later rows")
    unclear = {column: several for column, several in unclear.items() if column not in met}
    ordered = {column: picks[column] for column in FIELDS if column in picks}
    return ColumnMapping(ordered, unclear, mapping.by_hand, mapping.marks)
