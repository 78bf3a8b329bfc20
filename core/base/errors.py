"""Errors for the user. Each says what happened, to which thing, and what to do next."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from core.base.sentences import with_full_stop


class ThreeParts(Protocol):
    """Anything with the three parts of an error: a SuironError, or a record of one."""

    @property
    def what(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def do(self) -> str: ...


class ErrorSentences(NamedTuple):
    """An error's three parts as a screen shows them."""

    what: str
    """What happened: a sentence with its capital letter and full stop."""
    where: str
    """The thing it happened to; may be empty."""
    do: str
    """What to do next: a sentence with its full stop; may be empty."""

    @property
    def line(self) -> str:
        """What happened and what to do, in one line."""
        return f"{self.what} {self.do}".rstrip()


def error_sentences(error: ThreeParts) -> ErrorSentences:
    """The parts of `error` as sentences. They may quote foreign text: pass them through `safe_text` before they are
    shown."""
    return ErrorSentences(_sentence(error.what), error.where.strip(), _sentence(error.do))


def error_record(error: ThreeParts) -> dict[str, str]:
    """The parts of `error` for programs, unchanged."""
    return {"what": error.what, "where": error.where, "do": error.do}


def _sentence(words: str) -> str:
    words = with_full_stop(words)
    return f"{words[:1].upper()}{words[1:]}"


class SuironError(Exception):
    """An error with three parts. All three may quote foreign text: pass them through `safe_text` before they are
    shown."""

    what: str
    """What happened, as a sentence without its full stop ("the file has no rows")."""
    where: str
    """The thing it happened to (a path, a row, a model's name); may be empty."""
    do: str
    """What to do next, as a sentence without its full stop; empty only where nothing can be done."""

    exit_code = 1
    """Exit status of a command that ends with this error."""

    def __init__(self, what: str, where: str = "", do: str = "") -> None:
        super().__init__(what, where, do)
        self.what, self.where, self.do = what, where, do

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{with_full_stop(head)} {with_full_stop(self.do)}".rstrip()


class UsageError(SuironError):
    """A command or one of its options is wrong."""

    exit_code = 2


class DataError(SuironError):
    """A source of rows cannot be opened or read."""

    exit_code = 3


class ModelError(SuironError):
    """A model, adapter or tokenizer cannot be found, read or held in memory."""

    exit_code = 4


class RunError(SuironError):
    """A run cannot be started, read or controlled, or ended in failure."""

    exit_code = 5


class EngineError(SuironError):
    """The inference server cannot be started or reached, or refused a request."""

    exit_code = 6


def error_class_name(error: SuironError) -> str:
    """The name of this module's class that `error` belongs to, for another process."""
    return next(base.__name__ for base in type(error).__mro__ if base.__module__ == SuironError.__module__)


def error_class(name: str) -> type[SuironError]:
    """This module's class with that name; SuironError where there is none."""
    for subclass in SuironError.__subclasses__():
        if subclass.__module__ == SuironError.__module__ and subclass.__name__ == name:
            return subclass
    return SuironError
