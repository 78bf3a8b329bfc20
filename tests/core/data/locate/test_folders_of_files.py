"""Folders as people keep them: one record a file, folders of splits, missing shards, and files that are no data."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.base.errors import DataError
from core.data import source as source_module
from core.data.locate.shards import missing_shards
from core.data.locate.source_files import locate_source
from core.data.source import finish_import, open_data, open_early

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 1234\n"


def write(path: Path, *numbers: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps({"problem": f"p{n}", "solution": f"s{n}"}) + "\n" for n in numbers))


def outputs(source: object, split: str = "") -> list[str]:
    return [row.output for batch in open_data(str(source), split).batches() for row in batch]


@pytest.fixture(params=["held", "mapped"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "mapped":
        monkeypatch.setattr(source_module, "_SMALL", -1)


def test_one_record_a_file_in_the_order_of_their_numbers(tmp_path: Path, storage: None) -> None:
    for number in range(1, 13):
        write(tmp_path / f"{number}.json", number)
    assert outputs(tmp_path) == [f"s{number}" for number in range(1, 13)]
    assert locate_source(str(tmp_path)).other_splits == ()


def test_folders_of_splits_with_folders_of_categories(tmp_path: Path, storage: None) -> None:
    for number in range(1, 4):
        write(tmp_path / "train" / "algebra" / f"{number}.json", number)
        write(tmp_path / "train" / "geometry" / f"{number}.json", 10 + number)
        write(tmp_path / "test" / "algebra" / f"{number}.json", 20 + number)
    data = open_data(str(tmp_path))
    assert (data.split, data.other_splits) == ("train", ("test",))
    assert outputs(tmp_path) == ["s1", "s2", "s3", "s11", "s12", "s13"]
    assert outputs(tmp_path, "test") == outputs(tmp_path / "test") == ["s21", "s22", "s23"]
    with pytest.raises(DataError, match="its splits: test, train"):
        open_data(str(tmp_path), "dev")


def test_folders_of_configurations_stay_data_sets_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "main" / "train.jsonl", 1)
    write(tmp_path / "socratic" / "train.jsonl", 2)
    with pytest.raises(DataError) as caught:
        open_data(str(tmp_path))
    assert "main, socratic" in caught.value.do


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (["part-1", "part-2", "part-3"], [""]),
        (["train_shard_1", "train_shard_2"], ["train"]),
        (["data_1", "data_9", "data_10"], [""]),
        (["v1", "v2"], None),
        (["Train", "Test"], ["Train", "Test"]),
        (["training", "testing"], ["training", "testing"]),
    ],
)
def test_numbers_and_splits_in_names(tmp_path: Path, names: list[str], splits: list[str] | None) -> None:
    for number, name in enumerate(names):
        write(tmp_path / f"{name}.jsonl", number)
    if splits is None:
        with pytest.raises(DataError, match=r"several splits and none is called train: .*--split [a-z0-9]+"):
            open_data(str(tmp_path))
        return
    found = locate_source(str(tmp_path))
    assert len(found.paths) == len(names) / len(splits)
    assert set(filter(None, (found.split, *found.other_splits))) <= set(splits)


def test_a_missing_shard_is_said_and_the_others_are_read(tmp_path: Path, storage: None) -> None:
    write(tmp_path / "train-00000-of-00003.jsonl", 1)
    write(tmp_path / "train-00002-of-00003.jsonl", 3)
    write(tmp_path / "test-00000-of-00001.jsonl", 9)
    for data in (open_data(str(tmp_path)), finish_import(open_early(str(tmp_path)))):
        assert len(data) == 2 and data.other_splits == ("test",)
        assert [(problem.file, problem.row) for problem in data.problems] == [("train-00001-of-00003", 0)]
    assert outputs(tmp_path / "train-00002-of-00003.jsonl") == ["s3"]  # named by itself: nothing is missing
    assert not open_data(str(tmp_path / "train-00002-of-00003.jsonl")).problems
    assert missing_shards([Path("a-00000-of-00002.parquet"), Path("a-00001-of-00002.parquet"), Path("b.csv")]) == []


def test_bad_files_of_a_folder_are_problems_of_their_own(tmp_path: Path, storage: None) -> None:
    write(tmp_path / "part-1.jsonl", 1)
    (tmp_path / "part-2.jsonl").write_text(POINTER)
    (tmp_path / "part-3.jsonl").write_text("")
    (tmp_path / "part-4.jsonl").symlink_to("../.git/annex/objects/none")
    pq.write_table(pa.table({"problem": ["p"], "solution": ["s"]}), tmp_path / "part-5.jsonl")
    (tmp_path / "part-6.jsonl").write_text(json.dumps([{"problem": "p6", "solution": "s6"}], indent=1))
    (tmp_path / "part-7.jsonl").write_text("<html><body>Sign in</body></html>")
    (tmp_path / "dataset_infos.json").write_text("{}")
    early = open_early(str(tmp_path))
    for data in (open_data(str(tmp_path)), early, finish_import(early)):
        found = {problem.file: problem.what for problem in data.problems}
        assert set(found) == {f"part-{number}.jsonl" for number in (2, 3, 4, 5, 7)}
        assert "Git LFS" in found["part-2.jsonl"] and "empty" in found["part-3.jsonl"]
        assert "does not exist" in found["part-4.jsonl"] and "it is Parquet" in found["part-5.jsonl"]
        assert data.notes == ["part-6.jsonl: named .jsonl, but read as one JSON document, which it is"]
    assert outputs(tmp_path) == ["s1", "s6"]


def test_a_folder_without_one_good_file_says_why(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"train-{number:05}-of-00003.parquet").write_text(POINTER)
    with pytest.raises(DataError, match="none of its 3 files can be read: this is a Git LFS pointer") as caught:
        open_data(str(tmp_path))
    assert "git lfs pull" in caught.value.do


def test_splits_that_datasets_saved(tmp_path: Path) -> None:
    for split in ("train", "test", "dev"):
        folder = tmp_path / split
        folder.mkdir()
        table = pa.table({"instruction": ["q"], "output": [split]})
        with pa.ipc.new_stream(str(folder / "data.arrow"), table.schema) as stream:
            stream.write_table(table)
        (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    (tmp_path / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test", "dev"]}))
    data = open_data(str(tmp_path), "test")
    assert (data.split, data.other_splits, data.row(0).output) == ("test", ("train", "dev"), "test")
