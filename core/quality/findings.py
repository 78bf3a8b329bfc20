"""Collects the findings of checks: rows, columns and other rows of each kind, as compact arrays. Knows no check."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

import numpy as np

from core.base.row import COLUMNS
from core.quality.finding_kind import FindingKind
from core.quality.report import SEVERITIES, FindingGroup, Severity

_BIT = {column: 1 << i for i, column in enumerate(COLUMNS)}


class Findings:
    """Findings by the name of their kind. A row has at most one of each kind: where it is added again for another
    column, the columns are joined and the first other row stays."""

    def __init__(self) -> None:
        self._rows: dict[str, array[int]] = {}
        self._others: dict[str, array[int]] = {}
        self._fields: dict[str, bytearray] = {}

    def add(self, kind: str, row: int, column: str = "", other: int = -1) -> None:
        """Add a finding. row: an index into the data set; column: empty for the complete row; other: the index of the
        other row of the finding, -1 for none."""
        self._rows.setdefault(kind, array("q")).append(row)
        self._others.setdefault(kind, array("q")).append(other)
        self._fields.setdefault(kind, bytearray()).append(_BIT[column] if column else 0)

    def dump(self) -> dict[str, tuple[bytes, bytes, bytes]]:
        """For another process; `add_dumped` reads it."""
        return {
            kind: (rows.tobytes(), self._others[kind].tobytes(), bytes(self._fields[kind]))
            for kind, rows in self._rows.items()
        }

    def add_dumped(self, dumped: dict[str, tuple[bytes, bytes, bytes]]) -> None:
        for kind, (rows, others, fields) in dumped.items():
            self._rows.setdefault(kind, array("q")).frombytes(rows)
            self._others.setdefault(kind, array("q")).frombytes(others)
            self._fields.setdefault(kind, bytearray()).extend(fields)

    def groups(
        self, kinds: Mapping[str, FindingKind], milder: Mapping[str, Severity] | None = None
    ) -> tuple[FindingGroup, ...]:
        """The findings by kind: the most severe kind first, then the most frequent, then in the order of `kinds`.

        kinds: every kind that was added, by name. milder: severities for kinds that are less bad in this data set than
        in general.
        """
        groups = [self._group(kinds[name], (milder or {}).get(name, kinds[name].severity)) for name in self._rows]
        order = list(kinds)
        groups.sort(key=lambda group: (SEVERITIES.index(group.severity), -group.count, order.index(group.kind)))
        return tuple(groups)

    def _group(self, kind: FindingKind, severity: Severity) -> FindingGroup:
        added = np.frombuffer(self._rows[kind.name], np.int64)
        # of equal rows, `first` is the one that was added first
        rows, first, positions = np.unique(added, return_index=True, return_inverse=True)
        fields = np.zeros(len(rows), np.uint8)
        np.bitwise_or.at(fields, positions, np.frombuffer(self._fields[kind.name], np.uint8))
        others = np.frombuffer(self._others[kind.name], np.int64)[first]
        return FindingGroup(
            kind=kind.name,
            severity=severity,
            title=kind.title,
            why=kind.why,
            do=kind.do,
            rows=rows.tobytes(),
            others=others.tobytes() if (others >= 0).any() else b"",
            fields=fields.tobytes() if fields.any() else b"",
            fix=kind.fix.words if kind.fix is not None else "",
        )
