"""The files behind the name of a source, and their format. Looks at names, folders and first bytes; reads no rows."""

from __future__ import annotations

import json
import shlex
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.base.errors import DataError
from core.data.formats.registry import FormatName, format_of_file, readable_formats
from core.data.locate.judged_files import FileFault, judge_files
from core.data.locate.shards import are_single_records, group_by_split, in_natural_order, missing_shards
from core.data.locate.source_name import resolve_source_name
from core.data.split_names import SPLIT_NAMES, usual_split

SIDECAR_SUFFIX = ".suiron"
"""The suffix of folders beside the data that contain the user's edits and mappings."""

_DEMO_ROWS = Path(__file__).resolve().parents[2] / "demo" / "rows.jsonl"
_LISTED = 10  # names in a message
_LISTED_SPLITS = 20
_NO_SPLITS_ADVICE = "Leave the split out; rows are chosen by their sysflag"
_SAVE_AGAIN = "Save it again with save_to_disk"
_ABOUT_DATA = frozenset({"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "hub.json"})
"""Files beside data sets that describe them and have no rows."""


@dataclass(frozen=True)
class SourceFiles:
    """The files of one source."""

    name: str
    """A short label, foreign text."""
    where: str
    """The source's name in errors: the file, folder, pattern or hub name."""
    paths: tuple[Path, ...]
    """The files with rows, in order; at least one."""
    format: FormatName
    """The format of all files."""
    split: str = ""
    """The split that is opened; empty where there are none."""
    root: Path | None = None
    """The file or folder in the name; None where nothing may be written beside it: demo, pattern, hub name."""
    revision: str = ""
    """The commit of a hub data set; empty for anything else, and where it is not known."""
    other_splits: tuple[str, ...] = ()
    """The splits that could be opened instead."""
    faults: tuple[FileFault, ...] = ()
    """Files that are not read, and shards that are missing."""
    notes: tuple[str, ...] = ()
    """How files are read where their names say otherwise: sentences without full stops."""
    names: tuple[str, ...] = ()
    """The names of the columns that the user gave to tables without a header; empty where there is a header."""


def locate_source(source: str, split: str = "") -> SourceFiles:
    """The files behind `source`: `demo`, a file, folder or pattern, or a hub name. A hub name that is not in the cache
    is fetched, which takes as long as the network does. Raises DataError."""
    target = resolve_source_name(source)
    path = Path(target.address)
    if target.kind == "demo":
        return replace(_locate_file(_DEMO_ROWS, split, source), root=None)
    if target.kind == "path":
        files = (
            _locate_folder(path, split, path.resolve().name)
            if _is_folder(path)
            else _locate_file(path, split, path.name)
        )
        return replace(files, root=path)
    if target.kind == "pattern":
        return _locate_pattern(path, split)
    if target.kind == "hub":
        from core.data.locate import hub  # imports subprocess, which no local file needs

        folder, revision = hub.fetch_data_set(source, split)
        files = _locate_folder(folder, "", source.partition("@")[0])
        return replace(files, name=source, where=source, split=split or files.split, root=None, revision=revision)
    what = "there is no such file or folder" if "\0" not in source else "a name cannot contain a null byte"
    do = "Check the path; a hub data set is owner/name, owner/name:configuration or owner/name@revision"
    raise DataError(what, source or "the data set's name is empty", do)


def is_data_file(path: Path) -> bool:
    """Whether an entry of a folder is a file with a known suffix, or a link to one that does not exist."""
    if format_of_file(path) is None or path.name.startswith(".") or path.name in _ABOUT_DATA:
        return False
    return path.is_file() or (path.is_symlink() and not path.exists())


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        do = "Check the path and who may read it"
        raise DataError(f"it cannot be examined ({error.strerror or error})", str(path), do) from error


def _locate_file(path: Path, split: str, name: str) -> SourceFiles:
    if split:
        raise DataError(f"a single file has no split {split}", str(path), _NO_SPLITS_ADVICE)
    return _judged(name, str(path), (path,), "")


def _judged(name: str, where: str, files: Sequence[Path], do: str) -> SourceFiles:
    """The source of these files. do: of the error where their names have several formats. Raises DataError where none
    of them can be read."""
    judged = judge_files(files, where, do)
    return SourceFiles(name, where, judged.paths, judged.format, faults=judged.faults, notes=judged.notes)


def _locate_pattern(path: Path, split: str) -> SourceFiles:
    import glob

    where = str(path)
    if split:
        raise DataError(f"a pattern of file names has no split {split}", where, _NO_SPLITS_ADVICE)
    matches = [Path(name) for name in glob.glob(where, recursive=True)]
    files = in_natural_order(file for file in matches if is_data_file(file) and not _is_in_sidecar(file))
    if not files:
        what = "no file matches this pattern"
        if matches:
            what = f"none of the {len(matches)} files that match this pattern has a known format"
        raise DataError(what, where, f"Check the pattern. The known formats are {readable_formats()}")
    return _judged(path.name, where, files, "Narrow the pattern, as in *.jsonl")


def _is_in_sidecar(path: Path) -> bool:
    return any(part.endswith(SIDECAR_SUFFIX) for part in path.parts)


def _locate_folder(path: Path, split: str, name: str) -> SourceFiles:
    try:
        if (path / "dataset_dict.json").is_file():
            splits = _read_json(path / "dataset_dict.json").get("splits")
            known_splits = [str(name) for name in splits] if isinstance(splits, list) else []
            split = _choose_split(known_splits, split, path)
            saved = _locate_saved(path / split, split, f"{name} [{split}]")
            return replace(saved, other_splits=_others(known_splits, split))
        if (path / "state.json").is_file():
            if split:
                raise DataError(f"this saved data set has no split {split}", str(path), _NO_SPLITS_ADVICE)
            return _locate_saved(path, "", name)
        files = in_natural_order(file for file in path.iterdir() if is_data_file(file))
        if not files and (path / "data").is_dir():  # a downloaded hub repository
            return _locate_folder(path / "data", split, name)
        folders = [] if files else _visible_folders(path)
        if folders and any(folder.lower() in SPLIT_NAMES for folder in folders):
            return _locate_split_folder(path, folders, split, name)
        if folders:
            files = _single_records(path, folders)
    except OSError as error:
        raise DataError(f"the folder cannot be read ({error.strerror})", str(path), "Check who may read it") from error
    if not files:
        do = f"Use {readable_formats()}, or a folder saved by datasets"
        if folders:
            do = f"Name one of the folders in it: {', '.join(folders[:_LISTED])}"
        raise DataError("there is no data in the folder", str(path), do)
    groups = group_by_split(files, whole=not split)
    chosen = files
    if split or len(groups) > 1:
        split = _choose_split(sorted(groups), split, path)
        chosen = groups[split]
    found = _judged(f"{name} [{split}]" if split else name, str(path), chosen, "Name one of them")
    missing = tuple(
        FileFault(shard, "this shard is missing, by the names of the others", "Copy or download it")
        for shard in missing_shards(chosen)
    )
    return replace(found, split=split, other_splits=_others(sorted(groups), split), faults=(*found.faults, *missing))


def _others(splits: Sequence[str], split: str) -> tuple[str, ...]:
    return tuple(other for other in splits if other and other != split) if split else ()


def _locate_split_folder(path: Path, folders: list[str], split: str, name: str) -> SourceFiles:
    """One of the folders that are named like splits, such as `train/`."""
    splits = [folder for folder in folders if folder.lower() in SPLIT_NAMES]
    split = _choose_split(splits, split, path)
    inside = _locate_folder(path / split, "", f"{name} [{split}]")
    return replace(inside, where=str(path), split=split, other_splits=_others(splits, split))


def _single_records(path: Path, folders: list[str]) -> tuple[Path, ...]:
    """The files in the folders of a folder, where each keeps one record under a number, as in `algebra/1.json`: the
    folders are categories and the files parts of one set. None for any other files."""
    files = [file for folder in folders for file in (path / folder).iterdir() if is_data_file(file)]
    return in_natural_order(files) if are_single_records(files) else ()


def _visible_folders(path: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in path.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and entry.suffix != SIDECAR_SUFFIX
    )


def _choose_split(splits: list[str], split: str, path: Path) -> str:
    """The requested split, else the only one, else `train` in any case. Raises DataError."""
    if split:
        if split not in splits:
            names = ", ".join(filter(None, splits)) or "none"
            raise DataError(f"there is no split {split}; its splits: {names}", str(path), "Name one of these")
        return split
    if len(splits) == 1:
        return splits[0]
    if usual := usual_split(splits):
        return usual
    if not any(splits):
        raise DataError("it lists no splits", str(path), "Name the split to open")
    named = [name for name in splits if name]
    names = ", ".join(named[:_LISTED_SPLITS]) + (", …" if len(named) > _LISTED_SPLITS else "")
    what = f"it has several splits and none is called train: {names}"
    raise DataError(what, str(path), f"Choose one, as in --split {shlex.quote(named[0])}")


def _locate_saved(path: Path, split: str, name: str) -> SourceFiles:
    """A folder of `Dataset.save_to_disk`: state.json names the Arrow files in order."""
    listed = _read_json(path / "state.json").get("_data_files")
    entries = listed if isinstance(listed, list) else []
    files = [path / str(entry["filename"]) for entry in entries if isinstance(entry, dict) and "filename" in entry]
    where = str(path / "state.json")
    if not files:
        raise DataError("the saved data set names no files", where, _SAVE_AGAIN)
    for file in files:
        if file.parent != path:
            what = f"the saved data set names a file outside its folder ({file.name})"
            raise DataError(what, where, _SAVE_AGAIN)
    return replace(_judged(name, str(path), files, _SAVE_AGAIN), split=split)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        what = f"this part of a saved data set cannot be read ({error})"
        raise DataError(what, str(path), _SAVE_AGAIN) from error
    return value if isinstance(value, dict) else {}
