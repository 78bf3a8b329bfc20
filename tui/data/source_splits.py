"""The splits of a source, so that the room can say which one is shown and offer the others.

Reads folders and no rows. Called in threads. Knows no widget.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.safe_text import safe_line
from core.data.locate.source_name import resolve_source_name
from tui.actions import key_of
from tui.data.folder_listing import read_folder

if TYPE_CHECKING:
    from core.data.locate.source_files import SourceFiles

SHOWN = 5  # other splits that are named


def source_splits(source: str, files: SourceFiles | None) -> tuple[str, ...]:
    """Every split of a folder or of a hub data set that is on this disk; none where there is only one.

    files: those that are open; None for a source that could not be opened.
    """
    folder = _folder_of(source, files)
    splits = read_folder(str(folder)).splits if folder is not None else ()
    if len(splits) < 2 and files is not None and files.split:
        splits = (files.split, *files.other_splits)
    return splits if len(splits) > 1 else ()


def _folder_of(source: str, files: SourceFiles | None) -> Path | None:
    """The folder with the splits; None where there is none."""
    if files is not None and files.root is None:  # a hub data set: the folder that holds its splits in the cache
        beside = files.paths[0].parent.parent
        return beside if (beside / "dataset_dict.json").is_file() else None
    name = resolve_source_name(source)
    return Path(name.address) if name.kind == "path" and os.path.isdir(name.address) else None


def split_words(split: str, splits: Sequence[str]) -> str:
    """`split train; o chooses test or validation`, safe text; empty where there is no other. split: the one shown."""
    others = [safe_line(name, 30) for name in splits if name != split]
    if not split or not others:
        return ""
    names = ", ".join(others[:SHOWN]) + (f" and {len(others) - SHOWN} more" if len(others) > SHOWN else "")
    if len(others) == 2:
        names = " or ".join(others)
    return f"split {safe_line(split, 30)} is shown; {key_of('data.open_source')} chooses another: {names}"
