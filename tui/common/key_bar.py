"""The line at the bottom: as many keys of the room in front as fit, from the table of actions."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len
from textual.content import Content
from textual.screen import Screen
from textual.style import Style
from textual.widget import Widget

from tui.actions import ACTIONS, Action, Scope, key_words


class KeyBar(Widget):
    """One line; a click on a key runs it. Where it is too narrow, the last of the room's own keys are left out: help
    and palette always fit."""

    DEFAULT_CSS = """
    KeyBar {
        dock: bottom; height: 1; width: 1fr; background: $panel; color: $foreground; text-wrap: nowrap;
        link-style: none; link-color: $foreground; link-background: $panel; link-style-hover: reverse;
    }
    """
    ALLOW_SELECT = False

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope
        self._states: list[bool | None] = []
        self._dim: frozenset[str] = frozenset()

    def dim(self, actions: frozenset[str]) -> None:
        """Dim the keys that run these actions: for now they only say why they do nothing."""
        if actions != self._dim:
            self._dim = actions
            self.refresh()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._bindings_changed)

    def _bindings_changed(self, screen: Screen[Any]) -> None:
        """Textual sends this at every change of focus. The line is drawn again only if an action has become possible or
        impossible."""
        if screen is self.screen and self._states != [self._state(action) for action in self._own()]:
            self.refresh()

    def _own(self) -> list[Action]:
        return _footer_actions(self._scope)

    def render(self) -> Content:
        width = self.size.width
        common = _footer_actions("app")
        own = self._own()
        self._states = [self._state(action) for action in own]
        own = [action for action, state in zip(own, self._states, strict=True) if state is not False]
        while own and sum(_width(action) for action in own + common) > width:
            own.pop()
        return Content("").join(
            [*(_part(action, bool(self._state(action))) for action in own), *(_part(action, True) for action in common)]
        )

    def _state(self, action: Action) -> bool | None:
        name, _, rest = action.run.removeprefix("app.").partition("(")
        node = self.app if action.run.startswith("app.") else self.screen
        state = node.check_action(name, (rest.rstrip(")").strip("'\""),) if rest else ())
        return None if state and action.run in self._dim else state


def _footer_actions(scope: Scope) -> list[Action]:
    """Those with a key: what the user has unbound is not shown."""
    return [action for action in ACTIONS if action.scope == scope and action.footer and key_words(action)]


def _width(action: Action) -> int:
    return cell_len(key_words(action)[0]) + 1 + cell_len(action.label) + 1


def _part(action: Action, enabled: bool) -> Content:
    run = action.run if action.run.startswith("app.") else f"screen.{action.run}"
    click = Style.from_meta({"@click": run}) if enabled else Style()
    key = Content.styled(key_words(action)[0], "bold $footer-key-foreground" if enabled else "dim")
    words = Content.styled(f" {action.label} ", "$foreground" if enabled else "dim")
    return Content("").join([key, words]).stylize(click)
