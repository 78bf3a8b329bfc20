"""From what a person typed to the files that hold the rows and their format. Looks at names and folders; reads no rows."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.errors import DataError

Format = Literal["csv", "tsv", "json", "lines", "parquet", "streams"]
FORMATS: dict[str, Format] = {".csv": "csv", ".tsv": "tsv", ".json": "json", ".jsonl": "lines", ".ndjson": "lines", ".parquet": "parquet"}
_KNOWN = ", ".join(suffix[1:] for suffix in FORMATS)
_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(:[\w.-]+)?")
_SHARD = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?")
_DEMO = Path(__file__).resolve().parents[1] / "demo" / "rows.jsonl"


@dataclass(frozen=True)
class Found:
    """name: a short label; where: for errors; paths: the files in order; split: the one taken, empty where there are none."""

    name: str
    where: str
    paths: tuple[Path, ...]
    format: Format
    split: str = ""


def locate(source: str, split: str) -> Found:
    """The files behind `source`; a hub name not in the cache is fetched, which takes as long as the network does. Raises DataError."""
    if source == "demo":
        return _file(_DEMO, split, "demo")
    path = Path(source).expanduser()
    if not source or not _exists(path):
        if source and path.suffix.lower() not in FORMATS and _HUB.fullmatch(source):
            from core.data import hub  # subprocess and its kin, which no local file needs

            found = _folder(hub.fetch(source, split), "", source)
            return Found(source, source, found.paths, found.format, split or found.split)
        raise DataError("there is no such file or folder", source or "the data set's name is empty", "Check the path; a hub data set is owner/name")
    return _folder(path, split, path.resolve().name) if path.is_dir() else _file(path, split, path.name)


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"it cannot be looked at ({reason})", str(path), "Check the path and who may read it") from error
    return True


def _file(path: Path, split: str, name: str) -> Found:
    if split:
        raise DataError(f"a single file has no split {split}", str(path), "Leave the split out; rows are chosen by their sysflag")
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        what = f"files ending in {path.suffix} are not known" if path.suffix else "its name has no ending, so its format is not known"
        raise DataError(what, str(path), f"Known are {_KNOWN}, folders saved by datasets, and hub names")
    _check(path)
    return Found(name, str(path), (path,), kind)


def _check(path: Path) -> None:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise DataError("it is no regular file", str(path), f"Known are {_KNOWN}")
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror})", str(path), "Check who may read it") from error
    if about.st_size == 0:
        raise DataError("the file is empty", str(path), "Name a file with at least one row")


def _folder(path: Path, split: str, name: str) -> Found:
    try:
        if (path / "dataset_dict.json").is_file():
            splits = _json(path / "dataset_dict.json").get("splits")
            split = _one([str(name) for name in splits] if isinstance(splits, list) else [], split, path)
            return _saved(path / split, split, f"{name} [{split}]")
        if (path / "state.json").is_file():
            if split:
                raise DataError(f"this saved data set has no split {split}", str(path), "Leave the split out; rows are chosen by their sysflag")
            return _saved(path, "", name)
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in FORMATS and file.is_file() and not file.name.startswith("."))
        if not files and (path / "data").is_dir():  # a hub repository as it was downloaded
            return _folder(path / "data", split, name)
    except OSError as error:
        raise DataError(f"the folder cannot be read ({error.strerror})", str(path), "Check who may read it") from error
    if not files:
        raise DataError("there is no data in the folder", str(path), f"Known are {_KNOWN}, and folders saved by datasets")
    groups: dict[str, list[Path]] = {}
    for file in files:
        shard = _SHARD.fullmatch(file.stem)
        groups.setdefault(shard["split"] if shard and file.suffix == ".parquet" else file.stem, []).append(file)
    if all(file.suffix == ".parquet" for file in files) and not split and not any(_SHARD.fullmatch(file.stem) for file in files):
        groups = {"": files}  # parts of one data set under names of their own
    if len(groups) == 1 and not split:
        split, chosen = "", files
    else:
        split = _one(sorted(groups), split, path)
        chosen = groups[split]
    for file in chosen:
        _check(file)
    if len(chosen) > 1 and any(file.suffix.lower() != ".parquet" for file in chosen):
        names = ", ".join(file.name for file in chosen[:10])
        raise DataError(f"the folder holds several data files ({names})", str(path), "Name one of them")
    return Found(f"{name} [{split}]" if split else name, str(path), tuple(chosen), FORMATS[chosen[0].suffix.lower()], split)


def _one(splits: list[str], split: str, path: Path) -> str:
    """The split asked for, else the only one, else `train`."""
    if split:
        if split not in splits:
            raise DataError(f"there is no split {split}; there are: {', '.join(splits) or 'none'}", str(path), "Name one of these")
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
    files = [path / str(file["filename"]) for file in named if isinstance(file, dict) and "filename" in file] if isinstance(named, list) else []
    where, again = str(path / "state.json"), "Save it again with save_to_disk"
    if not files:
        raise DataError("the saved data set names no files", where, again)
    for file in files:
        if file.parent != path:
            raise DataError(f"the saved data set names a file outside its folder ({file.name})", where, again)
        _check(file)
    return Found(name, str(path), tuple(files), "streams", split)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"this part of a saved data set cannot be read ({error})", str(path), "Save it again with save_to_disk") from error
    return value if isinstance(value, dict) else {}
