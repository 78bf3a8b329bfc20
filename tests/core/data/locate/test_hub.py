"""Hub names, with a local folder standing in for the hub, and without any network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.base import folders
from core.base.errors import DataError
from core.data.locate import hub, hub_child
from core.data.source import open_data

ROWS = {"question": ["q1", "富士山"], "answer": ["a1", "3776"], "lang": ["English", "Japanese"]}


def test_a_hub_name_is_fetched_once_and_opened_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub" / "owner" / "name" / "data"
    folder.mkdir(parents=True)
    pq.write_table(pa.table(ROWS), folder / "train-00000-of-00001.parquet")
    pq.write_table(
        pa.table({name: values[:1] for name, values in ROWS.items()}), folder / "test-00000-of-00001.parquet"
    )
    monkeypatch.setenv("SUIRON_HUB", str(tmp_path / "hub"))
    data = open_data("owner/name", "test")
    assert (len(data), data.name, data.split, data.row(0).instruction) == (1, "owner/name", "test", "q1")
    with pytest.raises(DataError, match="split"):
        open_data("owner/name", "dev")
    everything = open_data("owner/name")
    assert (len(everything), everything.split, everything.row(1).output, everything.row(1).syslang) == (
        2,
        "train",
        "3776",
        "Japanese",
    )

    monkeypatch.setattr(subprocess, "Popen", None)  # nothing is started for what is there
    assert len(open_data("owner/name", "test")) == 1
    assert not list((folders.cache() / "hub").glob("*.part"))


def test_a_revision_is_asked_for_and_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "hub" / "owner" / "name"
    folder.mkdir(parents=True)
    pq.write_table(pa.table(ROWS), folder / "train.parquet")
    monkeypatch.setenv("SUIRON_HUB", str(tmp_path / "hub"))
    data = open_data("owner/name@0123abc", "train")
    assert (data.name, data.revision, data.split) == ("owner/name@0123abc", "0123abc", "train")
    assert open_data("owner/name", "train").revision == ""
    assert len(list((folders.cache() / "hub").iterdir())) == 2


def test_the_commit_is_that_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub

    asked: list[object] = []

    class Info:
        sha = "f" * 40

    class Rows:
        def save_to_disk(self, path: str) -> None:
            Path(path).mkdir()

    def load(*arguments: object, **named: object) -> Rows:
        asked.append((*arguments, named["revision"]))
        return Rows()

    monkeypatch.setattr(
        huggingface_hub.HfApi, "dataset_info", lambda *_, **named: asked.append(named["revision"]) or Info()
    )
    monkeypatch.setattr(datasets, "load_dataset", load)
    request = {"name": "owner/name:main@v1", "split": "", "folder": str(tmp_path / "out")}
    hub_child.fetch_for_parent(request, lambda words, done, total: None)
    assert asked == ["v1", ("owner/name", "main", "f" * 40)]
    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr(hub, "quote", lambda *_, **__: str(tmp_path / "out"))
    assert hub.fetch_data_set("owner/name:main@v1", "") == (tmp_path / "out", "f" * 40)


def test_no_network_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="hub cannot be reached") as caught:
        open_data("owner/nothing", "train")
    assert caught.value.where == "owner/nothing" and "local file" in caught.value.do


def test_a_child_that_dies_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DataError, match="status 1"):
        open_data("owner/name")
