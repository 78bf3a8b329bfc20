"""The table of actions: nothing on a key that others swallow, nothing twice, nothing that leads nowhere; and every
binding and every sentence takes its keys from it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest
from rich.cells import cell_len
from textual.app import App
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Input, TextArea

import tui
from tools.key_table import PAGE, key_page
from tui.actions import ACTIONS, ANSWERS, MEANINGS, ROOMS, SECTIONS, Action, Scope, key_bindings, key_words
from tui.actions.all_actions import builtin_keys
from tui.actions.key_names import FIELD_KEYS, TERMINAL_KEYS, parse_key
from tui.app import SuironApp
from tui.chat.screen import ChatScreen
from tui.data.screen import DataScreen
from tui.prompts.screen import PromptsScreen
from tui.runs.screen import RunsScreen
from tui.train.screen import TrainScreen

OWNERS: dict[Scope, type[Any]] = {
    "app": SuironApp,
    "data": DataScreen,
    "train": TrainScreen,
    "runs": RunsScreen,
    "chat": ChatScreen,
    "prompts": PromptsScreen,
}
MODULES = [
    module.name for module in pkgutil.walk_packages(tui.__path__, "tui.") if not module.name.endswith("__main__")
]
BY_ID = {action.id: action for action in ACTIONS}


def widget_classes() -> Iterator[type[Any]]:
    """Every app, screen and widget that is defined in the terminal."""
    for name in MODULES:
        for _, member in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(member, App | Widget) and member.__module__ == name:
                yield member


def test_no_key_is_one_that_terminals_keep() -> None:
    kept = {action.id: TERMINAL_KEYS.intersection(builtin_keys(action)) for action in ACTIONS}
    assert not {id: keys for id, keys in kept.items() if keys}


@pytest.mark.parametrize("scope", ROOMS)
def test_no_key_means_two_things_in_a_room(scope: Scope) -> None:
    together = [action for action in ACTIONS if action.scope in (scope, "app")]
    assert not [
        (one.id, other.id)
        for one, other in combinations(together, 2)
        if set(builtin_keys(one)) & set(builtin_keys(other))
    ]


@pytest.mark.parametrize("scope", SECTIONS)
def test_no_key_means_two_things_in_a_section(scope: Scope) -> None:
    keys = [key for action in ACTIONS if action.scope == scope for key in builtin_keys(action)]
    assert keys and len(keys) == len(set(keys))


def is_letter(key: str) -> bool:
    return len(key) == 1 and key.isalpha()


def test_a_letter_means_the_same_in_every_room_and_dialog() -> None:
    meanings: dict[str, set[str]] = {}
    for action in ACTIONS:
        for letter in filter(is_letter, builtin_keys(action)):
            if action.meaning not in ANSWERS:  # a question on the screen says what its letters mean
                meanings.setdefault(letter, set()).add(action.meaning)
    assert meanings and not {letter: sorted(found) for letter, found in meanings.items() if len(found) > 1}


def test_only_questions_answer_with_letters_of_rooms() -> None:
    answers = {
        letter for action in ACTIONS if action.meaning in ANSWERS for letter in filter(is_letter, builtin_keys(action))
    }
    assert answers == {"y", "n"}
    assert not [action.id for action in ACTIONS if action.meaning in ANSWERS and action.scope in (*ROOMS, "app")]


def test_every_shared_meaning_is_described_and_shared() -> None:
    shared = [action.shared for action in ACTIONS if action.shared]
    assert set(shared) == set(MEANINGS)
    assert not [meaning for meaning in MEANINGS if shared.count(meaning) < 2]


def test_ids_are_unique_and_every_scope_has_a_section() -> None:
    assert len(BY_ID) == len(ACTIONS)
    assert {action.scope for action in ACTIONS} == set(SECTIONS) == set(get_args(Scope))
    names = {name for section in SECTIONS.values() for name in section.together}
    assert names <= {*SECTIONS, *BY_ID}


def test_every_builtin_key_is_a_textual_name() -> None:
    assert not [(action.id, key) for action in ACTIONS for key in builtin_keys(action) if parse_key(key) != key]


def test_the_keys_of_text_fields_are_textuals() -> None:
    own = {binding.key for field in (Input, TextArea) for binding in Binding.make_bindings(field.BINDINGS)}
    assert own <= FIELD_KEYS


@pytest.mark.parametrize(
    "action", [action for action in ACTIONS if action.scope in OWNERS], ids=lambda action: action.id
)
def test_every_action_can_be_run(action: Action) -> None:
    name = action.run.removeprefix("app.").partition("(")[0]
    owner = SuironApp if action.run.startswith("app.") else OWNERS[action.scope]
    assert callable(getattr(owner, f"action_{name}", None))


@pytest.mark.parametrize("scope", OWNERS)
def test_a_room_binds_exactly_what_the_table_says(scope: Scope) -> None:
    assert key_bindings(scope) == OWNERS[scope].BINDINGS


def test_every_binding_comes_from_the_table_and_can_be_run() -> None:
    bound: set[str] = set()
    for owner in widget_classes():
        for binding in owner.__dict__.get("BINDINGS", ()):
            action = BY_ID[binding.id]
            assert (binding.action, binding.description, binding.tooltip) == (action.run, action.label, action.help)
            assert binding.key in builtin_keys(action)
            name = action.run.removeprefix("app.").partition("(")[0]
            runner = SuironApp if action.run.startswith("app.") else owner
            assert callable(getattr(runner, f"action_{name}", None)), (owner, action.id)
            bound.add(action.id)
    assert bound == set(BY_ID)


def test_nothing_outside_the_table_makes_a_binding() -> None:
    makers = [name for name in MODULES if getattr(importlib.import_module(name), "Binding", None) is Binding]
    assert makers == ["tui.actions.current_keys"]


def test_sentences_ask_for_keys_of_actions_that_exist() -> None:
    asked: set[str] = set()
    for path in Path(tui.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                texts = [leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant)]
                if node.func.id == "key_of" and len(texts) == 1:
                    asked.update(texts)
    assert asked and asked <= set(BY_ID)


@pytest.mark.parametrize(
    "action", [action for action in ACTIONS if action.scope == "app"], ids=lambda action: action.id
)
def test_function_keys_of_the_app_have_a_second_way(action: Action) -> None:
    """Some terminals keep F1, F5 or Ctrl+P: a plain key does the same outside text fields."""
    assert action.plain or action.id in (
        "app.copy",
        "app.quit",
        "app.leave",
    )  # the second way to quit is an action of its own


NEEDED = {"data": 7, "train": 4, "runs": 5, "chat": 5}  # of a room's own keys; wider terminals have room for more


@pytest.mark.parametrize("scope", NEEDED)
def test_the_keys_needed_most_fit_into_80_columns(scope: Scope) -> None:
    own = [action for action in ACTIONS if action.scope == scope and action.footer][: NEEDED[scope]]
    shown = own + [action for action in ACTIONS if action.scope == "app" and action.footer]
    assert sum(cell_len(key_words(action)[0]) + cell_len(action.label) + 2 for action in shown) <= 80


def test_the_page_of_keys_is_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == key_page()
