"""Errors for the user. Each says what happened, to which thing, and what to do next."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class ThreeParts(Protocol):
    """What has the three parts of an error: a SuironError, or a record of one."""

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
    """The parts of `error` for programs, as they are."""
    return {"what": error.what, "where": error.where, "do": error.do}


def _sentence(words: str) -> str:
    words = words.strip().rstrip(".")
    return f"{words[:1].upper()}{words[1:]}." if words else ""


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
        return f"{head}. {self.do}." if self.do else f"{head}."


class UsageError(SuironError):
    """A command or a setting is not as it must be."""

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
    """The name of the class of this module that `error` is of, for another process."""
    return next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == SuironError.__module__)


def error_class(name: str) -> type[SuironError]:
    """The class of this module with that name; SuironError where there is none."""
    here = [kind for kind in SuironError.__subclasses__() if kind.__module__ == SuironError.__module__]
    return {kind.__name__: kind for kind in here}.get(name, SuironError)
