"""Selects the rows that a run trains on by their sysflag, and knows which flags mark a row as held out."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from core.base.row import Row

HELD_OUT = frozenset(
    {"test", "eval", "evaluation", "valid", "validation", "val", "dev", "holdout", "held-out", "held_out", "heldout"}
)
"""Values of sysflag, in lower case, that keep a row out of training."""


class TrainedRows(msgspec.Struct, frozen=True):
    """The rule that selects a run's rows in a source."""

    flag: str
    """The sysflag of the rows that are trained on; empty where all rows are."""

    @classmethod
    def of_source(cls, train_flag: str, columns: Collection[str]) -> TrainedRows:
        """train_flag: `data.train_flag` of the run; columns: of the source. Without a sysflag column the run trains on
        all rows."""
        return cls(train_flag if "sysflag" in columns else "")

    def includes(self, row: Row) -> bool:
        return not self.flag or row.sysflag == self.flag

    def compares_as_trained(self, sysflag: str) -> bool:
        """Whether rows with this sysflag are compared with the held-out rows: trained rows are, except the held-out
        rows themselves where all rows are trained."""
        return (not self.flag or sysflag == self.flag) and not is_held_out(sysflag)

    def part(self, rows: Sequence[Row]) -> tuple[Sequence[Row], Sequence[Row]]:
        """The rows that are trained on, and the others."""
        if not self.flag:
            return rows, ()
        trained = [row for row in rows if row.sysflag == self.flag]
        if len(trained) == len(rows):
            return rows, ()
        return trained, [row for row in rows if row.sysflag != self.flag]


def is_held_out(sysflag: str) -> bool:
    """Whether a row with this sysflag is held out for evaluation. Case and outer space do not matter."""
    return sysflag.strip().casefold() in HELD_OUT
