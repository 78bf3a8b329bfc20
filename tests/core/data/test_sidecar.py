"""Where a person's mapping and edits lie."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from core.base import folders
from core.base.errors import DataError
from core.data.columns.mapping import ColumnMapping, ColumnPick, save_mapping
from core.data.locate.source_files import locate_source
from core.data.sidecar import sidecar_of
from core.data.source import open_data

ROW = '{"instruction": "q", "output": "a", "note": "n"}\n'


def test_beside_the_data(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(ROW)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    for name in ("a.jsonl", "link.jsonl"):
        beside = sidecar_of(locate_source(str(tmp_path / name)))
        assert beside.beside and beside.folder == tmp_path / "a.jsonl.suiron" and not beside.folder.exists()
    folder = tmp_path / "folder"
    folder.mkdir()
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text(ROW)
    assert sidecar_of(locate_source(str(folder), "test")).folder == tmp_path / "folder.suiron" / "test"
    assert sidecar_of(locate_source(str(folder))).folder == tmp_path / "folder.suiron" / "train"


def test_in_the_home_where_nothing_can_lie_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text(ROW)
    found = [sidecar_of(locate_source(source)).folder for source in ("demo", str(tmp_path / "*.jsonl"))]
    monkeypatch.setattr("core.data.sidecar.os.access", lambda *_: False)  # root may write anywhere
    found += [sidecar_of(locate_source(str(tmp_path / "a.jsonl"))).folder]
    assert len(set(found)) == 3 and {folder.parent for folder in found} == {folders.home() / "data"}
    assert found[2].name.startswith("a.jsonl-") and not any(folder.exists() for folder in found)
    monkeypatch.undo()


def test_what_is_there_stays_the_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(ROW)
    with monkeypatch.context() as patch:
        patch.setattr("core.data.sidecar.os.access", lambda *_: False)
        away = sidecar_of(locate_source(str(path)))
    away.folder.mkdir(parents=True)
    assert sidecar_of(locate_source(str(path))) == away and not away.beside
    (tmp_path / "a.jsonl.suiron").mkdir()
    assert sidecar_of(locate_source(str(path))).beside


def test_a_saved_mapping_is_used_and_is_part_of_the_key(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(ROW)
    before = open_data(str(path))
    place = sidecar_of(locate_source(str(path)))
    os.makedirs(place.folder, mode=0o700)
    save_mapping(
        ColumnMapping({"instruction": ColumnPick("note"), "output": ColumnPick("output")}, by_hand=True), place.mapping
    )
    after = open_data(str(path))
    assert (before.row(0).instruction, after.row(0).instruction) == (
        "q",
        "n",
    ) and before.fingerprint != after.fingerprint
    given = open_data(
        str(path), mapping=ColumnMapping({"instruction": ColumnPick("instruction"), "output": ColumnPick("note")})
    )
    assert given.row(0).output == "n"
    place.mapping.write_text(json.dumps({"picks": 5}))
    with pytest.raises(DataError, match="mapping"):
        open_data(str(path))


def test_folders_do_not_list_it(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(ROW)
    (tmp_path / "a.jsonl.suiron").mkdir()
    (tmp_path / "a.jsonl.suiron" / "edits.jsonl").write_text("{}\n")
    assert len(locate_source(str(tmp_path)).paths) == 1


def test_a_folder_that_nobody_may_write_in_is_left_alone_also_by_root(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    (folder / "a.jsonl").write_text(ROW)
    folder.chmod(0o555)
    try:
        place = sidecar_of(locate_source(str(folder / "a.jsonl")))
        assert not place.beside and place.folder.parent == folders.home() / "data"
    finally:
        folder.chmod(0o755)
