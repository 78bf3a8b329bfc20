"""What is asked of the child process, and the name of its answer in the cache. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import msgspec

from core.base import folders
from core.base.files import private_dir
from core.runs.spec import DataSection, MixturePart, PromptSection, RunSpec

What = Literal["statistics", "doctor"]
CHECKER = 2  # to be raised whenever the same rows would give another answer


class Options(msgspec.Struct, frozen=True):
    """How a row would be trained, whatever is learnt of it. model: whose tokenizer counts, empty for none; max_length:
    tokens a row may have, 0 for no maximum; train_flag: the sysflag of the rows that are trained; columns: what the six
    are taken from, where a person said so; the rest as in a run's `prompt` section. Templates are also sought beside
    the data set."""

    model: str = ""
    max_length: int = 2048
    mixture: tuple[MixturePart, ...] = PromptSection().mixture
    seed: int = PromptSection().seed
    drop_empty_input: bool | None = None
    train_flag: str = "train"
    columns: dict[str, str] | None = None

    @classmethod
    def of(cls, spec: RunSpec) -> Options:
        """As this run would train."""
        data, prompt = spec.data, spec.prompt
        how = (prompt.mixture, prompt.seed, prompt.drop_empty_input)
        return cls(spec.model.name, prompt.max_seq_length, *how, data.train_flag, data.columns)


class Request(msgspec.Struct, frozen=True):
    """What the child process is asked."""

    what: What
    """Which answer is wanted."""
    source: str
    """The data set, as the user named it."""
    split: str
    """Its split; may be empty."""
    options: Options
    """How its rows would be trained."""
    folder: str
    """The folder where answers are kept."""

    @property
    def data(self) -> DataSection:
        """What is to be opened."""
        return DataSection(source=self.source, split=self.split, columns=self.options.columns)


def folder() -> Path:
    """Where answers are kept: `<cache>/quality`. Raises OSError."""
    return private_dir(folders.cache() / "quality")


def answer_name(what: What, source: str, fingerprint: str, options: Options, tokenizer: str) -> str:
    """The file's name of the answer about rows of this fingerprint. tokenizer: what names the tokenizer's content,
    empty for none.

    A maximum changes no statistic (`Statistics.cut` answers for any), and without a tokenizer no finding; the columns
    are in the fingerprint. Reads the mixture's template files, whose texts are in the name. Raises UsageError for a
    template there is not.
    """
    from core.examples.run_mixture import named_templates

    templates = hashlib.blake2b(
        msgspec.json.encode(named_templates(options.mixture, source)), digest_size=16
    ).hexdigest()
    options = msgspec.structs.replace(options, columns=None)
    if what == "statistics" or not tokenizer:
        options = msgspec.structs.replace(options, max_length=0)
    options = msgspec.structs.replace(options, model=options.model if tokenizer else "")
    said = json.dumps([CHECKER, what, fingerprint, msgspec.to_builtins(options), tokenizer, templates])
    return f"{what}-{hashlib.blake2b(said.encode(), digest_size=16).hexdigest()}.msgpack"
