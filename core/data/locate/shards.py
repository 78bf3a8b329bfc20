"""Which files of a folder belong together: shards of one split, by their names. Opens nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_SPLITS = frozenset({"train", "training", "test", "testing", "validation", "valid", "val", "dev", "eval"})
_SHARD = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?")  # what datasets and the hub write
_PART = re.compile(
    r"(?P<split>(?:.*[-_.])?(?:part|shard|chunk)|.*?)[-_.]?\d{2,}(?:[-_.][0-9a-f]{8}-[0-9a-f-]{27}.*)?", re.IGNORECASE
)  # Spark's too
_WORD = re.compile(r"(^|[-_.])(part|shard|chunk)$", re.IGNORECASE)
_DIGITS = re.compile(r"(\d+)")


def in_order(files: Iterable[Path]) -> tuple[Path, ...]:
    """By name, numbers by their value: part-2 stands before part-10."""
    return tuple(
        sorted(
            files,
            key=lambda file: [
                (int(piece), "") if piece.isdecimal() else (-1, piece) for piece in _DIGITS.split(str(file))
            ],
        )
    )


def stem(path: Path) -> str:
    """The name without its endings: `train-00000-of-00002.jsonl.gz` is `train-00000-of-00002`."""
    return Path(path.stem).stem if path.suffix.lower() in (".gz", ".zst") else path.stem


def group(files: tuple[Path, ...], whole: bool) -> dict[str, tuple[Path, ...]]:
    """The files by split. Text files under names of their own are data sets of their own; Parquet files under such
    names are parts of one, where the `whole` is wanted."""
    stems = [stem(file) for file in files]
    parquet = all(file.suffix.lower() == ".parquet" for file in files)
    if whole and parquet and not any(_SHARD.fullmatch(one) for one in stems) and not set(map(_split, stems)) <= _SPLITS:
        return {"": files}
    groups: dict[str, list[Path]] = {}
    for file, one in zip(files, stems, strict=True):
        groups.setdefault(_split(one), []).append(file)
    return {split: tuple(members) for split, members in groups.items()}


def _split(stem: str) -> str:
    if shard := _SHARD.fullmatch(stem):
        return shard["split"]
    if part := _PART.fullmatch(stem):
        return _WORD.sub("", part["split"])
    return stem
