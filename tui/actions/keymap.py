"""The user's own keys: `keys.yaml` in the configuration folder, read and checked against the table of actions.

A bad entry is reported and skipped; the others apply. The file is foreign: its size, its nesting and every key in it
are checked.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.base.untrusted_yaml import parse_yaml
from tui.actions.action import SECTIONS, Action
from tui.actions.all_actions import ACTIONS, builtin_keys
from tui.actions.current_keys import KEYMAP_FILE, Keymap, keymap_file
from tui.actions.key_names import FIELD_KEYS, TERMINAL_KEYS, is_printable, parse_key, shown_key

MAX_BYTES = 64 * 1024
MAX_DEPTH = 2  # a mapping of lists
SUGGESTIONS = 20  # unknown ids for which the nearest one is looked up
ALWAYS_BOUND = ("app.quit", "app.help")


def read_keymap(path: Path | None = None) -> Keymap:
    """The user's keymap; an empty one where there is no file. Never raises for what is in the file."""
    try:
        path = path or keymap_file()
        if not path.exists():
            return Keymap()
        if not path.is_file():
            return Keymap(problems=(f"{KEYMAP_FILE} is not a file. All keys stay as they are.",))
        with path.open("rb") as file:
            block = file.read(MAX_BYTES + 1)
    except OSError as error:
        return Keymap(
            problems=(f"{KEYMAP_FILE} cannot be read ({error.strerror or error}). All keys stay as they are.",)
        )
    if len(block) > MAX_BYTES:
        return Keymap(problems=(f"{KEYMAP_FILE} is larger than {MAX_BYTES // 1024} KiB. All keys stay as they are.",))
    try:
        value = parse_yaml(block, MAX_DEPTH)
    except ValueError as error:
        return Keymap(problems=(f"{KEYMAP_FILE}: {error}. All keys stay as they are.",))
    if value is None:
        return Keymap()
    if not isinstance(value, dict):
        return Keymap(problems=(f"{KEYMAP_FILE} must map action ids to keys. All keys stay as they are.",))
    return check_keymap(value)


def check_keymap(entries: Mapping[Any, Any]) -> Keymap:
    """The entries that can be used together. entries: by action id a key, or a list of keys."""
    actions = {action.id: action for action in ACTIONS}
    keys: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for id, value in entries.items():
        if id not in actions:
            # a comparison takes a millisecond, and a file may have ten thousand wrong ids
            nearest = difflib.get_close_matches(str(id)[:80], actions, 1, 0.5) if len(problems) < SUGGESTIONS else []
            hint = f"; did you mean {nearest[0]}?" if nearest else "."
            problems.append(f"{str(id)[:80]!r} is not an action{hint}")
            continue
        try:
            keys[id] = _parse_entry(actions[id], value)
        except ValueError as error:
            problems.append(f"{id}: {error}.")
    problems += _drop_clashes(keys)
    for id in keys:
        problems += _warnings(actions[id], keys[id])
    return Keymap(keys, tuple(problems))


def _parse_entry(action: Action, value: Any) -> tuple[str, ...]:
    """Raises ValueError that says what is wrong."""
    texts = value if isinstance(value, list) else [value]
    keys: list[str] = []
    for text in texts:
        if isinstance(text, bool) or not isinstance(text, str | int):
            raise ValueError(f"{str(text)[:40]!r} is not a key; put keys in quotes, [] for none")
        try:
            key = parse_key(str(text))
        except ValueError as error:
            raise ValueError(f"{str(text)[:40]!r} is not a key") from error
        if key not in keys:
            keys.append(key)
    if not keys and action.id in ALWAYS_BOUND:
        raise ValueError("it needs a key; the built-in one stays")
    return tuple(keys)


def _drop_clashes(keys: dict[str, tuple[str, ...]]) -> list[str]:
    """Remove from `keys` the entries whose key has another meaning at the same time, the last ones first."""
    neighbours = _neighbours()
    builtin = {action.id: builtin_keys(action) for action in ACTIONS}
    problems: list[str] = []
    settled = False
    while not settled:
        settled = True
        in_force = {**builtin, **keys}
        for id in reversed(keys):
            clash = _first_clash(id, neighbours[id], in_force, builtin)
            if clash is not None:
                key, other = clash
                problems.append(f"{id}: {shown_key(key)} is already the key of {other}.")
                del keys[id]
                settled = False  # the built-in keys of this action may clash with another entry
                break
    return problems


def _first_clash(
    id: str, neighbours: list[str], in_force: Mapping[str, tuple[str, ...]], builtin: Mapping[str, tuple[str, ...]]
) -> tuple[str, str] | None:
    """A key of the action that a neighbour has too, and that neighbour; None where the built-in keys are shared."""
    for other in neighbours:
        for key in in_force[id]:
            is_builtin = key in builtin[id] and key in builtin[other]
            if key in in_force[other] and not is_builtin:
                return key, other
    return None


def _neighbours() -> dict[str, list[str]]:
    """By action id: the actions whose keys work at the same time."""
    found: dict[str, dict[str, None]] = {action.id: {} for action in ACTIONS}
    for scope, section in SECTIONS.items():
        group = [
            action.id
            for action in ACTIONS
            if action.scope in (scope, *section.together) or action.id in section.together
        ]
        for id in group:
            found[id].update(dict.fromkeys(other for other in group if other != id))
    return {id: list(others) for id, others in found.items()}


def _warnings(action: Action, keys: tuple[str, ...]) -> list[str]:
    """What may surprise the user about the keys of a valid entry."""
    words: list[str] = []
    for key in keys:
        if key in builtin_keys(action):
            continue
        if key in TERMINAL_KEYS:
            words.append(f"{action.id}: many terminals reserve {shown_key(key)}.")
        elif (action.everywhere or action.priority) and is_printable(key) and not action.in_number_fields:
            words.append(f"{action.id}: while a text field has the focus, {shown_key(key)} types a character.")
        elif (action.everywhere or action.priority) and key in FIELD_KEYS:
            words.append(f"{action.id}: text fields lose their own use of {shown_key(key)}.")
    return words
