"""Runs a chat template, a program by the model's author, in a sandbox. Knows nothing of rows, files or tokens.

It runs in jinja2's immutable sandbox, with the same names as in transformers and no others. The sandbox counts what the
program does, so that one that loops without end is stopped; it does not measure time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core.base.errors import UsageError

if TYPE_CHECKING:
    from jinja2 import Environment, Template

MOST_STEPS = 5_000_000  # look-ups, calls and numbers of ranges in one rendering
MOST_OUTPUT = 1 << 26  # characters of one rendering
_FEWER_DO = "Use the model's folder as its author published it"


class _Budget(threading.local):
    """What one rendering has left, for each thread."""

    steps = MOST_STEPS
    day = ""

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _TooMuchWork


class _TooMuchWork(Exception):
    """The program does more than a chat template ever needs."""


class _RaisedByTemplate(Exception):
    """The program refuses the conversation in words of its own."""


_budget = _Budget()


def render_program(program: str, names: Mapping[str, Any], where: str, day: str = "") -> str:
    """The text that `program` makes with `names`. where: its file, for errors. day: the date it writes as today's, as
    `2026-11-28`.

    Raises UsageError with the program's own words where it refuses the conversation, and with its file and the fault
    where it fails.
    """
    _budget.steps, _budget.day = MOST_STEPS, day
    try:
        pieces, length = [], 0
        for piece in _compiled(program).generate(dict(names)):
            pieces.append(piece)
            length += len(piece)
            if length > MOST_OUTPUT:
                raise _TooMuchWork
        return "".join(pieces)
    except _RaisedByTemplate as error:
        what = f"the model's chat template does not take this conversation: {error}"
        raise UsageError(what, where, "Reorder the messages, change their roles, or choose another template") from error
    except (_TooMuchWork, RecursionError, MemoryError) as error:
        what = "the model's chat template does not come to an end"
        raise UsageError(what, where, _FEWER_DO) from error
    except Exception as error:  # a model author's program may raise any exception
        what = f"the model's chat template fails on this conversation ({type(error).__name__}: {error})"
        raise UsageError(
            what, where, "Fix that file, or choose a template of text, such as alpaca-reasoning"
        ) from error


@lru_cache(maxsize=32)
def template_variables(program: str, where: str) -> frozenset[str]:
    """The names that the program reads and does not set. Raises UsageError where it cannot be read."""
    from jinja2 import TemplateSyntaxError, meta

    try:
        return frozenset(meta.find_undeclared_variables(_environment().parse(program)))
    except TemplateSyntaxError as error:
        what = f"the model's chat template cannot be read (line {error.lineno}: {error.message})"
        raise UsageError(what, where, _FEWER_DO) from error


@lru_cache(maxsize=8)
def _compiled(program: str) -> Template:
    return _environment().from_string(program)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """The environment of transformers for chat templates: its white space rules, its `tojson`, and its extra names."""
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class CountingSandbox(ImmutableSandboxedEnvironment):
        """The sandbox, which counts look-ups and calls, and refuses to repeat a text without measure."""

        intercepted_binops = frozenset(["*", "**"])

        def getattr(self, obj: Any, attribute: str) -> Any:
            _budget.spend(1)
            return super().getattr(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            _budget.spend(1)
            return super().getitem(obj, argument)

        def call(self, *args: Any, **kwargs: Any) -> Any:
            _budget.spend(1)
            return super().call(*args, **kwargs)

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            sizes = [len(value) for value in (left, right) if hasattr(value, "__len__")]
            counts = [abs(value) for value in (left, right) if isinstance(value, int)]
            _budget.spend((sizes[0] if sizes else 1) * (counts[0] if counts else 1) if operator == "*" else 1)
            if operator == "**" and any(count > 1000 for count in counts):
                raise _TooMuchWork
            return super().call_binop(context, operator, left, right)

    class Generation(Extension):
        """`{% generation %}...{% endgeneration %}` marks the assistant's text; here it only has to be parsed."""

        tags = {"generation"}  # noqa: RUF012  # as jinja2 declares it

        def parse(self, parser: Parser) -> nodes.Node:
            line = next(parser.stream).lineno
            return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)

    def raise_exception(message: str) -> None:
        raise _RaisedByTemplate(message)

    def counted_range(*bounds: int) -> range:
        numbers = range(*bounds)
        _budget.spend(len(numbers))
        return numbers

    def tojson(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def strftime_now(pattern: str) -> str:
        now = datetime.now()
        day = datetime.fromisoformat(_budget.day) if _budget.day else now
        return datetime.combine(day.date(), now.time()).strftime(pattern)

    environment = CountingSandbox(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    environment.filters["tojson"] = tojson
    del environment.globals["lipsum"]  # it writes any number of words
    environment.globals["range"] = counted_range
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = strftime_now
    return environment
