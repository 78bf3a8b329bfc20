"""What of a source is not used: columns, parts of rows, and rows that the source itself marks as not to be learnt.

Nothing of a source is dropped in silence: readers count here, and every screen and command shows the same sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from core.base.plural import counted
from core.base.row_tally import RowTally
from core.base.safe_text import safe_line

_NAMES_SHOWN = 8
_MOST_PARTS = 50  # kinds counted by themselves; every turn may have a value of another name
OTHER_PARTS = "other parts"


class NotUsed(msgspec.Struct):
    """What readers found in a source and did not use. Rows are numbered as in `RowProblem.row`."""

    columns: dict[str, int] = {}
    """For each column that is not used, how many rows have a value in it. Names are foreign text."""
    parts: dict[str, RowTally] = {}
    """Parts of the columns that are used, such as `turns after the answer`, and the rows that have them."""
    left_out: dict[str, RowTally] = {}
    """Why rows are left out that the source marks as not to be learnt, such as `label is false`, and those rows."""

    def add_column(self, name: str, rows: int = 1) -> None:
        """Count `rows` rows with a value in a column that is not used."""
        if rows:
            self.columns[name] = self.columns.get(name, 0) + rows

    def add_parts(self, parts: Iterable[str], row: int) -> None:
        """Count a row of which `parts` are not used, each once. row: as in `RowProblem.row`."""
        found: dict[str, None] = {}
        for part in parts:
            is_counted = part in self.parts or len(self.parts) < _MOST_PARTS
            found[part if is_counted else OTHER_PARTS] = None
            if is_counted:
                self.parts.setdefault(part, RowTally())
        for part in found:
            self.parts.setdefault(part, RowTally()).add(row)

    def leave_out(self, reason: str, row: int) -> None:
        """Count a row that is left out. row: as in `RowProblem.row`."""
        self.left_out.setdefault(reason, RowTally()).add(row)

    @property
    def left_out_count(self) -> int:
        """Rows that are left out."""
        return sum(tally.count for tally in self.left_out.values())

    def words(self) -> str:
        """Such as `not used: choices (1,000 rows), images (12); 40 rows have turns after the answer; 12 rows are left
        out: label is false (12)`; empty where everything is used."""
        sentences = []
        if self.columns:
            sentences.append(f"not used: {_listed(self.columns)}")
        sentences += [
            f"{counted(tally.count, 'row')} {'has' if tally.count == 1 else 'have'} {part}"
            for part, tally in list(self.parts.items())[:_NAMES_SHOWN]
        ]
        if len(self.parts) > _NAMES_SHOWN:
            sentences.append(f"{len(self.parts) - _NAMES_SHOWN} other kinds of parts are not used")
        if self.left_out:
            reasons = _listed({reason: tally.count for reason, tally in self.left_out.items()}, unit=False)
            are = "is" if self.left_out_count == 1 else "are"
            sentences.append(f"{counted(self.left_out_count, 'row')} {are} left out: {reasons}")
        return "; ".join(sentences)


def not_used_record(not_used: NotUsed) -> dict[str, Any]:
    """`not_used` and `left_out` for --json and for the facts of a run: counts with reasons and row numbers."""
    return {
        "not_used": {
            "columns": not_used.columns,
            "parts": {part: _tally_record(tally) for part, tally in not_used.parts.items()},
        },
        "left_out": {
            "count": not_used.left_out_count,
            "reasons": {reason: _tally_record(tally) for reason, tally in not_used.left_out.items()},
        },
    }


def _tally_record(tally: RowTally) -> dict[str, Any]:
    return {"count": tally.count, "rows": tally.rows}


def _listed(counts: Mapping[str, int], unit: bool = True) -> str:
    """`choices (1,000 rows), images (12), …`: the most frequent first."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    words = []
    for index, (name, count) in enumerate(ordered[:_NAMES_SHOWN]):
        number = counted(count, "row") if unit and not index else f"{count:,}"
        words.append(f"{safe_line(name, 60) or 'a column without a name'} ({number})")
    if len(ordered) > _NAMES_SHOWN:
        words.append(f"and {len(ordered) - _NAMES_SHOWN} more")
    return ", ".join(words)
