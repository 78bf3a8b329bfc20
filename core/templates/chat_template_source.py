"""Reads a model's own chat template from its folder, and renders it in a sandbox. Knows nothing of rows or tokens.

The template is a program by the model's author. It runs in jinja2's immutable sandbox, with the same names as in
transformers and no others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import ModelError, UsageError

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_MOST_CHARACTERS = 1 << 20


class ChatTemplateSource(msgspec.Struct, frozen=True):
    """A model's chat template as its author wrote it."""

    template: str
    """The program, in Jinja."""
    tokens: dict[str, str]
    """The special tokens that it may use, by role (`eos_token`)."""
    where: str
    """The model's folder."""

    def render(self, messages: Sequence[dict[str, str]], *, generate: bool, **variables: Any) -> str:
        """The conversation as text; with `generate` up to where the assistant begins to write. Raises UsageError with
        the chat template's own message where it refuses the conversation."""
        context = {"messages": list(messages), "tools": None, "documents": None, "add_generation_prompt": generate}
        try:
            return str(_compiled(self.template).render(self.tokens | context | variables))
        except Exception as error:  # a model author's program may raise any exception
            what = f"the model's chat template does not take this conversation: {error}"
            raise UsageError(what, "messages", "Reorder the messages or change their roles") from error


def read_chat_template(folder: str | Path) -> ChatTemplateSource | None:
    """The chat template of the model in `folder`; None where it has none. Raises ModelError where one of its files
    cannot be read."""
    path = Path(folder)
    try:
        config = _read_object(path / "tokenizer_config.json")
        token_map = _read_object(path / "special_tokens_map.json")
        template = _find_template(path, config)
    except (OSError, ValueError) as error:
        what = f"the model's chat template cannot be read ({error})"
        raise ModelError(what, str(folder), "Fix the file, or download the model folder again") from error
    if not template:
        return None
    if len(template) > _MOST_CHARACTERS:
        raise ModelError(
            f"the model's chat template has {len(template):,} characters",
            str(folder),
            "Use the model's folder as its author published it",
        )
    texts = {name: _token_text(value) for name, value in (token_map | config).items() if name.endswith("_token")}
    tokens = {name: text for name, text in texts.items() if text}
    return ChatTemplateSource(template, tokens, str(folder))


def _find_template(path: Path, config: dict[str, Any]) -> str:
    """The template of the folder `path`; a separate file takes precedence over the configuration."""
    own_file = path / "chat_template.jinja"
    if own_file.is_file():
        return own_file.read_text("utf-8")
    in_json = _default_template(_read_object(path / "chat_template.json").get("chat_template"))
    return in_json or _default_template(config.get("chat_template"))


def _default_template(value: Any) -> str:
    """The only template, or the default among several with names."""
    if isinstance(value, list):
        by_name = {str(entry.get("name")): entry.get("template") for entry in value if isinstance(entry, dict)}
        value = by_name.get("default") or next(iter(by_name.values()), None)
    return value if isinstance(value, str) else ""


def _token_text(value: Any) -> str:
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""


def _read_object(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.is_file() else {}


@lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    return _environment().from_string(template)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """The environment of transformers for chat templates: its white space rules, its `tojson`, and its extra names."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}...{% endgeneration %}` marks the assistant's text; here it only has to be parsed."""

        tags = {"generation"}  # noqa: RUF012  # as jinja2 declares it

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda pattern: datetime.now().strftime(pattern)
    return environment
