"""Paths as the user types them: absolute, and never an error, whatever the name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.base.paths import absolute_name, absolute_path, existing_path

NO_PATHS = ("owner/name", "no-such-folder", "x" * 300, "x" * 5000, "a\0b", "~nobody-of-this-name/model", "\udcff")


def test_a_folder_beside_us_is_named_in_full_and_other_names_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model", "demo"):
        (tmp_path / name).mkdir()
    assert absolute_name("model") == absolute_name("./model") == str(tmp_path / "model")
    for name in ("demo", "owner/name", "no-such-folder", "x" * 5000, "a\0b"):
        assert absolute_name(name) == name


@pytest.mark.parametrize("name", NO_PATHS)
def test_no_name_raises(name: str) -> None:
    assert absolute_name(name) == name and existing_path(name) is None
    assert os.path.isabs(absolute_path(name))


def test_the_home_folder_and_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models" / "a").mkdir(parents=True)
    assert existing_path("~/models/a") == existing_path("a", tmp_path / "models") == str(tmp_path / "models" / "a")
    assert absolute_path("new.jsonl", tmp_path) == str(tmp_path / "new.jsonl")
    assert existing_path("", tmp_path) is None


def test_a_way_back_through_a_link_is_kept(tmp_path: Path) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "link").symlink_to(tmp_path / "far" / "away")
    (tmp_path / "far" / "model").mkdir()
    (tmp_path / "near" / "other").mkdir()
    assert existing_path("near/link/../model", tmp_path) == str(tmp_path / "near/link/../model")
    assert existing_path("near/other/../link", tmp_path) == str(tmp_path / "near/link")


def test_without_a_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert absolute_name("model") == "model" and existing_path(str(tmp_path)) == str(tmp_path)
