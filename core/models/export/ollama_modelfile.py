"""Writes the Modelfile with which Ollama asks a tuned model as it was trained: its template, its stops, its licence.

Ollama's templates are those of Go: what stands in two braces is its own, everything else is text. Its Modelfile knows
no escapes: a text stands between quotes as it is, ends with the first line that ends with its quotes, and loses the
characters that Go does not print, such as the ideographic space. A template can name those; a stop cannot.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import msgspec

from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.templates.chat_template import ChatTemplate
from core.templates.template import Template

_QUESTION = "qSuironOllamaQuestion7f1c"
_QUOTES = '"""'
_LINE_ENDS_A_TEXT = re.compile(r'"""[ \t]*[\r\n]')
_RENAME = "Write the template without it, or export with `--to gguf`"


class OllamaPrompt(msgspec.Struct, frozen=True):
    """How Ollama makes a prompt, and where it stops."""

    template: str
    """The text of a prompt, with `{{ .Prompt }}` for the question."""
    stops: tuple[str, ...]
    """Texts at which an answer ends, besides the end of sequence."""


def ollama_prompt(template: Template | ChatTemplate, drop_empty_input: bool, end: str, begin: str = "") -> OllamaPrompt:
    """The prompt of a question without an input, as the run was trained. end: the text of the end of sequence; begin:
    that of the beginning, which Ollama writes itself. Raises ModelError where the template has no place for a
    question."""
    text = template.prompt(_QUESTION, "", drop_empty_input)
    if begin:
        text = text.removeprefix(begin)
    texts = text.split(_QUESTION)
    if len(texts) < 2:
        raise ModelError("the template has no place for a question", "Modelfile", "Export with `--to gguf`")
    stops = (end,) if isinstance(template, ChatTemplate) else (*template.markers.runaway, end)
    return OllamaPrompt("{{ .Prompt }}".join(map(_escaped, texts)), tuple(dict.fromkeys(stops)))


def modelfile(source: str, prompt: OllamaPrompt, context: int, license: str, notes: Sequence[str] = ()) -> str:
    """The text of a Modelfile. source: the GGUF file beside it; context: tokens; license: its text or name, may be
    empty; notes: lines for whoever reads it. Raises ModelError where a text cannot be written in one."""
    lines = [f"# {line}" for note in notes for line in note.splitlines()]
    lines += [f"FROM ./{source}", f"TEMPLATE {_quoted(prompt.template, 'the template')}"]
    lines += [f"PARAMETER stop {_stop(stop)}" for stop in prompt.stops]
    # Ollama would lower what was said already, and draw: the run was compared without either.
    lines += [f"PARAMETER num_ctx {context}", "PARAMETER temperature 0", "PARAMETER repeat_penalty 1.0"]
    if license:
        lines.append(f"LICENSE {_quoted(license, 'the licence')}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text in a template of Go: braces, which could open what is Go's own, and what a Modelfile loses, as constants."""
    pieces = re.split(r"(\{+)", text)
    return "".join(f'{{{{ "{piece}" }}}}' if piece.startswith("{") else _without_losses(piece) for piece in pieces)


def _without_losses(text: str) -> str:
    return "".join(f'{{{{ "\\U{ord(letter):08x}" }}}}' if _is_lost(letter) else letter for letter in text)


def _stop(text: str) -> str:
    lost = next((character for character in text if _is_lost(character)), None)
    if lost is not None:
        what = f"the stop {safe_line(text, 40)!r} cannot be written in a Modelfile: it would lose U+{ord(lost):04X}"
        raise ModelError(what, "Modelfile", _RENAME)
    return _quoted(text, "a stop") if "\n" in text or '"' in text else f'"{text}"'


def _quoted(text: str, what: str) -> str:
    if _LINE_ENDS_A_TEXT.search(text):
        raise ModelError(f"{what} cannot be written in a Modelfile: it has quotes that end it", "Modelfile", _RENAME)
    return f"{_QUOTES}{text}{_QUOTES}"


def _is_lost(character: str) -> bool:
    """Whether a Modelfile loses a character: all but letters, marks, numbers, punctuation, symbols, blank, tab and the
    end of a line."""
    return character not in " \t\n" and unicodedata.category(character)[0] not in "LMNPS"
