"""The rows that a run does not train, by reason: as a record for --json, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from core.base.command_output import CommandOutput
from core.base.row_tally import RowTally
from core.base.safe_text import safe_line
from core.examples.example import Verdict

if TYPE_CHECKING:
    from core.examples.build import TrainingSetBuilder

_MOST_REASONS = 12


def left_out_record(builder: TrainingSetBuilder, marked: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Rows that are not trained, by reason. marked: those that the source marks as not to be learnt, numbered as in the
    source; the others by their index."""
    reasons = {reason: {**tally, "numbered": "in the source, from 1"} for reason, tally in marked.items()}
    tallies = {
        "too long": builder.tallies[Verdict.TOO_LONG],
        "no template for them": builder.tallies[Verdict.NO_TEMPLATE],
        "no token of them is trained": builder.tallies[Verdict.NOTHING_TRAINED],
        **_by_reason(builder.unreadable),
    }
    for reason, tally in tallies.items():
        if tally.count:
            reasons[reason] = {"count": tally.count, "rows": tally.rows, "numbered": "by index, from 0"}
    return {"count": sum(tally["count"] for tally in reasons.values()), "reasons": reasons}


def print_left_out(builder: TrainingSetBuilder, output: CommandOutput) -> None:
    """A line for each reason with its count and first rows."""
    for verdict, words in (
        (Verdict.TOO_LONG, "too long, left out"),
        (Verdict.CUT, f"too long, {builder.spec.prompt.too_long}"),
        (Verdict.NO_TEMPLATE, "no template for them"),
    ):
        if builder.tallies[verdict].count:
            output.text(f"          {words}: {builder.tallies[verdict].words()}")
    for why, tally in _by_reason(builder.unreadable).items():
        output.text(f"          left out: {tally.words()}: {safe_line(why, 200)}")


def _by_reason(unreadable: Sequence[tuple[int, str]]) -> dict[str, RowTally]:
    """The rows that were left out, by the reason; as many reasons as fit on a screen, the others as one."""
    tallies: dict[str, RowTally] = {}
    for index, why in unreadable:
        key = why if why in tallies or len(tallies) < _MOST_REASONS else "other reasons"
        tallies.setdefault(key, RowTally()).add(index)
    return tallies
