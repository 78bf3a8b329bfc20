"""Keys that arrive together, as over a slow line, in the real app."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from tests.support.rooms import until
from tui.app import SuironApp
from tui.data.screen import DataScreen


def type_at_once(app: SuironApp, *keys: str) -> None:
    """All of them in one packet: none waits for what the one before it does."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


async def opened(pilot: Pilot[None], app: SuironApp) -> None:
    await until(pilot, lambda: app.dataset is not None and isinstance(app.screen, DataScreen))


async def test_what_follows_the_search_key_is_searched_for(rows_file: Path) -> None:
    app = SuironApp(data=str(rows_file))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        type_at_once(app, "slash", *"quoll", "enter", "x", "slash", *"plus one", "enter")
        await until(pilot, lambda: app.session.filters.text == "plus one")
        assert app.is_running
        assert app.screen.query_one("#search", Input).value == "plus one"


async def test_what_follows_a_room_key_goes_to_that_room(rows_file: Path) -> None:
    app = SuironApp(data=str(rows_file))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        type_at_once(app, "f4", *"why?")
        await until(
            pilot,
            lambda: app.session.screen == "chat" and app.screen.query_one("#instruction", TextArea).text == "why?",
        )


async def test_what_follows_a_dialog_key_goes_to_the_dialog(rows_file: Path) -> None:
    app = SuironApp(data=str(rows_file))
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, app)
        type_at_once(app, "f1", "escape", "slash", *"q")
        await until(
            pilot,
            lambda: (
                app.screen.query_one("#search", Input).value == "q" if isinstance(app.screen, DataScreen) else False
            ),
        )


@pytest.mark.parametrize("size", [(80, 24)])
async def test_a_field_is_whole_before_it_is_used(
    rows_file: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    def begin(spec: object) -> None:
        started.append(spec.train.steps)  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tui.train.screen._begin", begin)
    app = SuironApp(data=str(rows_file), model="demo")
    async with app.run_test(size=size) as pilot:
        await opened(pilot, app)
        type_at_once(app, "f3", "down", "end", *["backspace"] * 6, *"123", "f5")
        await until(pilot, lambda: started)
        assert started == [123]
