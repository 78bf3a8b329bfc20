"""Templates from YAML files: Suiron's own, the user's in `<config>/templates/`, and those that lie beside a data set.

A template file is foreign: its size, its nesting and every key are checked, errors name the file and the key, and a bad
one costs no other. A file that takes the name of a built-in template is refused, so that a name in a run's
specification means one text; of the rest, the one beside the data wins.
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
from core.base.untrusted_yaml import parse
from core.splitter.splitter import Markers
from core.templates.template import DEFAULT, SLOTS, ChatForm, Template, Version

BUILT_IN = Path(__file__).with_name("builtin")
MAX_BYTES = 256 * 1024
MAX_DEPTH = 6
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEYS = ("name", "words", "drop_empty_input", "versions", "chat")
_VERSION_KEYS = ("text", "input_block", "markers")
_MARKER_KEYS = ("reasoning", "response", "runaway", "line_start")

Made = TypeVar("Made")


class TemplateError(UsageError):
    """A template file cannot be used; `where` is its path."""


def load_template(path: Path) -> Template:
    """The template in the YAML file `path`. Raises TemplateError naming the file and the key that is wrong."""
    try:
        with open(path, "rb") as file:
            block = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TemplateError(
            f"the template cannot be read ({error.strerror})", str(path), "Check the file and who may read it"
        ) from error
    return parse_template(block, str(path))


def parse_template(block: bytes | str, where: str) -> Template:
    """The template that a file's content says, for an editor as well. Raises TemplateError with `where` and the key
    that is wrong."""
    try:
        block = block.encode() if isinstance(block, str) else block
        if len(block) > MAX_BYTES:
            raise _Wrong(f"it is larger than {MAX_BYTES // 1024} KiB")
        return _template(_table(parse(block, MAX_DEPTH), "the file"))
    except UnicodeEncodeError as error:
        raise TemplateError(
            "the template cannot be used: it holds half of a surrogate pair", where, "Take that character out"
        ) from error
    except ValueError as error:
        do = getattr(error, "do", "") or f"Mend that key; {BUILT_IN / 'alpaca.yaml'} is a whole one"
        raise TemplateError(f"the template cannot be used: {error}", where, do) from error


def dump_template(template: Template) -> str:
    """The template as a file's content; read again it is the same template."""
    import yaml

    class Dumper(yaml.CSafeDumper):  # type: ignore[misc]
        """Texts of several lines as blocks, as a person writes them."""

    Dumper.add_representer(
        str,
        lambda dumper, text: dumper.represent_scalar(
            "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
        ),
    )
    content: dict[str, Any] = {
        "name": template.name,
        "words": template.words,
        "drop_empty_input": template.drop_empty_input,
    }
    if template.chat is not None:
        content["chat"] = msgspec.to_builtins(template.chat)
    else:
        content["versions"] = {
            language: {
                "text": version.text,
                "input_block": version.input_block,
                "markers": {
                    **{key: list(getattr(version.markers, key)) for key in _MARKER_KEYS[:3]},
                    "line_start": version.markers.line_start,
                },
            }
            for language, version in template.versions.items()
        }
    text: str = yaml.dump(content, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=10_000)
    return text


class _Wrong(ValueError):
    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what)
        self.do = do


def _template(content: Mapping[str, Any]) -> Template:
    _known(content, _KEYS, "")
    name = _text(content.get("name"), "name")
    if not _NAME.fullmatch(name):
        raise _Wrong("name: a word of letters, digits, `-`, `_` and `.` is needed")
    words = _text(content.get("words", ""), "words")
    if "\n" in words.strip():
        raise _Wrong("words: one line is needed")
    drop = _flag(content.get("drop_empty_input", False), "drop_empty_input")
    chat = _chat(content["chat"]) if "chat" in content else None
    versions: dict[str, Version] = {}
    for language, value in _table(content["versions"], "versions").items() if "versions" in content else ():
        key = f"versions.{language}"
        code = language if language == DEFAULT else language_code(language)
        if code in versions:
            raise _Wrong(f"{key}: there is a version for this language already")
        versions[code] = _version(_table(value, key), key)
    return _made(lambda: Template(name, versions, words.strip(), drop, chat), "")


def _version(content: Mapping[str, Any], key: str) -> Version:
    _known(content, _VERSION_KEYS, key)
    markers = _table(content.get("markers"), f"{key}.markers")
    _known(markers, _MARKER_KEYS, f"{key}.markers")
    reasoning, response = (_marks(markers.get(name), f"{key}.markers.{name}") for name in ("reasoning", "response"))
    runaway = _marks(markers.get("runaway", []), f"{key}.markers.runaway", least=0)
    line_start = _flag(markers.get("line_start", True), f"{key}.markers.line_start")
    text, block = _text(content.get("text"), f"{key}.text"), _text(content.get("input_block"), f"{key}.input_block")
    for word in re.findall(r"\{(\w{4,20})\}", text):
        near = difflib.get_close_matches(word, SLOTS, 1, 0.8)
        if near and word not in SLOTS:
            raise _Wrong(f"{key}.text: {{{word}}} is no slot (did you mean {{{near[0]}}}?)")
    read_by = _made(lambda: Markers(reasoning, response, runaway, line_start), f"{key}.markers")
    return _made(lambda: Version(text, block, read_by), key)


def _chat(value: Any) -> ChatForm:
    content = _table(value, "chat")
    _known(content, ("reasoning",), "chat")
    ways = ("auto", "field", "think", "none")
    way = content.get("reasoning", "auto")
    if way not in ways:
        raise _Wrong(f"chat.reasoning: {way!r} is none of {', '.join(ways)}{did_you_mean(str(way), ways)}")
    return ChatForm(way)


def _made(make: Callable[[], Made], key: str) -> Made:
    try:
        return make()
    except UsageError as error:
        where = f"{key}.{error.where}" if key and error.where in _VERSION_KEYS else key or error.where
        raise _Wrong(f"{where}: {error.what}", error.do) from error


def _known(content: Mapping[str, Any], keys: Sequence[str], inside: str) -> None:
    for key in content:
        if key not in keys:
            raise _Wrong(
                f"{inside + '.' if inside else ''}{key}: there is no such key{did_you_mean(key, keys)}",
                f"It may be one of {', '.join(keys)}",
            )


def did_you_mean(word: str, those: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(those), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def _table(value: Any, key: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise _Wrong(f"{key}: keys with values are needed")
    for name in value:
        if not isinstance(name, str):  # YAML reads `no:`, the code of Norwegian, as false
            raise _Wrong(f"{key}: the key {name!r} is no text; put it in quotes")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or (not value and key != "words"):
        raise _Wrong(f"{key}: a text is needed")
    return value


def _flag(value: Any, key: str) -> bool:
    if not isinstance(value, bool):
        raise _Wrong(f"{key}: true or false is needed")
    return value


def _marks(value: Any, key: str, least: int = 1) -> tuple[str, ...]:
    marks = [value] if isinstance(value, str) else value
    if not isinstance(marks, list) or len(marks) < least or not all(isinstance(mark, str) for mark in marks):
        raise _Wrong(f"{key}: a list of texts is needed")
    return tuple(marks)
