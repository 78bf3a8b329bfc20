"""The table of keys: nothing on a key that others swallow, nothing twice, nothing that leads nowhere."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from rich.cells import cell_len

from tui.actions import ACTIONS, ROOMS, Action, Scope, bindings, key_words
from tui.app import SuironApp
from tui.chat.screen import ChatScreen
from tui.data.screen import DataScreen
from tui.prompts.screen import PromptsScreen
from tui.train.screen import TrainScreen

OWNERS: dict[Scope, type[Any]] = {
    "app": SuironApp,
    "data": DataScreen,
    "train": TrainScreen,
    "chat": ChatScreen,
    "prompts": PromptsScreen,
}
SWALLOWED = (
    {
        f"ctrl+{letter}" for letter in "abhijmqsz"
    }  # prefixes of screen and tmux, other keys' codes, flow control, suspend
    | {
        "ctrl+backslash",
        "ctrl+left_square_bracket",
        "ctrl+tab",
        "ctrl+pageup",
        "ctrl+pagedown",
        "shift+pageup",
        "shift+pagedown",
    }
    | {"f10", "f11", "f12"}
    | {f"alt+{digit}" for digit in range(10)}
)


def keys(action: Action) -> set[str]:
    return {key for group in (action.keys, action.plain) for key in group.split(",") if key}


def test_no_key_is_one_that_terminals_keep() -> None:
    assert not [(action.id, keys(action) & SWALLOWED) for action in ACTIONS if keys(action) & SWALLOWED]


@pytest.mark.parametrize("scope", [scope for scope in ROOMS if scope != "app"])
def test_no_key_means_two_things_in_a_room(scope: Scope) -> None:
    together = [action for action in ACTIONS if action.scope in (scope, "app")]
    assert not [(one.id, other.id) for one, other in combinations(together, 2) if keys(one) & keys(other)]


def test_ids_are_unique() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_can_be_run(action: Action) -> None:
    name = action.run.removeprefix("app.").partition("(")[0]
    owner = SuironApp if action.run.startswith("app.") else OWNERS[action.scope]
    assert callable(getattr(owner, f"action_{name}", None))


@pytest.mark.parametrize("scope", OWNERS)
def test_a_room_binds_exactly_what_the_table_says(scope: Scope) -> None:
    assert [binding.id for binding in OWNERS[scope].BINDINGS] == [binding.id for binding in bindings(scope)]


@pytest.mark.parametrize(
    "action", [action for action in ACTIONS if action.scope == "app"], ids=lambda action: action.id
)
def test_function_keys_of_the_app_have_a_second_way(action: Action) -> None:
    """Some terminals keep F1, F5 or Ctrl+P: a plain key does the same outside text fields."""
    assert action.plain or action.id in (
        "app.copy",
        "app.quit",
        "app.leave",
    )  # F9's second way is an action of its own: q


NEEDED = {"data": 7, "train": 4, "chat": 5}  # of a room's own keys; wider terminals have room for more


@pytest.mark.parametrize("scope", NEEDED)
def test_the_keys_needed_most_fit_into_80_columns(scope: Scope) -> None:
    own = [action for action in ACTIONS if action.scope == scope and action.footer][: NEEDED[scope]]
    shown = own + [action for action in ACTIONS if action.scope == "app" and action.footer]
    assert sum(cell_len(key_words(action)[0]) + cell_len(action.words) + 2 for action in shown) <= 80
