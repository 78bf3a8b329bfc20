"""What is said of a source besides its rows, as a record: splits, what is not used, left out, or could not be read."""

from __future__ import annotations

from typing import Any

from core.data.dataset import DataSet
from core.data.not_used import PartTally

_PROBLEMS_SHOWN = 20


def source_record(data: DataSet) -> dict[str, Any]:
    """`not_used`, `left_out` and `problems` of an open data set, for commands and a run's facts: counts with reasons
    and row numbers; how it was read, and which splits are open and could be."""
    return {
        "split": data.split,
        "other_splits": list(data.other_splits),
        "notes": data.notes,
        "not_used": {
            "columns": data.not_used.columns,
            "parts": {part: _tally(tally) for part, tally in data.not_used.parts.items()},
        },
        "left_out": {
            "count": data.not_used.left_out_count,
            "reasons": {reason: _tally(tally) for reason, tally in data.not_used.left_out.items()},
        },
        "problems": {
            "count": data.problem_count,
            "kinds": [
                {
                    "what": kind.what,
                    "count": kind.count,
                    "places": [{"row": place.row, "file": place.file} for place in kind.places],
                }
                for kind in data.problem_kinds
            ],
            "first": [
                {"row": problem.row, "what": problem.what, "file": problem.file}
                for problem in data.problems[:_PROBLEMS_SHOWN]
            ],
        },
    }


def _tally(tally: PartTally) -> dict[str, Any]:
    return {"count": tally.count, "rows": tally.rows}
