"""Where checks put what they find: for each kind the rows, the columns and the other row, as compact arrays. Knows no
check."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np

from core.base.row import COLUMNS
from core.quality.kinds import KINDS
from core.quality.report import SEVERITIES, Group, Severity

_BIT = {column: 1 << i for i, column in enumerate(COLUMNS)}


class Findings:
    """One finding of a kind for a row; told again for another column, the columns are joined and the first other row
    stays."""

    def __init__(self) -> None:
        self._rows: dict[str, array[int]] = {}
        self._others: dict[str, array[int]] = {}
        self._fields: dict[str, bytearray] = {}

    def add(self, kind: str, row: int, column: str = "", other: int = -1) -> None:
        self._rows.setdefault(kind, array("q")).append(row)
        self._others.setdefault(kind, array("q")).append(other)
        self._fields.setdefault(kind, bytearray()).append(_BIT[column] if column else 0)

    def add_all(self, kind: str, rows: Iterable[int], column: str = "") -> None:
        for row in rows:
            self.add(kind, row, column)

    def dump(self) -> dict[str, tuple[bytes, bytes, bytes]]:
        return {
            kind: (rows.tobytes(), self._others[kind].tobytes(), bytes(self._fields[kind]))
            for kind, rows in self._rows.items()
        }

    def add_dumped(self, dumped: dict[str, tuple[bytes, bytes, bytes]]) -> None:
        for kind, (rows, others, fields) in dumped.items():
            self._rows.setdefault(kind, array("q")).frombytes(rows)
            self._others.setdefault(kind, array("q")).frombytes(others)
            self._fields.setdefault(kind, bytearray()).extend(fields)

    def groups(self, milder: dict[str, Severity] | None = None) -> tuple[Group, ...]:
        """The worst first, then the most frequent. milder: kinds that are less bad in this data set than in general."""
        groups = [self._group(kind, (milder or {}).get(kind)) for kind in self._rows]
        order = list(KINDS)
        groups.sort(key=lambda group: (SEVERITIES.index(group.severity), -group.count, order.index(group.kind)))
        return tuple(groups)

    def _group(self, name: str, severity: Severity | None) -> Group:
        kind = KINDS[name]
        told = np.frombuffer(self._rows[name], np.int64)
        rows, first, places = np.unique(
            told, return_index=True, return_inverse=True
        )  # the first of equal ones: in the order they were told
        fields = np.zeros(len(rows), np.uint8)
        np.bitwise_or.at(fields, places, np.frombuffer(self._fields[name], np.uint8))
        others = np.frombuffer(self._others[name], np.int64)[first]
        return Group(
            kind.name,
            severity or kind.severity,
            kind.title,
            kind.why,
            kind.do,
            rows.tobytes(),
            others.tobytes() if (others >= 0).any() else b"",
            fields.tobytes() if fields.any() else b"",
            kind.fix,
        )
