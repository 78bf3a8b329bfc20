"""The keys in force: the built-in ones, with the user's keymap over them.

Makes Textual's bindings and the names of keys in messages. Textual takes the bindings of a class when the class is
made, so the keymap is set before the app is imported.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from textual.binding import Binding, BindingType

from core.base import folders
from tui.actions.action import ROOMS, SECTIONS, Action, Scope
from tui.actions.all_actions import ACTIONS, builtin_keys
from tui.actions.key_names import FIELD_KEYS, is_printable, shown_key, spoken_key

KEYMAP_FILE = "keys.yaml"


class Keymap(msgspec.Struct, frozen=True):
    """The valid entries of a keys.yaml, and what is wrong with the others."""

    keys: dict[str, tuple[str, ...]] = {}
    """By action id: Textual's names of its keys, the one to show first. Empty: the action has no key."""
    problems: tuple[str, ...] = ()
    """One sentence each, for the user. They quote foreign text."""


def keymap_file() -> Path:
    return folders.config() / KEYMAP_FILE


def user_keymap_exists() -> bool:
    """Whether there is a keys.yaml, or perhaps one that cannot be seen: `keymap.read_keymap` then says why."""
    try:
        return keymap_file().exists()
    except OSError:
        return True


_BY_ID = {action.id: action for action in ACTIONS}
_keymap = Keymap()
_bound = False  # whether bindings have been made


def use_keymap(keymap: Keymap) -> None:
    """Put the user's keymap in force, for the whole process."""
    global _keymap
    if _bound:
        raise RuntimeError("set the keymap before a class with bindings is imported")
    _keymap = keymap


def keymap_in_force() -> Keymap:
    return _keymap


def keys_in_force(action: Action) -> tuple[str, ...]:
    """Textual's names of the action's keys, the one to show first; empty where the user has unbound it."""
    return _keymap.keys.get(action.id, builtin_keys(action))


def key_bindings(*names: str) -> list[BindingType]:
    """The Textual bindings of scopes, or of single actions by their id."""
    global _bound
    _bound = True
    return [
        Binding(
            key,
            action.run,
            action.label,
            show=False,
            priority=_has_priority(action, key),
            id=action.id,
            tooltip=action.help,
        )
        for action in ACTIONS
        if action.scope in names or action.id in names
        for key in keys_in_force(action)
    ]


def _has_priority(action: Action, key: str) -> bool:
    """Whether the key is handled before the focused widget sees it.

    A key with priority overtakes what was typed just before it and still waits in the focused field (F5 would ask half
    a question), so only those keys have it that a text field would take for itself; all others come in their turn.
    """
    if is_printable(key):
        return action.in_number_fields and key not in action.plain.split(",")
    return action.priority or (action.everywhere and key in FIELD_KEYS)


def key_words(action: Action) -> list[str]:
    """The action's keys as footer, help and palette show them, the one to show first; empty where it has none."""
    return [shown_key(key) for key in keys_in_force(action)]


def key_of(id: str) -> str:
    """The name of an action's key for a message. Without a key: how to run the action from the palette."""
    action = _action(id)
    keys = keys_in_force(action)
    if keys:
        return spoken_key(keys[0])
    in_palette = action.scope in (*ROOMS, "app") and id != "app.palette"
    return f"{key_of('app.palette')} {action.label}" if in_palette else f"“{action.label}”"


def _action(id: str) -> Action:
    try:
        return _BY_ID[id]
    except KeyError:
        raise KeyError(f"no action has the id {id}") from None


def key_hints(*hints: tuple[str, ...] | str) -> str:
    """A line of keys and what they do: `←→ pages · Esc closes`.

    hints: what the keys do, then the ids of the actions; or a finished text, for keys that Textual handles. Actions
    without a key are left out.
    """
    parts: list[str] = []
    for hint in hints:
        if isinstance(hint, str):
            parts.append(hint)
            continue
        words, *ids = hint
        actions = [_action(id) for id in ids]
        keys = [spoken_key(keys_in_force(action)[0]) for action in actions if keys_in_force(action)]
        if keys:
            separator = "/" if any(len(key) > 1 for key in keys) else ""
            parts.append(f"{separator.join(keys)} {words}")
    return " · ".join(parts)


def room_name(scope: Scope) -> str:
    return SECTIONS[scope].name
