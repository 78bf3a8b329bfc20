"""The prompts room from the user's hands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static

from tests.support.rooms import until
from tui.app import SuironApp
from tui.prompts.screen import PromptsScreen
from tui.prompts.sheet import Sheet


class Hands:
    """The room, and what a person sees of it."""

    def __init__(self, pilot: Pilot[None]) -> None:
        self.pilot = pilot
        self.app: SuironApp = pilot.app  # type: ignore[assignment]
        room = self.app.rooms["prompts"]
        assert isinstance(room, PromptsScreen)
        self.room = room
        self.sheet = room.query_one(Sheet)

    @property
    def about(self) -> str:
        return str(self.room.query_one("#about", Static).visual)

    @property
    def said(self) -> str:
        """The message line."""
        line = self.room.query_one("#message", Static)
        return str(line.visual) if line.display else ""

    async def says(self, *words: str) -> None:
        await until(self.pilot, lambda: all(word in self.said for word in words))

    def lines(self) -> list[str]:
        """All of the sheet."""
        return [
            "".join(text for text, _, _ in self.sheet.lines.pieces(index)) for index in range(len(self.sheet.lines))
        ]

    def seen(self) -> list[str]:
        """What of it is in sight."""
        return [self.sheet.render_line(y).text for y in range(self.sheet.size.height)]

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def shows(self, *words: str) -> None:
        await until(self.pilot, lambda: all(word in self.about for word in words))

    async def has(self, word: str) -> None:
        await until(self.pilot, lambda: any(word in line for line in self.lines()))


@asynccontextmanager
async def opened(rows: Path, model: Path | str, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Hands]:
    app = SuironApp(str(rows), model=str(model))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.dataset is not None)
        await pilot.press("5")
        await until(pilot, lambda: "prompts" in app.rooms and app.rooms["prompts"].query(Sheet))
        hands = Hands(pilot)
        await hands.shows("row ")
        yield hands
