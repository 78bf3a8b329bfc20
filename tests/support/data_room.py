"""The Data room as its user has it: what the tests of that room share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual import events
from textual.pilot import Pilot
from textual.widgets import Static

from core.base.row import Row
from tests.support.rooms import until
from tui.app import SuironApp
from tui.data.screen import DataScreen
from tui.data.widgets.row_pane import RowPane
from tui.data.widgets.rows_table import RowsTable

SIZES = [(80, 24), (120, 40)]


class RoomUser:
    """Presses keys in the room, and reads what it shows."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app: SuironApp = pilot.app  # type: ignore[assignment]
        room = self.app.rooms["data"]
        assert isinstance(room, DataScreen)
        self.room = room
        self.table = room.query_one(RowsTable)
        self.pane = room.query_one(RowPane)

    def lines(self) -> list[str]:
        """The table, line by line."""
        return [self.table.render_line(y).text for y in range(self.table.size.height)]

    def reads(self, id: str) -> str:
        """The words of a Static."""
        return str(self.room.query_one(id, Static).visual)

    @property
    def row(self) -> Row | None:
        """The row under the cursor."""
        return self.table.row_at(self.table.cursor)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until_said(self, *words: str) -> None:
        """Until the message line has all of these words."""
        await until(self.pilot, lambda: all(word in self.reads("#message") for word in words))

    async def until_shown(self, count: int) -> None:
        """Until so many rows are shown."""
        await until(self.pilot, lambda: f"shown {count:,}" in self.reads("#status"))

    async def until_on_row(self, index: int) -> None:
        """Until the cursor is on the row."""
        await until(self.pilot, lambda: self.row is not None and self.row.index == index)


@asynccontextmanager
async def opened(source: str | Path | None, size: tuple[int, int] = (120, 40)) -> AsyncIterator[RoomUser]:
    """The app on a source, once its rows or the reason why there are none are shown."""
    app = SuironApp(str(source) if source is not None else None)
    async with app.run_test(size=size) as pilot:
        user = RoomUser(pilot)
        await until(
            pilot,
            lambda: (user.reads("#status") and (user.table.size.width or not user.table.display)) or app.data_error,
        )
        yield user


def type_at_once(app: SuironApp, *keys: str) -> None:
    """All of them in one packet: none waits for what the one before it does."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))
