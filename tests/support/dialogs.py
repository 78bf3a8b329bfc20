"""A dialog alone on a stage: an app whose keys keep their order, as Suiron's do, and what a person then sees and
gets."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot
from textual.screen import ModalScreen

from tests.support.rooms import until
from tui import themes
from tui.typed_order import TypedOrder

NARROW, WIDE = (80, 24), (120, 40)
SIZES = [NARROW, WIDE]
# markup, a clipboard write, a colour, a reordering
HOSTILE = "[/] [@click=app.quit]x[/] \x1b]52;c;aGFja2Vk\x07 \x9b31m\u202e日本語"
_FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


class Stage(TypedOrder):
    """Shows one dialog; `result` is what it gave, `open` while it is there."""

    def __init__(self, dialog: ModalScreen[Any]) -> None:
        super().__init__()
        self.dialog, self.result, self.open = dialog, None, True

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(themes.DEFAULTS)

    def on_mount(self) -> None:
        theme = themes.load_theme(themes.FOLDER / "suiron-dark.yaml")
        self.register_theme(theme)
        self.theme = theme.name
        self.push_screen(self.dialog, self._gave)

    def _gave(self, result: Any) -> None:
        self.result, self.open = result, False


class Person:
    """What stands on the screen, and keys."""

    def __init__(self, pilot: Pilot[None], stage: Stage) -> None:
        self.pilot, self.stage = pilot, stage

    @property
    def lines(self) -> list[str]:
        return ["".join(segment.text for segment in strip) for strip in self.stage.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        """The whole screen; asserts that no terminal would act on any of it."""
        text = "\n".join(self.lines)
        assert not _FORBIDDEN.search(text)
        return text

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def sees(self, *words: str) -> None:
        """Wait until all of these words stand on the screen."""
        await until(self.pilot, lambda: all(word in self.text for word in words))

    async def gives(self) -> Any:
        """Wait until the dialog is gone; what it gave."""
        await until(self.pilot, lambda: not self.stage.open)
        return self.stage.result


@asynccontextmanager
async def shown(dialog: ModalScreen[Any], size: tuple[int, int] = NARROW) -> AsyncIterator[Person]:
    stage = Stage(dialog)
    async with stage.run_test(size=size) as pilot:
        await until(
            pilot, lambda: not stage.open or (stage.screen is dialog and dialog.is_mounted and _has_place(dialog))
        )
        yield Person(pilot, stage)


def _has_place(dialog: ModalScreen[Any]) -> bool:
    box = dialog.query("#box")
    return dialog.has_class("-waiting") or (bool(box) and bool(box.first().size.width))
