"""Groups the files of a folder into shards of one split, by their names. Opens nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from core.data.formats.registry import COMPRESSIONS

_SPLITS = frozenset({"train", "training", "test", "testing", "validation", "valid", "val", "dev", "eval"})
_SHARD = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?")  # written by datasets and the hub
_PART = re.compile(
    r"(?P<split>(?:.*[-_.])?(?:part|shard|chunk)|.*?)[-_.]?\d{2,}(?:[-_.][0-9a-f]{8}-[0-9a-f-]{27}.*)?", re.IGNORECASE
)  # Spark's too
_WORD = re.compile(r"(^|[-_.])(part|shard|chunk)$", re.IGNORECASE)
_DIGITS = re.compile(r"(\d+)")


def in_natural_order(files: Iterable[Path]) -> tuple[Path, ...]:
    """Sorted by name, numbers by their value: part-2 comes before part-10."""

    def natural_key(file: Path) -> list[tuple[int, str]]:
        return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in _DIGITS.split(str(file))]

    return tuple(sorted(files, key=natural_key))


def stem_without_suffixes(path: Path) -> str:
    """The name without format and compression: `train-00000-of-00002` of `train-00000-of-00002.jsonl.gz`."""
    return Path(path.stem).stem if path.suffix.lower() in COMPRESSIONS else path.stem


def group_by_split(files: tuple[Path, ...], whole: bool) -> dict[str, tuple[Path, ...]]:
    """The files by split, which may be empty. Text files with unrelated names are separate data sets; Parquet files
    with such names are parts of one data set. whole: whether no split was requested."""
    stems = [stem_without_suffixes(file) for file in files]
    parquet = all(file.suffix.lower() == ".parquet" for file in files)
    numbered = any(_SHARD.fullmatch(stem) for stem in stems)
    if whole and parquet and not numbered and not set(map(_split, stems)) <= _SPLITS:
        return {"": files}
    groups: dict[str, list[Path]] = {}
    for file, stem in zip(files, stems, strict=True):
        groups.setdefault(_split(stem), []).append(file)
    return {split: tuple(members) for split, members in groups.items()}


def _split(stem: str) -> str:
    if shard := _SHARD.fullmatch(stem):
        return shard["split"]
    if part := _PART.fullmatch(stem):
        return _WORD.sub("", part["split"])
    return stem
