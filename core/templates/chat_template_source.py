"""A model's own chat template, found in its folder as transformers finds it. Knows files; `chat_program` runs it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError, UsageError
from core.templates.chat_program import render_program, template_variables

_MOST_CHARACTERS = 1 << 20
_FOR_TOOLS = "tool_use"  # the name under which transformers looks for a template that takes tools
_READS_PARTS = re.compile(r"""['"]type['"]|\.type\b""")
_QUESTION = "qSuironAsked4d8q"
_DO_FIX = "Fix the file, or download the model folder again"


class ChatTemplateSource(msgspec.Struct, frozen=True):
    """A model's chat template as its author wrote it."""

    template: str
    """The program, in Jinja."""
    tokens: dict[str, str]
    """The special tokens that it may use, by role (`eos_token`)."""
    where: str
    """The file with the program."""
    tool_template: str = ""
    """The program for conversations with tools, where that is another one."""
    day: str = ""
    """The date that it writes as today's, as `2026-11-28`; empty for the present day."""
    takes_parts: bool = False
    """Whether it takes a message's text only as a list of parts, as templates of models that also see images do."""

    def render(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        generate: bool,
        tools: Sequence[Any] | None = None,
        **variables: Any,
    ) -> str:
        """The conversation as text; with `generate` up to where the assistant begins to write. Raises UsageError with
        the chat template's own message where it refuses the conversation, and with the fault where it fails."""
        program = self.tool_template if tools and self.tool_template else self.template
        context = {
            "messages": [_in_parts(message) for message in messages] if self.takes_parts else list(messages),
            "tools": list(tools) if tools else None,
            "documents": None,
            "add_generation_prompt": generate,
        }
        return render_program(program, self.tokens | context | variables, self.where, self.day)

    def variables(self) -> frozenset[str]:
        """The names that the program reads and does not set, such as `enable_thinking`. Raises UsageError where it
        cannot be read."""
        return template_variables(self.template, self.where)

    @property
    def writes_date(self) -> bool:
        """Whether it may write today's date."""
        return "strftime_now" in self.template or "strftime_now" in self.tool_template


def read_chat_template(folder: str | Path, day: str = "") -> ChatTemplateSource | None:
    """The chat template of the model in `folder`; None where it has none. day: the date that it writes as today's.
    Raises ModelError where one of its files cannot be read, or there are several templates and none is the default."""
    path = Path(folder)
    try:
        config = _read_object(path / "tokenizer_config.json")
        token_map = _read_object(path / "special_tokens_map.json")
        programs, file = _find_programs(path, config)
    except (OSError, ValueError) as error:
        raise ModelError(f"the model's chat template cannot be read ({error})", str(folder), _DO_FIX) from error
    if not programs:
        return None
    if "default" not in programs:
        names = ", ".join(sorted(programs))
        what = f"the model has several chat templates ({names}), and none is called default"
        raise ModelError(what, str(file), "Rename the one to use to default, or name it chat_template.jinja")
    longest = max(len(programs["default"]), len(programs.get(_FOR_TOOLS, "")))
    if longest > _MOST_CHARACTERS:
        what = f"the model's chat template has {longest:,} characters"
        raise ModelError(what, str(file), "Use the model's folder as its author published it")
    texts = {name: _token_text(value) for name, value in (token_map | config).items() if name.endswith("_token")}
    tokens = {name: text for name, text in texts.items() if text}
    source = ChatTemplateSource(programs["default"], tokens, str(file), programs.get(_FOR_TOOLS, ""), day)
    parted = msgspec.structs.replace(source, takes_parts=True)
    only_parts = _READS_PARTS.search(source.template) and not _writes_question(source) and _writes_question(parted)
    return parted if only_parts else source


def _in_parts(message: dict[str, Any]) -> dict[str, Any]:
    """The message with its text as a list of one part."""
    content = message.get("content")
    return {**message, "content": [{"type": "text", "text": content}]} if isinstance(content, str) else message


def _writes_question(source: ChatTemplateSource) -> bool:
    try:
        return _QUESTION in source.render([{"role": "user", "content": _QUESTION}], generate=True)
    except UsageError:
        return False


def today() -> str:
    """The present date as `2026-11-28`."""
    return date.today().isoformat()


def needs_tools(source: ChatTemplateSource) -> bool:
    """Whether the chat template fails without tools and renders with them."""
    question = [{"role": "user", "content": "a"}]
    tool = {"type": "function", "function": {"name": "f", "description": "", "parameters": {}}, "name": "f"}
    try:
        source.render(question, generate=True)
    except UsageError:
        try:
            source.render(question, generate=True, tools=[tool])
        except UsageError:
            return False
        return True
    return False


def _find_programs(path: Path, config: dict[str, Any]) -> tuple[dict[str, str], Path]:
    """The programs by name and the file or folder that has them. Files of their own take precedence over the
    configuration, and both over the file that only transformers' processors read."""
    programs: dict[str, str] = {}
    own_file, more = path / "chat_template.jinja", path / "additional_chat_templates"
    if own_file.is_file():
        programs["default"] = own_file.read_text("utf-8")
    for file in sorted(more.glob("*.jinja")):
        programs[file.stem] = file.read_text("utf-8")
    if programs:
        return _not_empty(programs), own_file if "default" in programs else more
    for place in (path / "tokenizer_config.json", path / "chat_template.json"):
        value = (config if place.name == "tokenizer_config.json" else _read_object(place)).get("chat_template")
        if found := _not_empty(_named(value)):
            return found, place
    return {}, path


def _named(value: Any) -> dict[str, str]:
    """The programs by name, of one program or a list of named ones."""
    if isinstance(value, str):
        return {"default": value}
    entries = value if isinstance(value, list) else []
    named = ((entry.get("name"), entry.get("template")) for entry in entries if isinstance(entry, dict))
    return {name: program for name, program in named if isinstance(name, str) and isinstance(program, str)}


def _not_empty(programs: dict[str, str]) -> dict[str, str]:
    return {name: program for name, program in programs.items() if program}


def _token_text(value: Any) -> str:
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else ""


def _read_object(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.is_file() else {}
