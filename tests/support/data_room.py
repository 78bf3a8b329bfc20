"""The data room from the user's hands: what the tests of that room share."""

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


class Hands:
    """The room, and what a person sees of it."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app: SuironApp = pilot.app  # type: ignore[assignment]
        room = self.app.rooms["data"]
        assert isinstance(room, DataScreen)
        self.room = room
        self.table = room.query_one(RowsTable)
        self.pane = room.query_one(RowPane)

    def lines(self) -> list[str]:
        return [self.table.render_line(y).text for y in range(self.table.size.height)]

    def says(self, id: str) -> str:
        return str(self.room.query_one(id, Static).visual)

    @property
    def here(self) -> Row | None:
        return self.table.row_at(self.table.cursor)

    async def says_so(self, *words: str) -> None:
        """Until the last line has said all of these."""
        await until(self.pilot, lambda: all(word in self.says("#said") for word in words))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def shown(self, count: int) -> None:
        await until(self.pilot, lambda: f"shown {count:,}" in self.says("#status"))

    async def on_row(self, index: int) -> None:
        await until(self.pilot, lambda: self.here is not None and self.here.index == index)


@asynccontextmanager
async def opened(source: str | Path | None, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Hands]:
    app = SuironApp(str(source) if source is not None else None)
    async with app.run_test(size=size) as pilot:
        hands = Hands(pilot)
        await until(
            pilot,
            lambda: (hands.says("#status") and (hands.table.size.width or not hands.table.display)) or app.data_error,
        )
        yield hands


def type_at_once(app: SuironApp, *keys: str) -> None:
    """All of them in one packet: none waits for what the one before it does."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))
