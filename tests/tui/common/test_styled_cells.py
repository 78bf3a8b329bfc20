"""Rows of styled cells look, and are made of segments, by what they show alone."""

from __future__ import annotations

from typing import ClassVar

import pytest
from textual.app import App, ComposeResult

from tui.common.styled_cells import CellLines, CellRow


class Lines(CellLines):
    COMPONENT_CLASSES: ClassVar[set[str]] = {"one", "two"}
    DEFAULT_CSS = "Lines { width: 20; height: 1; } Lines > .one { color: red; } Lines > .two { color: blue; }"


class Stage(App[None]):
    def compose(self) -> ComposeResult:
        yield Lines()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([("12┤", "one"), ("      ", "")], [("12┤", "one"), ("      ", "two")]),
        ([("a", "one"), ("   ", "two"), ("b", "one")], [("a", "one"), ("   ", ""), ("b", "one")]),
        ([("a", "one")], [("a", "one"), ("   ", "two")]),
        ([("長い", "two"), (" ", "one")], [("長い", "two")]),
    ],
)
async def test_blank_cells_have_no_look_of_their_own(before: CellRow, after: CellRow) -> None:
    app = Stage()
    async with app.run_test(size=(20, 3)) as pilot:
        lines = app.query_one(Lines)
        strips = []
        for row in (before, after):
            lines.show([row])
            await pilot.pause()
            strips.append(lines.render_line(0))
        assert list(strips[0]) == list(strips[1])
