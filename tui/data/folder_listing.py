"""Lists what can be opened in a folder, and completes paths that are typed.

Reads folders and opens no data file. Knows no widget. What reads the disk is called in a thread: a folder may be on a
network or hold a hundred thousand names.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from core.base.paths import absolute_path
from core.data.formats.registry import format_of_file
from core.data.locate.shards import are_single_records, group_by_split, in_natural_order
from core.data.locate.source_files import SIDECAR_SUFFIX
from core.data.split_names import SPLIT_NAMES

MOST_MATCHES = 200  # files of a glob that are listed
LARGE_FOLDER = 5000  # entries above which a folder is read without sizes, natural order and splits: within a second
FOLDER_SIZE = -1  # in place of a size
UNKNOWN_SIZE = -2
SAVED_DATA_SET = "a saved data set"
_METADATA = frozenset({"dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json", "hub.json"})
_BY_CONTENT = (".txt", ".txt.gz", ".txt.zst")  # files that are read as what their content is


@dataclass(frozen=True)
class FolderEntry:
    """A folder, or a file that can be opened."""

    name: str
    """Without its folder."""
    size: int = FOLDER_SIZE
    """Bytes; FOLDER_SIZE for a folder, UNKNOWN_SIZE where the folder is large."""
    when: float = 0.0
    """The last change, seconds since 1970; 0 where it is not known."""

    @property
    def is_folder(self) -> bool:
        return self.size == FOLDER_SIZE


@dataclass(frozen=True)
class FolderListing:
    """A folder as it was read."""

    path: str
    """The folder, absolute."""
    entries: tuple[FolderEntry, ...] = ()
    """Folders, then files that can be opened, each sorted."""
    whole: str = ""
    """What the folder is as one data set, in words; empty where it is none."""
    splits: tuple[str, ...] = ()
    """The splits of that data set; empty where there is only one."""
    left_out: int = 0
    """How many files cannot be opened."""
    trouble: str = ""
    """Why the folder could not be read; empty where it could."""
    lowered: tuple[str, ...] = field(default=(), repr=False)
    """The names of the entries without case, for `matching`."""

    def matching(self, text: str, hidden: bool = False) -> list[FolderEntry]:
        """Entries whose name begins with `text`, in any case, then those that contain it. hidden: also names that begin
        with a dot, which `text` finds only if it begins with one."""
        folded_text = text.casefold()
        beginning: list[FolderEntry] = []
        containing: list[FolderEntry] = []
        for entry, name in zip(self.entries, self.lowered, strict=True):
            if name.startswith(".") and not (hidden or text.startswith(".")):
                continue
            if name.startswith(folded_text):
                beginning.append(entry)
            elif folded_text in name:
                containing.append(entry)
        return beginning + containing


def is_openable(name: str) -> bool:
    """Whether a file of this name is of a kind that can be opened; files that only describe data sets are not."""
    base = os.path.basename(name)
    return base not in _METADATA and (format_of_file(base) is not None or base.lower().endswith(_BY_CONTENT))


def split_path(text: str) -> tuple[str, str]:
    """The folder that was typed, up to its last slash, and the beginning of a name in it. A lone `~` is a folder."""
    head, slash, tail = text.rpartition("/")
    if not slash and tail == "~":
        return "~/", ""
    return head + slash, tail


def absolute_folder(head: str, here: str) -> str:
    """The absolute path of the folder `head`, relative to the folder `here`."""
    return os.path.normpath(absolute_path(head, here))


def short_path(path: str) -> str:
    """A path with `~` for the home folder."""
    home = os.path.expanduser("~")
    return "~" + path[len(home) :] if home != "/" and (path == home or path.startswith(home + "/")) else path


def read_folder(
    path: str, is_cancelled: Callable[[], bool] = lambda: False, keep: Callable[[str], bool] = is_openable
) -> FolderListing:
    """Read the folder `path`. keep: which files are listed, by name.

    For a folder that cannot be read, the listing has `trouble`. Raises InterruptedError where it is cancelled.
    """
    folders: list[str] = []
    files_found: list[os.DirEntry[str]] = []
    left_out = 0
    try:
        with os.scandir(path) as found:
            for index, entry in enumerate(found):
                if index % 1000 == 0 and is_cancelled():
                    raise InterruptedError("another folder was asked for")
                if _is_folder(entry):
                    if not entry.name.endswith(SIDECAR_SUFFIX):  # edits and mappings kept beside the data
                        folders.append(entry.name)
                elif keep(entry.name):
                    files_found.append(entry)
                else:
                    left_out += 1
    except InterruptedError:
        raise
    except OSError as error:
        return FolderListing(path, trouble=_trouble(error))
    if len(files_found) + len(folders) > LARGE_FOLDER:
        files = [FolderEntry(entry.name, UNKNOWN_SIZE) for entry in files_found]
        folders.sort(key=str.casefold)
        files.sort(key=lambda entry: entry.name.casefold())
    else:
        files = [file for entry in files_found for file in _file_entry(entry)]
        folders.sort(key=natural_key)
        files.sort(key=lambda entry: natural_key(entry.name))
    whole, splits = _whole(path, folders, [entry.name for entry in files])
    entries = (*(FolderEntry(name) for name in folders), *files)
    return FolderListing(path, entries, whole, splits, left_out, "", tuple(entry.name.casefold() for entry in entries))


def natural_key(name: str) -> list[tuple[int, str]]:
    """A sort key that puts `part-9` before `part-10`."""
    return [
        (int(part), "") if part.isdecimal() and part.isascii() else (-1, part)
        for part in re.split(r"(\d+)", name.casefold())
        if part
    ]


def glob_matches(pattern: str, is_cancelled: Callable[[], bool] = lambda: False) -> tuple[list[str], bool]:
    """The files that a glob matches and that can be opened, at most `MOST_MATCHES`, and whether there are more. Raises
    InterruptedError where it is cancelled."""
    found: list[str] = []
    for path in glob.iglob(os.path.expanduser(pattern), recursive=True):
        if is_cancelled():
            raise InterruptedError("another pattern was typed")
        if is_openable(path):
            if len(found) == MOST_MATCHES:
                return sorted(found, key=natural_key), True
            found.append(path)
    return sorted(found, key=natural_key), False


def common_prefix(names: list[str]) -> str:
    """The longest prefix that all names share."""
    if not names:
        return ""
    first, last = min(names), max(names)
    for length, (left, right) in enumerate(zip(first, last, strict=False)):
        if left != right:
            return first[:length]
    return first


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link in a circle


def _file_entry(entry: os.DirEntry[str]) -> Iterator[FolderEntry]:
    try:
        status = entry.stat()
    except OSError:
        return  # it was removed meanwhile, or is a broken link
    yield FolderEntry(entry.name, status.st_size, status.st_mtime)


def _trouble(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "no permission to read this folder"
    if isinstance(error, FileNotFoundError):
        return "there is no such folder"
    if isinstance(error, NotADirectoryError):
        return "this is a file, not a folder"
    return f"the folder cannot be read ({error.strerror or error})"


def _whole(path: str, folders: list[str], files: list[str]) -> tuple[str, tuple[str, ...]]:
    """What the folder is as one data set, in words, and its splits where it has some: the rules by which
    `core.data.locate.source_files` opens it."""
    if os.path.isfile(os.path.join(path, "dataset_dict.json")):
        return SAVED_DATA_SET, _saved_splits(path)
    if os.path.isfile(os.path.join(path, "state.json")):
        return SAVED_DATA_SET, ()
    names = _with_format(files)
    if not names and "data" in folders:
        return _hub_data(os.path.join(path, "data"))
    if not names:
        return _whole_of_folders(path, [name for name in folders if not name.startswith(".")])
    return _whole_of_files(names)


def _with_format(names: list[str]) -> list[str]:
    """The files that belong to a folder that is opened as one data set: others are opened by themselves."""
    return [name for name in names if not name.startswith(".") and format_of_file(name) and name not in _METADATA]


def _hub_data(path: str) -> tuple[str, tuple[str, ...]]:
    """The folder `data` of a data set as the hub keeps it."""
    folders, files = _names_in(path)
    names = _with_format(files)
    if len(names) == 1:
        return "a data set as the hub keeps it", ()
    return _whole_of_files(names) if names else _whole_of_folders(path, folders)


def _whole_of_folders(path: str, folders: list[str]) -> tuple[str, tuple[str, ...]]:
    """Folders named like splits, or categories whose files keep one record each."""
    splits = tuple(name for name in folders if name.lower() in SPLIT_NAMES)
    if splits:
        return ("a data set of its splits" if len(splits) > 1 else f"the data set in {splits[0]}/"), splits
    if folders:
        first = _with_format(_names_in(os.path.join(path, folders[0]))[1])
        if first and are_single_records(map(Path, first)):
            return f"the records in its {len(folders):,} folders as one data set", ()
    return "", ()


def _whole_of_files(names: list[str]) -> tuple[str, tuple[str, ...]]:
    if len(names) < 2:
        return "", ()
    if len(names) > LARGE_FOLDER:
        return f"its {len(names):,} files as one data set", ()
    groups = group_by_split(in_natural_order(map(Path, names)), whole=True)
    if any(len(_formats(files)) > 1 for files in groups.values()):
        return "", ()
    if len(groups) == 1:
        return f"its {len(names):,} files as one data set", ()
    are_splits = "train" in groups or all(name.lower() in SPLIT_NAMES for name in groups)
    if are_splits or len(groups) < len(names):
        return f"a data set of {len(groups)} splits", tuple(groups)
    return "", ()  # data sets of their own


def _formats(files: tuple[Path, ...]) -> set[str]:
    """The formats of the files by their names; a document and lines are one, because they are read together."""
    names = {file_format.name for file in files if (file_format := format_of_file(file)) is not None}
    return {"json"} if names == {"lines", "json"} else {str(name) for name in names}


def _names_in(path: str) -> tuple[list[str], list[str]]:
    """The names of the visible folders and of the files in a folder, at most `LARGE_FOLDER` of them, sorted; none where
    it cannot be read."""
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(path) as found:
            for entry in islice(found, LARGE_FOLDER):
                if not entry.name.startswith("."):
                    (folders if _is_folder(entry) else files).append(entry.name)
    except OSError:
        return [], []
    return sorted(folders, key=natural_key), sorted(files, key=natural_key)


def _saved_splits(path: str) -> tuple[str, ...]:
    try:
        with open(os.path.join(path, "dataset_dict.json"), "rb") as file:
            splits = json.loads(file.read(1 << 20)).get("splits")
    except (OSError, ValueError, AttributeError, RecursionError):
        return ()
    return tuple(str(name) for name in splits) if isinstance(splits, list) else ()
