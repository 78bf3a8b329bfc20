"""The request to the child process, and the name of its result in the cache. Imports nothing heavy."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Literal

import msgspec

from core.base import folders
from core.base.files import private_dir
from core.runs.spec import DataSection, MixturePart, PromptSection, RunSpec

QualityTask = Literal["statistics", "doctor"]
RESULTS_VERSION = 6  # raise it whenever the same rows give another result


class QualityOptions(msgspec.Struct, frozen=True):
    """How rows would be trained, which decides their lengths and findings."""

    model: str = ""
    """The name of the model whose tokenizer counts; empty for none."""
    max_length: int = 2048
    """Tokens that a row may have; 0 for no maximum."""
    mixture: tuple[MixturePart, ...] = PromptSection().mixture
    """As in a run's `prompt` section. Templates beside the data set are found too."""
    seed: int = PromptSection().seed
    """The mixture's seed, as in a run's `prompt` section."""
    drop_empty_input: bool | None = None
    """As in a run's `prompt` section; None for each template's setting."""
    train_flag: str = "train"
    """The sysflag of the rows that are trained."""
    columns: dict[str, str] | None = None
    """The column mapping in words; None where the user has not chosen any."""
    names: tuple[str, ...] = ()
    """The columns of a table without a header; empty for those that the user saved."""

    @property
    def prompt(self) -> PromptSection:
        """The settings that decide a row's text, as in a run's specification."""
        return PromptSection(mixture=self.mixture, seed=self.seed, drop_empty_input=self.drop_empty_input)

    @classmethod
    def of(cls, spec: RunSpec) -> QualityOptions:
        """The options with which this run would train."""
        return cls(
            model=spec.model.name,
            max_length=spec.prompt.max_seq_length,
            mixture=spec.prompt.mixture,
            seed=spec.prompt.seed,
            drop_empty_input=spec.prompt.drop_empty_input,
            train_flag=spec.data.train_flag,
            columns=spec.data.columns,
            names=spec.data.names,
        )


class QualityRequest(msgspec.Struct, frozen=True):
    """The request to the child process."""

    what: QualityTask
    """The kind of result."""
    source: str
    """The data set, as the user named it: a path, a pattern or a hub name."""
    split: str
    """Its split, empty for none."""
    options: QualityOptions
    """How its rows would be trained."""
    results_folder: str
    """The folder for results."""

    @property
    def data(self) -> DataSection:
        """The data set to open."""
        return DataSection(source=self.source, split=self.split, columns=self.options.columns, names=self.options.names)


def results_folder() -> Path:
    """The folder for results: `<cache>/quality`. Raises OSError."""
    return private_dir(folders.cache() / "quality")


def result_file_name(what: QualityTask, source: str, fingerprint: str, options: QualityOptions, tokenizer: str) -> str:
    """The file name of the result for rows with this fingerprint.

    tokenizer: a fingerprint of its files, empty for none. A maximum length changes no statistics, and no finding
    without a tokenizer; the columns are part of the fingerprint of the rows. Reads the template files of the mixture,
    whose texts are part of the name. Raises UsageError for a template that does not exist.
    """
    from core.examples.run_mixture import named_templates

    encoded_templates = msgspec.json.encode(named_templates(options.mixture, source))
    templates = hashlib.blake2b(encoded_templates, digest_size=16).hexdigest()
    options = msgspec.structs.replace(options, columns=None, names=())
    if what == "statistics" or not tokenizer:
        options = msgspec.structs.replace(options, max_length=0)
    options = msgspec.structs.replace(options, model=options.model if tokenizer else "")
    content = json.dumps([RESULTS_VERSION, what, fingerprint, msgspec.to_builtins(options), tokenizer, templates])
    return f"{what}-{hashlib.blake2b(content.encode(), digest_size=16).hexdigest()}.msgpack"
