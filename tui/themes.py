"""Themes from YAML files: Suiron's own in `themes/`, the user's in `<config>/themes/`.

Of two themes with the same name the user's wins. A theme file is foreign: its size, its nesting and every value are
checked, so that none can block the app or break its style sheet.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from pathlib import Path
from typing import Any, cast

from textual.color import Color, ColorParseError
from textual.theme import Theme

from core.base import folders
from core.base.errors import SuironError
from core.base.untrusted_yaml import parse_yaml

FALLBACK = "suiron-dark"
FOLDER = Path(__file__).resolve().parent.parent / "themes"
MAX_BYTES = 64 * 1024
MAX_DEPTH = 3
# the share of the foreground in muted text. Textual's own muted colour is relative: inside a line it becomes plain
# white or black
MUTED = 0.68

COLOURS = (
    "primary",
    "secondary",
    "accent",
    "foreground",
    "background",
    "surface",
    "panel",
    "success",
    "warning",
    "error",
)
PARTS: dict[str, tuple[str, ...]] = {
    "chart": ("line", "second", "axis"),
    "reasoning": ("text", "border", "background"),
    "response": ("text", "border", "background"),
}
# The variables that the style sheets use, so that they parse before any theme is read.
DEFAULTS = {
    "chart-line": "ansi_cyan",
    "chart-second": "ansi_yellow",
    "chart-axis": "ansi_white",
    "reasoning": "ansi_magenta",
    "reasoning-border": "ansi_magenta",
    "reasoning-background": "ansi_default",
    "response": "ansi_default",
    "response-border": "ansi_green",
    "response-background": "ansi_default",
}
# Variables of Textual's own widgets that its colour system omits where a theme uses the terminal's colours.
ANSI_DEFAULTS = {
    "ansi-background": "ansi_default",
    "ansi-foreground": "ansi_default",
    "foreground-disabled": "ansi_default",
    "surface-active": "ansi_default",
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_VARIABLE = re.compile(r"[a-z][a-z0-9-]{0,63}")
_STYLE_WORDS = {"bold", "dim", "italic", "underline", "reverse", "strike", "none", "not", "b", "i", "u"}


class ThemeError(SuironError):
    """A theme file cannot be used; `where` is its path."""


def theme_files() -> dict[str, Path]:
    """Every theme file by the name of its theme, the stem of the file. Lists folders, opens nothing.

    A configuration folder that cannot be created (no permission, full disk) has no themes.
    """
    found_in = [FOLDER]
    with contextlib.suppress(OSError):
        found_in.append(folders.config() / "themes")
    found: dict[str, Path] = {}
    for folder in found_in:
        if folder.is_dir():
            found.update({path.stem: path for path in sorted(folder.glob("*.yaml"))})
    return found


def load_theme(path: Path) -> Theme:
    """The theme in the YAML file `path`. Raises ThemeError that names the file and the bad key."""
    try:
        with open(path, "rb") as file:
            block = file.read(MAX_BYTES + 1)
        if len(block) > MAX_BYTES:
            raise ValueError(f"the file is larger than {MAX_BYTES // 1024} KiB")
        return _theme(_table(parse_yaml(block, MAX_DEPTH), "the file"), path.stem)
    except OSError as error:
        raise ThemeError(
            f"the theme cannot be read ({error.strerror})", str(path), "Check the file's permissions"
        ) from error
    except ValueError as error:
        raise ThemeError(
            f"the theme cannot be used: {error}", str(path), "Fix that key; themes/suiron-dark.yaml explains every key"
        ) from error


def _theme(content: dict[str, Any], stem: str) -> Theme:
    _check_keys(content, ("name", "dark", "colours", "variables", *PARTS), "")
    name = content.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError("name: must be a word of letters, digits, `-`, `_` and `.`")
    if name != stem:
        raise ValueError(f"name: it is {name!r}, but the file is called {stem}.yaml")
    dark = content.get("dark")
    if not isinstance(dark, bool):
        raise ValueError("dark: must be true or false")
    colour_texts = _table(content.get("colours"), "colours")
    _check_keys(colour_texts, COLOURS, "colours.")
    colours = {key: _colour(colour_texts.get(key), f"colours.{key}") for key in COLOURS}
    variables: dict[str, str] = {}
    for part, keys in PARTS.items():
        table = _table(content.get(part), part)
        _check_keys(table, keys, f"{part}.")
        for key in keys:
            variables[part if key == "text" else f"{part}-{key}"] = _colour(table.get(key), f"{part}.{key}")
    for key, value in _table(content.get("variables", {}), "variables").items():
        if not isinstance(key, str) or not _VARIABLE.fullmatch(key):
            raise ValueError(f"variables: {key!r} is not the name of a variable")
        variables[key] = (
            _style(value, f"variables.{key}") if key.endswith("-style") else _colour(value, f"variables.{key}")
        )
    if colours["background"].startswith("ansi_"):
        for key, value in ANSI_DEFAULTS.items():
            variables.setdefault(key, value)
    elif not colours["foreground"].startswith("ansi_"):
        muted = Color.parse(colours["background"]).blend(Color.parse(colours["foreground"]), MUTED)
        variables.setdefault("text-muted", muted.hex6)
    return Theme(
        name=name,
        dark=dark,
        ansi=colours["background"].startswith("ansi_"),
        variables=variables,
        **cast("dict[str, Any]", colours),
    )


def _table(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{key}: must have keys with values")
    return value


def _check_keys(table: dict[str, Any], keys: tuple[str, ...], prefix: str) -> None:
    for key in table:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; the keys are {', '.join(keys)}"
            raise ValueError(f"{prefix}{key}: no such key{hint}")


def _colour(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key}: must be a colour")
    colour, _, percent = value.partition(" ")
    if percent and not re.fullmatch(r"\d{1,3}%", percent):
        raise ValueError(f"{key}: {value!r} is not a colour")
    try:
        Color.parse(colour)
    except ColorParseError as error:
        raise ValueError(f"{key}: {value!r} is not a colour") from error
    if not re.fullmatch(r"#[0-9A-Fa-f]{3,8}|[a-z0-9_]+", colour):
        raise ValueError(f"{key}: write {value!r} as #rrggbb or a colour's name")
    return value


def _style(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value.split() or not set(value.split()) <= _STYLE_WORDS:
        raise ValueError(f"{key}: must be words such as bold, italic, underline, reverse or none")
    return value
