"""Groups the files of a folder into shards of one split, by their names. Opens nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from core.data.formats.registry import COMPRESSIONS
from core.data.split_names import SPLIT_NAMES

_SHARD = re.compile(r"(?P<split>.+?)-(?P<number>\d{5})-of-(?P<total>\d{5})(-[0-9a-f]+)?")  # by datasets and the hub
_PART = re.compile(
    r"(?P<split>(?:.*[-_.])?(?:part|shard|chunk)|.*?)[-_.]?\d{2,}(?:[-_.][0-9a-f]{8}-[0-9a-f-]{27}.*)?", re.IGNORECASE
)  # Spark's too
_FEW = re.compile(r"(?P<split>.*?(?P<word>(?:^|[-_.])(?:part|shard|chunk))?)[-_.]?\d", re.IGNORECASE)  # one digit
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
    splits = dict(zip(stems, map(_split, stems), strict=True))
    if whole and parquet and not numbered and not set(splits.values()) <= SPLIT_NAMES:
        return {"": files}
    prefixes = {part["split"] for stem in stems if not _SHARD.fullmatch(stem) and (part := _PART.fullmatch(stem))}
    groups: dict[str, list[Path]] = {}
    for file, stem in zip(files, stems, strict=True):
        groups.setdefault(_split_of_few(stem, prefixes) or splits[stem], []).append(file)
    return {split: tuple(members) for split, members in groups.items()}


def _split(stem: str) -> str:
    if stem.isdecimal():
        return ""  # a number is no name: one record a file, or the parts of one set
    if shard := _SHARD.fullmatch(stem):
        return shard["split"]
    if part := _PART.fullmatch(stem):
        return _WORD.sub("", part["split"])
    if (few := _FEW.fullmatch(stem)) and few["word"]:
        return _WORD.sub("", few["split"])
    return stem


def _split_of_few(stem: str, prefixes: set[str]) -> str:
    """The split of `data_9` where there is a `data_10` with the same prefix; empty for any other name."""
    few = _FEW.fullmatch(stem)
    return _WORD.sub("", few["split"]) if few and few["split"] in prefixes else ""


def missing_shards(files: Iterable[Path]) -> list[str]:
    """The names, without suffixes, of shards that the names of the others say there should be."""
    numbers: dict[tuple[str, int], set[int]] = {}
    for file in files:
        if shard := _SHARD.fullmatch(stem_without_suffixes(file)):
            numbers.setdefault((shard["split"], int(shard["total"])), set()).add(int(shard["number"]))
    return [
        f"{split}-{number:05}-of-{total:05}"
        for (split, total), present in numbers.items()
        for number in range(total)
        if number not in present
    ]


def are_single_records(files: Iterable[Path]) -> bool:
    """Whether the names are bare numbers, as of sets that keep one record in each file."""
    return all(stem_without_suffixes(file).isdecimal() for file in files)
