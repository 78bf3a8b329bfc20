"""What is said of a source besides its rows, as a record: splits, what is not used, left out, or could not be read."""

from __future__ import annotations

from typing import Any

from core.data.dataset import DataSet
from core.data.not_used import not_used_record
from core.data.problems import problems_record

_PROBLEMS_SHOWN = 20


def source_record(data: DataSet) -> dict[str, Any]:
    """`not_used`, `left_out` and `problems` of an open data set, for commands and a run's facts: counts with reasons
    and row numbers; how it was read, and which splits are open and could be."""
    first = [
        {"row": problem.row, "what": problem.what, "file": problem.file} for problem in data.problems[:_PROBLEMS_SHOWN]
    ]
    return {
        "split": data.split,
        "other_splits": list(data.other_splits),
        "notes": data.notes,
        **not_used_record(data.not_used),
        "problems": {**problems_record(data.problem_kinds), "first": first},
    }
