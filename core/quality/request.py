"""What is asked of the child process, and the name its answer has in the cache. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import msgspec

from core import settings
from core.errors import SuironError
from core.files import private_dir

What = Literal["statistics", "doctor"]
CHECKER = 1  # to be raised whenever the same rows would give another answer


class Options(msgspec.Struct, frozen=True):
    """How a row would be trained. model: whose tokenizer counts, empty for none; max_length: tokens a row may have, 0 for no maximum;
    train_flag: the sysflag of the rows that are trained; the rest as in a run's `prompt` section."""

    model: str = ""
    max_length: int = 2048
    vanilla: str = "alpaca"
    reasoning: str = "alpaca-reasoning"
    vanilla_share: float = 0.15
    seed: int = 3442
    drop_empty_input: bool = False
    train_flag: str = "train"


class Request(msgspec.Struct, frozen=True):
    """folder: where answers are kept."""

    what: What
    source: str
    split: str
    options: Options
    folder: str

    def dump(self) -> str:
        """One line of ASCII: also a file's name that is no UTF-8 survives."""
        return json.dumps(msgspec.to_builtins(self))

    @classmethod
    def load(cls, text: str) -> Request:
        return msgspec.convert(json.loads(text), cls)


class Progress(msgspec.Struct, frozen=True):
    """`done` of `total` (0 where that is not known) of what `words` say."""

    words: str
    done: int
    total: int


class Line(msgspec.Struct, frozen=True):
    """One line of the child: how far it is, or where its answer lies, or why there is none."""

    progress: Progress | None = None
    answer: str | None = None
    error: Trouble | None = None


class Trouble(msgspec.Struct, frozen=True):
    """A SuironError on its way from one process to another."""

    kind: str
    what: str
    where: str
    do: str

    @classmethod
    def of(cls, error: SuironError) -> Trouble:
        kind = next(kind for kind in type(error).__mro__ if kind.__module__ == SuironError.__module__)  # what the other process knows for certain
        return cls(kind.__name__, error.what, error.where, error.do)

    def raised(self) -> SuironError:
        kinds: dict[str, type[SuironError]] = {kind.__name__: kind for kind in SuironError.__subclasses__()}
        return kinds.get(self.kind, SuironError)(self.what, self.where, self.do)


def folder() -> Path:
    """Where answers are kept: `<cache>/quality`. Raises OSError."""
    return private_dir(settings.cache() / "quality")


def answer_name(what: What, fingerprint: str, options: Options, tokenizer: str) -> str:
    """The file's name of the answer about rows of this fingerprint. tokenizer: what names the tokenizer's content, empty for none.

    A maximum changes no statistic (`Statistics.cut` answers for any), and without a tokenizer no finding.
    """
    if what == "statistics" or not tokenizer:
        options = msgspec.structs.replace(options, max_length=0)
    options = msgspec.structs.replace(options, model=options.model if tokenizer else "")
    said = json.dumps([CHECKER, what, fingerprint, msgspec.to_builtins(options), tokenizer])
    return f"{what}-{hashlib.blake2b(said.encode(), digest_size=16).hexdigest()}.msgpack"
