"""What of a folder a person can open, and what completes a path typed by hand. Reads folders, opens no data file; knows
nothing of screens.

All that reads the disk is meant for a thread: a folder may lie on a network or hold a hundred thousand names.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.base.paths import absolute_path
from core.data.formats.table import format_of_file
from core.data.locate.shards import group_by_split, in_natural_order
from core.data.locate.source_files import SIDECAR_SUFFIX

MATCHES = 200  # files of a glob that are named
MANY = 5000  # files of a folder from which on it is read in a second: no sizes, plain order, no look for splits
FOLDER, UNKNOWN = -1, -2
SAVED = "a saved data set"
_ABOUT = frozenset({"dataset_dict.json", "dataset_info.json", "state.json"})  # what datasets writes about it, no rows


@dataclass(frozen=True)
class Entry:
    """size: bytes, FOLDER or UNKNOWN; when: its last change, seconds since 1970, 0 where it is not known."""

    name: str
    size: int = FOLDER
    when: float = 0.0

    @property
    def is_folder(self) -> bool:
        return self.size == FOLDER


@dataclass(frozen=True)
class Listing:
    """path: the folder, absolute; entries: folders, then files that can be opened, each sorted; whole: what the folder
    is as one data set, in words, empty where it is none; splits: those it has as one data set; left_out: files of other
    kinds; trouble: why it could not be read."""

    path: str
    entries: tuple[Entry, ...] = ()
    whole: str = ""
    splits: tuple[str, ...] = ()
    left_out: int = 0
    trouble: str = ""
    lowered: tuple[str, ...] = field(default=(), repr=False)

    def matching(self, text: str, hidden: bool = False) -> list[Entry]:
        """Entries whose name begins with `text`, in any case, then those that contain it; names that begin with a dot
        only when asked for."""
        wanted = text.casefold()
        first: list[Entry] = []
        then: list[Entry] = []
        for entry, name in zip(self.entries, self.lowered, strict=True):
            if name.startswith(".") and not (hidden or text.startswith(".")):
                continue
            if name.startswith(wanted):
                first.append(entry)
            elif wanted in name:
                then.append(entry)
        return first + then


def openable(name: str) -> bool:
    """Whether a file of this name is of a kind that can be opened."""
    return format_of_file(name) is not None


def split_path(text: str) -> tuple[str, str]:
    """What was typed as the folder (up to its last slash) and the beginning of a name in it. `~` alone is a folder."""
    head, slash, tail = text.rpartition("/")
    if not slash and tail == "~":
        return "~/", ""
    return head + slash, tail


def absolute(head: str, here: str) -> str:
    """The folder that `head` names, seen from the folder `here`."""
    return os.path.normpath(absolute_path(head, here))


def short(path: str) -> str:
    """A path with `~` for the home folder."""
    home = os.path.expanduser("~")
    return "~" + path[len(home) :] if home != "/" and (path == home or path.startswith(home + "/")) else path


def read_folder(
    path: str, is_cancelled: Callable[[], bool] = lambda: False, keep: Callable[[str], bool] = openable
) -> Listing:
    """The folder `path`. keep: which files are listed. Trouble becomes words; InterruptedError where it is
    cancelled."""
    folders: list[str] = []
    kept: list[os.DirEntry[str]] = []
    left_out = 0
    try:
        with os.scandir(path) as found:
            for place, entry in enumerate(found):
                if place % 1000 == 0 and is_cancelled():
                    raise InterruptedError("another folder was asked for")
                if _is_folder(entry):
                    if not entry.name.endswith(SIDECAR_SUFFIX):  # edits and mappings that lie beside the data
                        folders.append(entry.name)
                elif keep(entry.name):
                    kept.append(entry)
                else:
                    left_out += 1
    except InterruptedError:
        raise
    except OSError as error:
        return Listing(path, trouble=_trouble(error))
    many = len(kept) + len(folders) > MANY
    files = (
        [Entry(entry.name, UNKNOWN) for entry in kept] if many else [file for entry in kept for file in _file(entry)]
    )
    folders.sort(key=str.casefold if many else natural)
    files.sort(key=(lambda entry: entry.name.casefold()) if many else (lambda entry: natural(entry.name)))
    whole, splits = _whole(path, folders, [entry.name for entry in files])
    if whole == SAVED:
        files = [entry for entry in files if entry.name not in _ABOUT]
    entries = (*(Entry(name) for name in folders), *files)
    return Listing(path, entries, whole, splits, left_out, "", tuple(entry.name.casefold() for entry in entries))


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts `part-9` before `part-10`."""
    return [
        (int(part), "") if part.isdecimal() and part.isascii() else (-1, part)
        for part in re.split(r"(\d+)", name.casefold())
        if part
    ]


def glob_matches(pattern: str, is_cancelled: Callable[[], bool] = lambda: False) -> tuple[list[str], bool]:
    """The files that a glob names and that can be opened, at most `MATCHES`, and whether there are more."""
    found: list[str] = []
    for path in glob.iglob(os.path.expanduser(pattern), recursive=True):
        if is_cancelled():
            raise InterruptedError("another pattern was typed")
        if openable(path):
            if len(found) == MATCHES:
                return sorted(found, key=natural), True
            found.append(path)
    return sorted(found, key=natural), False


def common_start(names: list[str]) -> str:
    """What all names begin with."""
    if not names:
        return ""
    first, last = min(names), max(names)
    return next(
        (first[:place] for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other), first
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle


def _file(entry: os.DirEntry[str]) -> Iterator[Entry]:
    try:
        about = entry.stat()
    except OSError:
        return  # it went meanwhile, or is a link to nowhere
    yield Entry(entry.name, about.st_size, about.st_mtime)


def _trouble(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "you may not look into this folder"
    if isinstance(error, FileNotFoundError):
        return "there is no such folder"
    if isinstance(error, NotADirectoryError):
        return "this is a file, not a folder"
    return f"the folder cannot be read ({error.strerror or error})"


def _whole(path: str, folders: list[str], files: list[str]) -> tuple[str, tuple[str, ...]]:
    """What the folder is as one data set, in words, and its splits where there are several. As
    `core.data.locate.source_files` opens it."""
    if os.path.isfile(os.path.join(path, "dataset_dict.json")):
        return SAVED, _saved_splits(path)
    if os.path.isfile(os.path.join(path, "state.json")):
        return SAVED, ()
    names = [name for name in files if not name.startswith(".")]
    if not names and "data" in folders:
        try:
            names = [
                name for name in os.listdir(os.path.join(path, "data")) if openable(name) and not name.startswith(".")
            ]
        except OSError:
            names = []
        if len(names) == 1:
            return "a data set as the hub keeps it", ()
    if len(names) < 2:
        return "", ()
    if len(names) > MANY:
        return f"its {len(names):,} files as one data set", ()
    groups = group_by_split(in_natural_order(map(Path, names)), whole=True)
    if any(len({format_of_file(file) for file in files}) > 1 for files in groups.values()):
        return "", ()
    if len(groups) == 1:
        return f"its {len(names):,} files as one data set", ()
    if "train" in groups or len(groups) < len(names):
        return f"a data set of {len(groups)} splits", tuple(groups)
    return "", ()  # data sets of their own


def _saved_splits(path: str) -> tuple[str, ...]:
    try:
        with open(os.path.join(path, "dataset_dict.json"), "rb") as file:
            splits = json.loads(file.read(1 << 20)).get("splits")
    except (OSError, ValueError, AttributeError, RecursionError):
        return ()
    return tuple(str(name) for name in splits) if isinstance(splits, list) else ()
