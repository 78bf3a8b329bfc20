"""Reads, checks and writes the YAML file of a template.

A template file is foreign: its size, its nesting and every key are checked, and errors name the file and the key. Knows
one file; `by_name` finds files.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from core.base.errors import UsageError
from core.base.languages import language_code
from core.base.untrusted_yaml import parse_yaml
from core.splitter.splitter import Markers
from core.templates.template import (
    DEFAULT_VERSION,
    PLACEHOLDERS,
    ChatTemplateSettings,
    Template,
    TemplateVersion,
)

BUILT_IN_FOLDER = Path(__file__).with_name("builtin")
MAX_BYTES = 256 * 1024  # of a file
MAX_DEPTH = 6  # of nested keys
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEYS = ("name", "words", "drop_empty_input", "versions", "chat")
_VERSION_KEYS = ("text", "input_block", "markers")
_MARKER_KEYS = ("reasoning", "response", "runaway", "line_start")

T = TypeVar("T")


class TemplateError(UsageError):
    """A template file cannot be used; `where` is its path."""


def load_template(path: Path) -> Template:
    """The template in the YAML file `path`. Raises TemplateError with the file and the wrong key."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TemplateError(
            f"the template cannot be read ({error.strerror})", str(path), "Check the file and its permissions"
        ) from error
    return parse_template(content, str(path))


def parse_template(content: bytes | str, where: str) -> Template:
    """The template in a file's content. Raises TemplateError with `where` and the wrong key."""
    try:
        content = content.encode() if isinstance(content, str) else content
        if len(content) > MAX_BYTES:
            raise _FaultyKey(f"it is larger than {MAX_BYTES // 1024} KiB")
        return _template(_mapping(parse_yaml(content, MAX_DEPTH), "the file"))
    except UnicodeEncodeError as error:
        raise TemplateError(
            "the template cannot be used: it contains half of a surrogate pair", where, "Remove that character"
        ) from error
    except ValueError as error:
        do = getattr(error, "do", "") or f"Fix that key; {BUILT_IN_FOLDER / 'alpaca.yaml'} is a complete example"
        raise TemplateError(f"the template cannot be used: {error}", where, do) from error


def dump_template(template: Template) -> str:
    """The template as a file's content; reading it returns the same template."""
    import yaml

    class Dumper(yaml.CSafeDumper):  # type: ignore[misc]
        """Writes texts of several lines as blocks."""

    def represent_text(dumper: Any, text: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    Dumper.add_representer(str, represent_text)
    content: dict[str, Any] = {
        "name": template.name,
        "words": template.words,
        "drop_empty_input": template.drop_empty_input,
    }
    if template.chat is not None:
        content["chat"] = msgspec.to_builtins(template.chat)
    else:
        content["versions"] = {language: _version_content(version) for language, version in template.versions.items()}
    text: str = yaml.dump(content, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=10_000)
    return text


def _version_content(version: TemplateVersion) -> dict[str, Any]:
    markers: dict[str, Any] = {key: list(getattr(version.markers, key)) for key in ("reasoning", "response", "runaway")}
    markers["line_start"] = version.markers.line_start
    return {"text": version.text, "input_block": version.input_block, "markers": markers}


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """ " (did you mean NAME?)" for the name closest to `word`; empty where none is close."""
    close = difflib.get_close_matches(word, list(names), 1)
    return f" (did you mean {close[0]}?)" if close else ""


class _FaultyKey(ValueError):
    """A fault of a key in the file. do: what the user can do."""

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what)
        self.do = do


