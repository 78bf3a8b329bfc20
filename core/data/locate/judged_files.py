"""Judges the files of a source: which can be read, in which format, and what is wrong with the others.

The name of a file is believed where its first bytes do not say otherwise. One bad file among several is a fault that is
shown as a problem of the source; it never refuses the others.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.base.errors import DataError
from core.data.formats.content import FileContent, content_of
from core.data.formats.registry import COMPRESSIONS, FormatName, format_of_file, readable_formats
from core.data.problems import RowProblems

_LISTED = 10  # names in a message
_FORMAT_WORDS: dict[FormatName, str] = {
    "lines": "JSON Lines",
    "json": "one JSON document",
    "csv": "CSV",
    "tsv": "tab-separated values",
    "parquet": "Parquet",
    "arrow": "Arrow",
}


@dataclass(frozen=True)
class FileFault:
    """Why a file of a source is not read."""

    file: str
    """The file's name, foreign text."""
    what: str
    """As in an error."""
    do: str
    """As in an error."""


@dataclass(frozen=True)
class JudgedFiles:
    """The files of a source after a look at their first bytes."""

    paths: tuple[Path, ...]
    """The files that can be read, in order; at least one."""
    format: FormatName
    """Their format."""
    faults: tuple[FileFault, ...] = ()
    """The other files."""
    notes: tuple[str, ...] = ()
    """What the user should know about how they are read: sentences without full stops."""


def judge_files(files: Sequence[Path], where: str, do: str) -> JudgedFiles:
    """Look into all files. where, do: of the error where their names have several formats. Raises DataError where none
    of them can be read."""
    named = {file_format.name for file in files if (file_format := format_of_file(file)) is not None}
    if len(named) > 1 and named != {"lines", "json"}:
        names = ", ".join(file.name for file in files[:_LISTED])
        raise DataError(f"there are data files of several formats ({names})", where, do)
    faults: list[FileFault] = []
    good: list[tuple[Path, FormatName]] = []
    for file in files:
        try:
            content = _look_into(file)
            if content.foreign is not None:
                raise DataError(content.foreign.what, str(file), content.foreign.do)
            good.append((file, _format_of(file, content)))
        except DataError as error:
            if len(files) == 1:
                raise
            faults.append(FileFault(file.name, error.what, error.do))
    if not good:
        raise DataError(f"none of its {len(files)} files can be read: {faults[0].what}", where, faults[0].do)
    chosen = _common_format([file_format for _, file_format in good])
    fitting = [(file, own) for file, own in good if _fits(own, chosen)]
    for file, own in good:
        if not _fits(own, chosen):
            what = f"it is {_FORMAT_WORDS[own]}, where the other files are {_FORMAT_WORDS[chosen]}"
            faults.append(FileFault(file.name, what, "Open this file by itself"))
    return JudgedFiles(tuple(file for file, _ in fitting), chosen, tuple(faults), _notes(fitting))


def _look_into(file: Path) -> FileContent:
    """What the file's first bytes say. Raises DataError unless it is a regular file that can be read."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise DataError("it is not a regular file", str(file), f"Use one of {readable_formats()}")
        return content_of(file)
    except FileNotFoundError as error:
        target = os.readlink(file) if file.is_symlink() else ""
        do = "Run git annex get" if ".git/annex/" in target else "Restore it"
        raise DataError("it is a link to a file that does not exist", str(file), do) from error
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"it cannot be read ({reason})", str(file), "Check who may read it") from error


def _format_of(file: Path, content: FileContent) -> FormatName:
    """The format of one file. Raises DataError where neither its name nor its content tells, and where the content
    cannot be read."""
    named = format_of_file(file)
    if content.packed and content.format in ("parquet", "arrow"):
        what = f"it is {_FORMAT_WORDS[content.format]} that is compressed once more as a whole"
        raise DataError(what, str(file), "Unpack it (gunzip or unzstd)")
    if named is None:
        if content.format is None:
            raise _unknown_format(file)
        return content.format
    if content.format is None:
        if named.name == "parquet":
            raise DataError("this is not a complete Parquet file", str(file), "Copy or write it again")
        return named.name
    if {named.name, content.format} <= {"csv", "tsv"} or (named.name == "lines" and content.one_line):
        return named.name  # the delimiter is judged when it is read
    return content.format


def _unknown_format(path: Path) -> DataError:
    suffix = path.suffix.lower()
    if suffix in COMPRESSIONS:
        what = f"its name does not say which text format is compressed in this {suffix} file"
    elif suffix:
        what = f"files ending in {path.suffix} are not known"
    else:
        what = "its name has no suffix, so its format is not known"
    do = f"Use one of {readable_formats()}, a folder saved by datasets, or a hub name"
    return DataError(what, str(path), do)


def _fits(own: FormatName, chosen: FormatName) -> bool:
    """Whether a file of format `own` is read by the reader of `chosen`: that of JSON documents reads lines too."""
    return own == chosen or (own == "lines" and chosen == "json")


def _common_format(formats: Sequence[FormatName]) -> FormatName:
    """The format of most files; JSON documents where some of them are lines."""
    (most, _), *_ = Counter("json" if own == "lines" else own for own in formats).most_common(1)
    return "lines" if most == "json" and "json" not in formats else most


def _notes(files: Sequence[tuple[Path, FormatName]]) -> tuple[str, ...]:
    """Which files are read as something else than their names say."""
    problems = RowProblems()
    for file, own in files:
        named = format_of_file(file)
        problems.file = file.name if len(files) > 1 else ""
        if named is None:
            problems.note(f"read as {_FORMAT_WORDS[own]}, by its content")
        elif named.name != own:
            problems.note(f"named {named.suffixes[0]}, but read as {_FORMAT_WORDS[own]}, which it is")
    return tuple(problems.notes)
