"""The dialog that lists every value of syslang and sysflag with its count. Knows only the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType

from tui.actions import key_bindings, key_hints
from tui.common.choices import HEADING, MARK, MUTED, ChoiceLine, Choices, share_bar
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.list_dialog import ListDialog

BAR = 20  # cells


class FacetsDialog(ListDialog[tuple[str, str | None]]):
    """Returns (column, value) to show the rows with that value; value is None where the current filter was chosen, to
    remove it.

    The value "" means rows whose column is empty: `RowFilters` cannot ask for those, an SQL condition can
    (`syslang = ''`).
    facets: for each column its values with their counts, the most frequent first; now: the current filters, empty for
    none.
    """

    TITLE_WORDS = "Values and counts"
    KEY_WORDS = key_hints(
        ("shows these rows", "list.choose"),
        "on ● shows all",
        ("next column", "values.next_column"),
        ("closes", "dialog.close"),
    )
    AUTO_FOCUS = "#choices"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("values")
    DEFAULT_CSS = """
    FacetsDialog > #box { max-width: 84; }
    FacetsDialog.-tall #choices { height: 1fr; }
    """

    def __init__(self, facets: Mapping[str, Sequence[tuple[str, int]]], now: Mapping[str, str], total: int) -> None:
        super().__init__()
        self._now, self._total = dict(now), total
        self._lines: list[tuple[str, str | None, int]] = []  # column, value, count; a heading has no value
        for column, values in facets.items():
            if self._lines:
                self._lines.append(("", None, 0))
            self._lines.append((column, None, len(values)))
            self._lines += [(column, value, count) for value, count in values]

    def compose_dialog(self) -> ComposeResult:
        yield Choices(id="choices")

    def on_mount(self) -> None:
        start = next(
            (
                position
                for position, (column, value, _) in enumerate(self._lines)
                if value and self._now.get(column) == value
            ),
            0,
        )
        self.TALL = len(self._lines) > self.app.size.height * 9 // 10 - 3
        self.query_one(Choices).show(
            len(self._lines), self._draw, start, lambda position: self._lines[position][1] is not None
        )

    def _draw(self, position: int, width: int) -> ChoiceLine:
        column, value, count = self._lines[position]
        if value is None:
            values = _value_count_words(count)
            return [(f"{column}  ", HEADING), (values if column else "", MUTED)]
        share = count / self._total if self._total else 0.0
        cells = BAR if width >= 56 else 8
        about = f" {count:>11,} {share:6.1%} "
        mark, role = ("● ", MARK) if value and self._now.get(column) == value else ("  ", "" if value else MUTED)
        return [
            (mark + fit_to_width(value or "(empty)", width - len(about) - cells - 2), role),
            (about, role),
            (share_bar(share, cells), role or MARK),
        ]

    @on(Choices.Chosen)
    def _chosen(self, event: Choices.Chosen) -> None:
        column, value, _ = self._lines[event.index]
        if value is not None:
            self.dismiss((column, None if value and self._now.get(column) == value else value))

    def action_column(self, step: int) -> None:
        """Go to the first value of the next column."""
        choices = self.query_one(Choices)
        firsts = [
            position + 1
            for position, (column, value, count) in enumerate(self._lines)
            if column and value is None and count
        ]
        if firsts:
            current = max((position for position, first in enumerate(firsts) if first <= choices.cursor), default=0)
            choices.move_to(firsts[(current + step) % len(firsts)])


def _value_count_words(count: int) -> str:
    if not count:
        return "no values"
    return "1 value" if count == 1 else f"{count:,} values"
