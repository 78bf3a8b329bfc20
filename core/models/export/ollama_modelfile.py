"""Writes the Modelfile with which Ollama asks a tuned model as it was trained: its template, its stops, its licence.

Ollama's templates are those of Go: what stands in two braces is its own, everything else is text.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.base.errors import ModelError
from core.templates.chat_template import ChatTemplate
from core.templates.template import Template

_QUESTION = "qSuironOllamaQuestion7f1c"
_GO_OPEN = '{{ "{{" }}'
_QUOTES = '"""'


class OllamaPrompt(msgspec.Struct, frozen=True):
    """How Ollama makes a prompt, and where it stops."""

    template: str
    """The text of a prompt, with `{{ .Prompt }}` for the question."""
    stops: tuple[str, ...]
    """Texts at which an answer ends, besides the end of sequence."""


def ollama_prompt(template: Template | ChatTemplate, drop_empty_input: bool, end: str, begin: str = "") -> OllamaPrompt:
    """The prompt of a question without an input, as the run was trained. end: the text of the end of sequence; begin:
    that of the beginning, which Ollama writes itself."""
    text = template.prompt(_QUESTION, "", drop_empty_input)
    if begin:
        text = text.removeprefix(begin)
    before, _, after = text.partition(_QUESTION)
    stops = (end,) if isinstance(template, ChatTemplate) else (*template.markers.runaway, end)
    return OllamaPrompt(_escaped(before) + "{{ .Prompt }}" + _escaped(after), tuple(dict.fromkeys(stops)))


def modelfile(source: str, prompt: OllamaPrompt, context: int, license: str, notes: Sequence[str] = ()) -> str:
    """The text of a Modelfile. source: the GGUF file beside it; context: tokens; license: its text or name, may be
    empty; notes: lines for whoever reads it. Raises ModelError where a text cannot be written in one."""
    lines = [f"# {line}" for note in notes for line in note.splitlines()]
    lines += [f"FROM ./{source}", f"TEMPLATE {_quoted(prompt.template, 'the template')}"]
    lines += [f"PARAMETER stop {_string(stop)}" for stop in prompt.stops]
    lines += [f"PARAMETER num_ctx {context}", "PARAMETER temperature 0"]
    if license:
        lines.append(f"LICENSE {_quoted(license, 'the licence')}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text in a template of Go."""
    return text.replace("{{", _GO_OPEN)


def _quoted(text: str, what: str) -> str:
    if _QUOTES in text or text.endswith('"'):
        raise ModelError(
            f"{what} cannot be written in a Modelfile: it has quotes that end it", "Modelfile", "Rename it"
        )
    return f"{_QUOTES}{text}{_QUOTES}"


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
