"""The names of a key: Textual's own, what users write in keys.yaml, and what the screen shows."""

from __future__ import annotations

import unicodedata

from textual.keys import KEY_NAME_REPLACEMENTS, REPLACED_KEYS, key_to_character

_SYMBOLS = {
    "enter": "⏎",
    "escape": "Esc",
    "space": "Space",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "tab": "Tab",
    "delete": "Del",
    "insert": "Ins",
    "backspace": "Backspace",
}
_SPELLINGS = {
    "esc": "escape",
    "return": "enter",
    "pgup": "pageup",
    "page_up": "pageup",
    "pgdn": "pagedown",
    "pgdown": "pagedown",
    "page_down": "pagedown",
    "del": "delete",
    "ins": "insert",
    **{symbol.casefold(): key for key, symbol in _SYMBOLS.items()},
}
_NAMED = {*_SYMBOLS, *(f"f{number}" for number in range(1, 25))}
_MODIFIERS = {"ctrl": "ctrl", "control": "ctrl", "shift": "shift", "alt": "alt", "meta": "alt", "option": "alt"}
_ORDER = ("alt", "ctrl", "shift")  # of the modifiers in Textual's names

TERMINAL_KEYS = frozenset(
    (
        *(f"ctrl+{letter}" for letter in "abhijmqsz"),
        "ctrl+backslash",
        "ctrl+left_square_bracket",
        "ctrl+tab",
        "ctrl+pageup",
        "ctrl+pagedown",
        "shift+pageup",
        "shift+pagedown",
        "f10",
        "f11",
        "f12",
        *(f"alt+{digit}" for digit in range(10)),
    )
)
"""Keys that tmux, screen or common terminals reserve: prefixes, flow control, other keys' codes, tabs."""

FIELD_KEYS = frozenset(
    (
        *("up", "down", "left", "right", "home", "end", "pageup", "pagedown", "enter", "escape"),
        *("backspace", "delete", "ctrl+backspace", "alt+backspace", "alt+delete", "super+backspace"),
        *(f"shift+{key}" for key in ("up", "down", "left", "right", "home", "end")),
        *("ctrl+left", "ctrl+right", "ctrl+shift+left", "ctrl+shift+right", "ctrl+shift+a", "ctrl+shift+k"),
        *(f"ctrl+{letter}" for letter in "acdekuvwxyz"),
        *(f"super+{letter}" for letter in "cxyz"),
        *("f6", "f7"),
    )
)
"""Keys that Textual's text fields handle themselves, besides those that type a character."""


def parse_key(text: str) -> str:
    """Textual's name for a key as a user writes it: `ctrl+t` or `^t`, `F5`, `/`, `PgUp`, `⇧Tab`. Raises ValueError."""
    words = text.strip()
    if len(words) > 1:
        words = words.replace("⇧", "shift+")
        if words.startswith("^"):
            words = "ctrl+" + words[1:]
    if words.endswith("++"):  # `ctrl++`
        modifiers, key = words[:-2].split("+"), "+"
    else:
        *modifiers, key = words.split("+") if words != "+" else [words]
    known = {_MODIFIERS.get(modifier.strip().casefold(), "") for modifier in modifiers}
    name = _key_name(key.strip())
    if not name or "" in known:
        raise ValueError("no such key")
    if known & {"ctrl", "alt"} and len(name) == 1:
        name = name.casefold()  # terminals do not tell ctrl+T from ctrl+t
    if known == {"shift"} and len(name) == 1 and name.isalpha():
        return name.upper()
    return "+".join([*(modifier for modifier in _ORDER if modifier in known), name])


def _key_name(key: str) -> str:
    """Textual's name for a key without modifiers; empty where there is no such key."""
    if len(key) == 1 and key.casefold() not in _SPELLINGS:
        return _character_name(key)
    name = key.casefold()
    name = _SPELLINGS.get(name, name)
    if name in _NAMED:
        return name
    return name if len(name) > 1 and is_printable(name) else ""


def _character_name(character: str) -> str:
    if character.isalnum():
        return character
    try:
        name = unicodedata.name(character).casefold().replace("-", "_").replace(" ", "_")
    except ValueError:  # a control character
        return ""
    return KEY_NAME_REPLACEMENTS.get(name, name)


def is_printable(key: str) -> bool:
    """Whether the key types a character into a text field. key: Textual's name."""
    character = _character_of(key)
    return character is not None and character.isprintable()


def _character_of(key: str) -> str | None:
    return " " if key == "space" else key_to_character(REPLACED_KEYS.get(key, key))


def shown_key(key: str) -> str:
    """How the footer, the help and the palette show a key. key: Textual's name."""
    *modifiers, name = key.split("+")
    if name in _SYMBOLS:
        shown = _SYMBOLS[name]
    elif len(name) > 1 and name[0] == "f" and name[1:].isdigit():
        shown = name.upper()
    else:
        shown = _character_of(name) or name
    return "".join({"ctrl": "^", "shift": "⇧", "alt": "Alt+"}.get(word, f"{word}+") for word in modifiers) + shown


def spoken_key(key: str) -> str:
    """How a sentence names a key. key: Textual's name."""
    return "Enter" if key == "enter" else shown_key(key)