def _template(content: Mapping[str, Any]) -> Template:
    _check_keys(content, _KEYS, "")
    name = _text(content.get("name"), "name")
    if not _NAME.fullmatch(name):
        raise _FaultyKey("name: must be one word of letters, digits, `-`, `_` and `.`")
    words = _text(content.get("words", ""), "words")
    if "\n" in words.strip():
        raise _FaultyKey("words: must be one line")
    drop = _boolean(content.get("drop_empty_input", False), "drop_empty_input")
    chat = _chat_settings(content["chat"]) if "chat" in content else None
    versions: dict[str, TemplateVersion] = {}
    for language, value in _mapping(content["versions"], "versions").items() if "versions" in content else ():
        key = f"versions.{language}"
        code = language if language == DEFAULT_VERSION else language_code(language)
        if code in versions:
            raise _FaultyKey(f"{key}: there already is a version for this language")
        versions[code] = _version(_mapping(value, key), key)
    return _make_for_key(lambda: Template(name, versions, words.strip(), drop, chat), "")


def _version(content: Mapping[str, Any], key: str) -> TemplateVersion:
    _check_keys(content, _VERSION_KEYS, key)
    markers = _mapping(content.get("markers"), f"{key}.markers")
    _check_keys(markers, _MARKER_KEYS, f"{key}.markers")
    reasoning = _spellings(markers.get("reasoning"), f"{key}.markers.reasoning")
    response = _spellings(markers.get("response"), f"{key}.markers.response")
    runaway = _spellings(markers.get("runaway", []), f"{key}.markers.runaway", least=0)
    line_start = _boolean(markers.get("line_start", True), f"{key}.markers.line_start")
    text = _text(content.get("text"), f"{key}.text")
    input_block = _text(content.get("input_block"), f"{key}.input_block")
    for word in re.findall(r"\{(\w{4,20})\}", text):
        close = difflib.get_close_matches(word, PLACEHOLDERS, 1, 0.8)
        if close and word not in PLACEHOLDERS:
            raise _FaultyKey(f"{key}.text: {{{word}}} is not a placeholder (did you mean {{{close[0]}}}?)")
    checked_markers = _make_for_key(lambda: Markers(reasoning, response, runaway, line_start), f"{key}.markers")
    return _make_for_key(lambda: TemplateVersion(text, input_block, checked_markers), key)


def _chat_settings(value: Any) -> ChatTemplateSettings:
    content = _mapping(value, "chat")
    _check_keys(content, ("reasoning",), "chat")
    choices = ("auto", "field", "think", "none")
    reasoning = content.get("reasoning", "auto")
    if reasoning not in choices:
        close = did_you_mean(str(reasoning), choices)
        raise _FaultyKey(f"chat.reasoning: {reasoning!r} is none of {', '.join(choices)}{close}")
    return ChatTemplateSettings(reasoning)


def _make_for_key(make: Callable[[], T], key: str) -> T:
    """The result of `make`; its UsageError becomes one with the key."""
    try:
        return make()
    except UsageError as error:
        where = f"{key}.{error.where}" if key and error.where in _VERSION_KEYS else key or error.where
        raise _FaultyKey(f"{where}: {error.what}", error.do) from error


def _check_keys(content: Mapping[str, Any], known: Sequence[str], inside: str) -> None:
    for key in content:
        if key not in known:
            name = f"{inside}.{key}" if inside else key
            raise _FaultyKey(
                f"{name}: there is no such key{did_you_mean(key, known)}", f"The keys are {', '.join(known)}"
            )


def _mapping(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise _FaultyKey(f"{key}: must have keys with values")
    for name in value:
        if not isinstance(name, str):  # YAML reads `no:`, the code of Norwegian, as false
            raise _FaultyKey(f"{key}: the key {name!r} is not text; put it in quotes")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or (not value and key != "words"):
        raise _FaultyKey(f"{key}: must be text")
    return value


def _boolean(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise _FaultyKey(f"{key}: must be true or false")
    return value


def _spellings(value: Any, key: str, least: int = 1) -> tuple[str, ...]:
    spellings = [value] if isinstance(value, str) else value
    is_texts = isinstance(spellings, list) and all(isinstance(spelling, str) for spelling in spellings)
    if not is_texts or len(spellings) < least:
        raise _FaultyKey(f"{key}: must be a list of texts")
    return tuple(spellings)
