"""Errors a person can meet. Each says what happened, to which thing, and what to do next."""

from __future__ import annotations


class SuironError(Exception):
    """An error with three parts.

    what: what happened, as a sentence without its full stop ("the file has no rows").
    where: the thing it happened to (a path, a row, a model's name); may be empty.
    do: what to do next, as a sentence without its full stop; may be empty only where nothing can be done.

    All three may quote foreign text; whoever shows them passes them through `safe_text`.
    """

    exit_code = 1

    def __init__(self, what: str, where: str = "", do: str = "") -> None:
        super().__init__(what, where, do)
        self.what, self.where, self.do = what, where, do

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.do}." if self.do else f"{head}."


class UsageError(SuironError):
    """The command's words are off."""

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
