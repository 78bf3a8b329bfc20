"""From what a person typed to the files that hold the rows and their format. Looks at names and folders; reads no
rows."""

from __future__ import annotations

import errno
import json
import re
import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.base.errors import DataError
from core.data.formats.table import COMPRESSIONS, FormatName, format_of_file, readable_formats
from core.data.locate.shards import group, in_order

OURS = ".suiron"  # folders beside the data that hold a person's edits
_HUB = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(:(?P<config>[\w.-]+))?(@(?P<revision>[\w./-]+))?")
_WILD = re.compile(r"[*?\[]")
_DEMO = Path(__file__).resolve().parents[2] / "demo" / "rows.jsonl"


@dataclass(frozen=True)
class Found:
    """name: a short label; where: for errors; paths: the files in order; split: the one taken, empty where there are
    none.

    root: the file or folder that was named, None where nothing may be written beside it (the demo, a pattern, a hub
    name); revision: the commit of a hub data set, empty where the hub named none.
    """

    name: str
    where: str
    paths: tuple[Path, ...]
    format: FormatName
    split: str = ""
    root: Path | None = None
    revision: str = ""


def locate(source: str, split: str = "") -> Found:
    """The files behind `source`; a hub name not in the cache is fetched, which takes as long as the network does.
    Raises DataError."""
    if source == "demo":
        return replace(_file(_DEMO, split, "demo"), root=None)
    path = Path(source).expanduser()
    if source and _exists(path):
        found = _folder(path, split, path.resolve().name) if path.is_dir() else _file(path, split, path.name)
        return replace(found, root=path)
    if _WILD.search(source):
        return _pattern(path, split)
    if source and format_of_file(path) is None and (named := _HUB.fullmatch(source)):
        from core.data.locate import hub  # subprocess and its kin, which no local file needs

        folder, revision = hub.fetch(source, split)
        found = _folder(folder, "", named["name"] + (f":{named['config']}" if named["config"] else ""))
        return Found(source, source, found.paths, found.format, split or found.split, None, revision)
    do = "Check the path; a hub data set is owner/name, owner/name:configuration or owner/name@revision"
    raise DataError("there is no such file or folder", source or "the data set's name is empty", do)


def is_data(path: Path) -> bool:
    """Whether a folder's entry looks like a file of rows."""
    return format_of_file(path) is not None and not path.name.startswith(".") and path.is_file()


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            return False
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(
            f"it cannot be looked at ({reason})", str(path), "Check the path and who may read it"
        ) from error
    return True


def _file(path: Path, split: str, name: str) -> Found:
    if split:
        raise DataError(
            f"a single file has no split {split}", str(path), "Leave the split out; rows are chosen by their sysflag"
        )
    file_format = format_of_file(path)
    if file_format is None:
        ending = path.suffix.lower()
        what = (
            f"files ending in {path.suffix} are not known"
            if path.suffix
            else "its name has no ending, so its format is not known"
        )
        if ending in COMPRESSIONS:
            what = f"what lies packed in this {ending} cannot be told from its name"
        raise DataError(what, str(path), f"Known are {readable_formats()}, folders saved by datasets, and hub names")
    _check(path)
    return Found(name, str(path), (path,), file_format.name)


def _check(path: Path) -> None:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise DataError("it is no regular file", str(path), f"Known are {readable_formats()}")
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror})", str(path), "Check who may read it") from error
    if about.st_size == 0:
        raise DataError("the file is empty", str(path), "Name a file with at least one row")


def _pattern(path: Path, split: str) -> Found:
    import glob

    where = str(path.absolute())
    if split:
        raise DataError(
            f"a pattern of file names has no split {split}",
            where,
            "Leave the split out; rows are chosen by their sysflag",
        )
    met = [Path(name) for name in glob.glob(where, recursive=True)]
    files = in_order(file for file in met if is_data(file) and not any(part.endswith(OURS) for part in file.parts))
    if not files:
        what = f"none of the {len(met)} files that fit this pattern is known" if met else "no file fits this pattern"
        raise DataError(what, where, f"Check the pattern; known are {readable_formats()}")
    return Found(path.name, where, files, _one_format(files, where, "Narrow the pattern, as in *.jsonl"))


def _one_format(files: tuple[Path, ...], where: str, do: str) -> FormatName:
    formats = {file_format.name for file in files if (file_format := format_of_file(file)) is not None}
    if len(formats) > 1:
        names = ", ".join(file.name for file in files[:10])
        raise DataError(f"there are several data files of different formats ({names})", where, do)
    for file in files:
        _check(file)
    return formats.pop()


def _folder(path: Path, split: str, name: str) -> Found:
    try:
        if (path / "dataset_dict.json").is_file():
            splits = _json(path / "dataset_dict.json").get("splits")
            split = _one([str(name) for name in splits] if isinstance(splits, list) else [], split, path)
            return _saved(path / split, split, f"{name} [{split}]")
        if (path / "state.json").is_file():
            if split:
                raise DataError(
                    f"this saved data set has no split {split}",
                    str(path),
                    "Leave the split out; rows are chosen by their sysflag",
                )
            return _saved(path, "", name)
        files = in_order(file for file in path.iterdir() if is_data(file))
        if not files and (path / "data").is_dir():  # a hub repository as it was downloaded
            return _folder(path / "data", split, name)
        below = (
            []
            if files
            else sorted(
                one.name
                for one in path.iterdir()
                if one.is_dir() and not one.name.startswith(".") and one.suffix != OURS
            )
        )
    except OSError as error:
        raise DataError(f"the folder cannot be read ({error.strerror})", str(path), "Check who may read it") from error
    if not files:
        do = (
            f"Name one of the folders in it: {', '.join(below[:10])}"
            if below
            else f"Known are {readable_formats()}, and folders saved by datasets"
        )
        raise DataError("there is no data in the folder", str(path), do)
    groups = group(files, whole=not split)
    if len(groups) == 1 and not split:
        chosen = files
    else:
        split = _one(sorted(groups), split, path)
        chosen = groups[split]
    kind = _one_format(chosen, str(path), "Name one of them")
    return Found(f"{name} [{split}]" if split else name, str(path), chosen, kind, split)


def _one(splits: list[str], split: str, path: Path) -> str:
    """The split asked for, else the only one, else `train`."""
    if split:
        if split not in splits:
            raise DataError(
                f"there is no split {split}; there are: {', '.join(filter(None, splits)) or 'none'}",
                str(path),
                "Name one of these",
            )
        return split
    if len(splits) == 1:
        return splits[0]
    if "train" in splits:
        return "train"
    what = f"it has several splits ({', '.join(splits[:20])})" if splits else "it lists no splits"
    raise DataError(what, str(path), "Name the split to open")


def _saved(path: Path, split: str, name: str) -> Found:
    """A folder of `Dataset.save_to_disk`: state.json names the Arrow files in order."""
    named = _json(path / "state.json").get("_data_files")
    files = (
        [path / str(file["filename"]) for file in named if isinstance(file, dict) and "filename" in file]
        if isinstance(named, list)
        else []
    )
    where, again = str(path / "state.json"), "Save it again with save_to_disk"
    if not files:
        raise DataError("the saved data set names no files", where, again)
    for file in files:
        if file.parent != path:
            raise DataError(f"the saved data set names a file outside its folder ({file.name})", where, again)
        _check(file)
    return Found(name, str(path), tuple(files), "arrow", split)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"this part of a saved data set cannot be read ({error})", str(path), "Save it again with save_to_disk"
        ) from error
    return value if isinstance(value, dict) else {}
