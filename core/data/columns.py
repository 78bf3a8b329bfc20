"""Which column of a source is which of the six. Knows names alone, neither formats nor rows."""

from __future__ import annotations

from collections.abc import Iterable

from core.errors import DataError
from core.row import COLUMNS, OPTIONAL

REQUIRED = tuple(column for column in COLUMNS if column not in OPTIONAL)
ALIASES: dict[str, frozenset[str]] = {
    "instruction": frozenset({"question", "prompt", "query", "problem", "task"}),
    "input": frozenset({"context"}),
    "reasoning": frozenset(
        {"thought", "thoughts", "thinking", "think", "rationale", "cot", "chain_of_thought", "reason", "reasoning_content", "explanation"}
    ),
    "output": frozenset({"answer", "response", "completion"}),
    "syslang": frozenset({"lang", "language"}),
    "sysflag": frozenset({"split", "flag"}),
}
_RELEVANT = frozenset(COLUMNS).union(*ALIASES.values())
_SHOWN = 200  # names kept for the person to see; a file whose every row has keys of its own has a million


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")


class Columns:
    """The names met so far and what they were taken for. A column once taken stays taken: rows already read would change meaning otherwise."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.used: dict[str, str] = {}  # canonical -> the source's name
        self.unclear: dict[str, list[str]] = {}  # canonical -> several names that could be it
        self._known: set[str] = set()

    def learn(self, names: Iterable[str]) -> bool:
        """Take in the names of a header or of a record; True where any was new. A name given twice is a column that stands there twice."""
        new = [name for name in names if name not in self._known and (len(self.names) < _SHOWN or _plain(name) in _RELEVANT)]
        if not new:
            return False
        self.names += new
        self._known.update(new)
        for column in COLUMNS:
            if column not in self.used:
                self._look_for(column)
        return True

    @property
    def crowded(self) -> bool:
        """Whether names were met that are not kept."""
        return len(self.names) >= _SHOWN

    def _look_for(self, column: str) -> None:
        taken = set(self.used.values())
        free = [name for name in self.names if name not in taken]
        self.unclear.pop(column, None)
        for fits in (
            [name for name in free if name == column],
            [name for name in free if _plain(name) == column],
            [name for name in free if _plain(name) in ALIASES[column]],
        ):
            if len(fits) == 1:
                self.used[column] = fits[0]
            elif fits:
                self.unclear[column] = fits
            if fits:
                return

    @property
    def extra(self) -> tuple[str, ...]:
        taken = set(self.used.values())
        return tuple(name for name in self.names if name not in taken)

    def check(self, where: str) -> None:
        """Raises DataError where instruction or output was not found, naming the columns that were."""
        missing = [column for column in REQUIRED if column not in self.used]
        if not missing:
            return
        found = ", ".join(name if len(name) <= 60 else name[:60] + "…" for name in self.names[:30]) + (", …" if len(self.names) > 30 else "")
        unclear = [column for column in missing if column in self.unclear]
        if unclear:
            column = unclear[0]
            several = ", ".join(self.unclear[column])
            raise DataError(f"more than one column could be {column}: {several}", where, f"Name the one that is meant {column}")
        word = "columns" if len(missing) > 1 else "column"
        raise DataError(
            f"the {word} {' and '.join(missing)} cannot be found; its columns are: {found or 'none'}",
            where,
            f"Rename columns so that there are {' and '.join(REQUIRED)} ({', '.join(OPTIONAL)} are optional)",
        )
