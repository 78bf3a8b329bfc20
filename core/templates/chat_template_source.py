"""A model's own chat template: where its folder keeps it, and rendering it in a sandbox. Knows Jinja and folders;
nothing of rows or tokens.

The template is a program by the model's author. It runs in jinja2's immutable sandbox, with what transformers gives
such programs and no more.
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


class ChatSource(msgspec.Struct, frozen=True):
    """template: Jinja. tokens: the special tokens that it may name, by their role (`eos_token`). where: the model's
    folder."""

    template: str
    tokens: dict[str, str]
    where: str

    def render(self, messages: Sequence[dict[str, str]], *, generate: bool, **variables: Any) -> str:
        """The conversation as text; with `generate` up to where the assistant begins to write. Raises UsageError in the
        template's own words."""
        given = {"messages": list(messages), "tools": None, "documents": None, "add_generation_prompt": generate}
        try:
            return str(_compiled(self.template).render(self.tokens | given | variables))
        except Exception as error:  # whatever a model author's template raises: it is a program
            what = f"the model's chat format does not take this conversation: {error}"
            raise UsageError(what, "messages", "Order or name the roles otherwise") from error


def read_chat(folder: str | Path) -> ChatSource | None:
    """The chat template of the model in `folder`; None where it has none. Raises ModelError where a file of it cannot
    be read."""
    path = Path(folder)
    try:
        config = _object(path / "tokenizer_config.json")
        others = _object(path / "special_tokens_map.json")
        template = _written(path, config)
    except (OSError, ValueError) as error:
        what = f"the model's chat format cannot be read ({error})"
        raise ModelError(what, str(folder), "Mend the file or take the model's folder whole") from error
    if not template:
        return None
    if len(template) > _MOST_CHARACTERS:
        raise ModelError(
            f"the model's chat format has {len(template):,} characters",
            str(folder),
            "Take the model's folder as its author gave it",
        )
    tokens = {
        name: text for name, value in (others | config).items() if name.endswith("_token") and (text := _token(value))
    }
    return ChatSource(template, tokens, str(folder))


def _written(path: Path, config: dict[str, Any]) -> str:
    """A file of its own counts before what a configuration holds."""
    separate = path / "chat_template.jinja"
    if separate.is_file():
        return separate.read_text("utf-8")
    return _default(_object(path / "chat_template.json").get("chat_template")) or _default(config.get("chat_template"))


def _default(written: Any) -> str:
    """One template, or the one for plain conversations among several with names."""
    if isinstance(written, list):
        named = {str(one.get("name")): one.get("template") for one in written if isinstance(one, dict)}
        written = named.get("default") or next(iter(named.values()), None)
    return written if isinstance(written, str) else ""


def _token(value: Any) -> str:
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""


def _object(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.is_file() else {}


@lru_cache(maxsize=8)
def _compiled(template: str) -> Template:
    return _environment().from_string(template)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """What transformers renders chat templates in: its whitespace rules, its `tojson`, and the three names it adds."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}...{% endgeneration %}` says what the assistant wrote; here it only has to be understood."""

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
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment
