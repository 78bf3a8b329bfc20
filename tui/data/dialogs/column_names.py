"""The dialog that asks for the names of a table's columns, where its first line is a row. Reads no file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from core.base.errors import UsageError
from core.base.plural import counted
from core.base.row import FIELDS
from core.base.safe_text import safe_line
from core.data.column_names_file import parse_names
from tui.actions import key_hints
from tui.common.field import Field
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.list_dialog import ListDialog

_SHOWN = 9  # columns that are shown with their first cell
_NAME = 12  # cells of a name


class ColumnNamesDialog(ListDialog[tuple[str, ...]]):
    """Returns a name for each column.

    name: of the source; cells: the first line of the table, foreign text; where: the file in which the names are kept.
    """

    KEY_WORDS = key_hints("Enter opens the table with these names", ("closes", "dialog.close"))
    AUTO_FOCUS = "#names"
    DEFAULT_CSS = """
    ColumnNamesDialog #cells { margin: 1 0; }
    """
    TITLE_WORDS: ClassVar[str] = "Names of the columns"

    def __init__(self, name: str, cells: Sequence[str], where: str) -> None:
        super().__init__()
        self._name, self._cells, self._where = name, list(cells), where

    def compose_dialog(self) -> ComposeResult:
        yield Static(
            "The first line of the table is a row and names no columns. Type their names in their order, with commas:"
            " instruction and output are needed; columns with other names than those of a row are not used.",
            classes="hint",
        )
        yield Field(",".join(_suggested_names(len(self._cells))), "instruction,output", id="names")
        yield Static(id="cells")
        yield Static(classes="trouble")
        yield Static(Content(f"Kept in {safe_line(self._where, 300)}"), classes="hint")

    def on_mount(self) -> None:
        self.title_words(f"Names of the columns of {self._name}")
        self._show_cells()

    @on(Input.Changed)
    def _typed(self) -> None:
        self.trouble("")
        self._show_cells()

    def _show_cells(self) -> None:
        """Show which name stands for which cell of the first line."""
        width = self.query_one("#cells").size.width or 60
        names = [name.strip() for name in self.query_one(Field).value.split(",")]
        lines = []
        for position, cell in enumerate(self._cells[:_SHOWN]):
            name = names[position] if position < len(names) else ""
            style = "$success" if name in FIELDS else "$text-muted"
            shown = Content.styled(fit_to_width(name or "(no name)", _NAME), style)
            lines.append(shown + Content.styled(" ← ", "$text-muted") + Content(fit_to_width(cell, width - _NAME - 3)))
        if len(self._cells) > _SHOWN:
            more = counted(len(self._cells) - _SHOWN, "more column")
            lines.append(Content.styled(f"and {more}", "$text-muted"))
        self.say("#cells", Content("\n").join(lines))

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._show_cells)

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            names = parse_names(event.value)
        except UsageError:
            self.trouble("Each column needs a name of its own: none may be empty or there twice.")
            return
        if len(names) != len(self._cells):
            self.trouble(f"There are {counted(len(names), 'name')} for {counted(len(self._cells), 'column')}.")
            return
        self.dismiss(names)


def _suggested_names(count: int) -> list[str]:
    """Names for `count` columns, to be corrected."""
    usual = ["instruction", "output"] if count < 3 else ["instruction", "reasoning", "output"]
    return [usual[position] if position < len(usual) else f"column{position + 1}" for position in range(count)]
