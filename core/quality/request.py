"""What the child process is asked, and the name of its result in the cache. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import msgspec

from core.base import folders
from core.base.errors import SuironError
from core.base.files import private_dir
from core.runs.spec import DataSection, MixturePart, PromptSection, RunSpec

What = Literal["statistics", "doctor"]
CHECKER = 3  # to be raised whenever the same rows give another result


class Options(msgspec.Struct, frozen=True):
    """How rows would be trained, which decides how long they are and what is wrong with them."""

    model: str = ""
    """The name of the model whose tokenizer counts; empty for none."""
    max_length: int = 2048
    """Tokens that a row may have; 0 for no maximum."""
    mixture: tuple[MixturePart, ...] = PromptSection().mixture
    """As in a run's `prompt` section. Templates beside the data set are found too."""
    seed: int = PromptSection().seed
    """Of the mixture, as in a run's `prompt` section."""
    drop_empty_input: bool | None = None
    """As in a run's `prompt` section; None for what each template says."""
    train_flag: str = "train"
    """The sysflag of the rows that are trained."""
    columns: dict[str, str] | None = None
    """The columns of the source that the six are taken from; None where the user has not chosen any."""

    @classmethod
    def of(cls, spec: RunSpec) -> Options:
        """As this run would train."""
        data, prompt = spec.data, spec.prompt
        how = (prompt.mixture, prompt.seed, prompt.drop_empty_input)
        return cls(spec.model.name, prompt.max_seq_length, *how, data.train_flag, data.columns)


class Request(msgspec.Struct, frozen=True):
    """What the child process is asked to do."""

    what: What
    """Which result is wanted."""
    source: str
    """A path, a pattern or a hub name."""
    split: str
    """The split of the source, empty for none."""
    options: Options
    """How the rows would be trained."""
    results_folder: str
    """Where results are kept."""

    @property
    def data(self) -> DataSection:
        """The data set to open."""
        return DataSection(source=self.source, split=self.split, columns=self.options.columns)

    def dump(self) -> str:
        """One line of ASCII, so that a file name that is not UTF-8 survives too."""
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
        kind = next(
            kind for kind in type(error).__mro__ if kind.__module__ == SuironError.__module__
        )  # what the other process knows for certain
        return cls(kind.__name__, error.what, error.where, error.do)

    def raised(self) -> SuironError:
        kinds: dict[str, type[SuironError]] = {kind.__name__: kind for kind in SuironError.__subclasses__()}
        return kinds.get(self.kind, SuironError)(self.what, self.where, self.do)


def folder() -> Path:
    """Where results are kept: `<cache>/quality`. Raises OSError."""
    return private_dir(folders.cache() / "quality")


def answer_name(what: What, source: str, fingerprint: str, options: Options, tokenizer: str) -> str:
    """The file name of the result about rows with this fingerprint.

    tokenizer: a fingerprint of its files, empty for none. A maximum length changes no statistics, and no finding
    without a tokenizer; the columns are part of the fingerprint of the rows. Reads the template files of the mixture,
    whose texts are part of the name. Raises UsageError for a template that does not exist.
    """
    from core.examples.run_mixture import named_templates

    templates = hashlib.blake2b(
        msgspec.json.encode(named_templates(options.mixture, source)), digest_size=16
    ).hexdigest()
    options = msgspec.structs.replace(options, columns=None)
    if what == "statistics" or not tokenizer:
        options = msgspec.structs.replace(options, max_length=0)
    options = msgspec.structs.replace(options, model=options.model if tokenizer else "")
    content = json.dumps([CHECKER, what, fingerprint, msgspec.to_builtins(options), tokenizer, templates])
    return f"{what}-{hashlib.blake2b(content.encode(), digest_size=16).hexdigest()}.msgpack"
