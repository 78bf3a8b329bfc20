"""What a person needs to choose where columns are taken from: the names, some rows as the source has them, the mapping
in force; and keeping it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Record
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import DataError
from core.base.files import private_dir
from core.data.columns.guess import candidates, guess
from core.data.columns.mapping import Mapping, Pick, load_mapping, read_row, save_mapping
from core.data.columns.settled_columns import SAMPLE_ROWS, Columns
from core.data.formats.record_intake import Intake
from core.data.importing.import_source import named, read_source
from core.data.locate.source_files import Found, locate
from core.data.sidecar import sidecar


@dataclass(frozen=True)
class Choice:
    """names: the source's columns; rows: at most 200 records of its beginning, the same that a guess is made from;
    mapping: the saved one, else the guess; saved: which of the two."""

    found: Found
    names: tuple[str, ...]
    rows: tuple[Record[str, Any], ...]
    mapping: Mapping
    saved: bool

    def candidates(self, column: str) -> list[Pick]:
        """What the canonical `column` could be taken from, what is in force first, nothing last."""
        found = candidates(column, self.names, self.rows)
        now = self.mapping.picks.get(column, found[-1])
        same = next((pick for pick in found if (pick.column, pick.how) == (now.column, now.how)), now)
        rest = [pick for pick in found if pick is not same]
        return [same, *rest]

    def read(self, mapping: Mapping, limit: int = 3) -> list[list[str] | str]:
        """The first rows by `mapping`: the six texts of each, or what is wrong with it."""
        return [read_row(mapping, record) for record in self.rows[:limit]]

    def keep(self, mapping: Mapping) -> Path:
        """Keep `mapping` as what the person decided, so that the source is opened by it from now on. Gives its file.
        Raises DataError."""
        path = sidecar(self.found).mapping
        try:
            private_dir(path.parent)
            save_mapping(Mapping(mapping.picks, {}, by_hand=True), path)
        except OSError as error:
            do = "Free space there, or check who may write there"
            raise DataError(f"the column mapping cannot be saved ({error.strerror or error})", str(path), do) from error
        return path


def choose(source: str, split: str = "") -> Choice:
    """The choice for a source as `open_data` takes it; reads its beginning alone. Raises DataError."""
    with named(locate(source, split)) as found:
        saved = load_mapping(sidecar(found).mapping)
        names, rows = _beginning(found)
    return Choice(
        found, tuple(names), tuple(rows), saved if saved is not None else guess(names, rows), saved is not None
    )


class _Enough(Exception):
    pass


class _Sample(Columns):
    """Ends the reading once there are rows to judge by."""

    rows: Sequence[Record[str, Any]] = ()

    def learn(self, names: Iterable[str], sample: Sequence[Record[str, Any]] = (), free: bool = False) -> bool:
        new = super().learn(names, sample, free)
        if sample:
            self.rows = sample[:SAMPLE_ROWS]
            raise _Enough
        return new


def _beginning(found: Found) -> tuple[list[str], Sequence[Record[str, Any]]]:
    intake = Intake(found.where, lambda _: None)
    intake.columns = sample = _Sample()
    intake.arrays = lambda _: None
    try:
        read_source(found, intake)
        intake.flush()
    except _Enough:
        return sample.names, sample.rows
    if not sample.names:
        intake.finish()  # says why nothing could be read
    return sample.names, []
