"""Opening and saving by keyboard: what was opened before, folders, completion, patterns, splits, and what stands in the
way."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from textual.widgets import Input

from core.data.locate.source_files import locate_source
from core.data.recent import RecentSource
from tests.support.dialogs import HOSTILE, NARROW, SIZES, Person, shown
from tests.support.rooms import until
from tui.common.choices import Choices
from tui.common.field import Field
from tui.data.dialogs.open_data import OpenDialog
from tui.data.dialogs.save_as import SaveDialog, SaveTarget, format_words
from tui.data.folder_listing import UNKNOWN_SIZE, common_prefix, is_openable, natural_key, read_folder, split_path

RECENT = [RecentSource("/データ/推論.jsonl", "", 8792, 1.7e9), RecentSource("owner/name", "train", 1000, 1.6e9)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """rows.jsonl, rows-2.jsonl.gz, 日本/データ.csv, saved/ (two splits), readme.md, .hidden.jsonl; the working
    directory elsewhere."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    there = tmp_path / "place"
    (there / "日本").mkdir(parents=True)
    (there / "saved").mkdir()
    (there / "rows.jsonl.suiron").mkdir()
    for name in ("rows.jsonl", "rows-2.jsonl.gz", "日本/データ.csv", "readme.md", ".hidden.jsonl"):
        (there / name).write_text("x" * 1500)
    (there / "saved" / "dataset_dict.json").write_text(json.dumps({"splits": ["train", "test"]}))
    return there


def dialog(
    source: str = "",
    split: str = "",
    recent: list[RecentSource] | None = None,
    forgotten: list[tuple[str, str]] | None = None,
) -> OpenDialog:
    taken = forgotten if forgotten is not None else []
    return OpenDialog(source, split, lambda: recent or [], lambda *names: taken.append(names))


def field(person: Person) -> Field:
    return person.stage.screen.query_one("#source", Field)


@pytest.mark.parametrize("size", SIZES)
async def test_what_was_opened_before_is_opened_again(folder: Path, size: tuple[int, int]) -> None:
    async with shown(dialog(str(folder / "rows.jsonl"), "", RECENT), size) as person:
        await person.sees("Recent", "推論.jsonl", "8,792 rows", "2023-11-14", "owner/name [train]", "demo")
        await person.sees("rows-2.jsonl.gz", "1.5 KB", "日本/")
        assert "readme" not in person.text and "hidden" not in person.text and ".suiron" not in person.text
        assert not field(person).cursor_blink
        await person.press("down", "down", "enter")
        assert await person.gives() == ("owner/name", "train")


async def test_enter_at_once_opens_what_is_open_and_typing_replaces_it(folder: Path) -> None:
    async with shown(dialog(str(folder / "rows.jsonl"))) as person:
        await person.press("enter")
        assert await person.gives() == (str(folder / "rows.jsonl"), "")
    async with shown(dialog(str(folder / "rows.jsonl"))) as person:
        await person.press(*"demo", "enter")
        assert await person.gives() == ("demo", "")


async def test_the_splits_of_what_is_open_are_offered(folder: Path) -> None:
    saved = str(folder / "saved")

    def with_splits() -> OpenDialog:
        return OpenDialog(saved, "", list, print, "train", lambda: ("train", "検証"))

    async with shown(with_splits()) as person:
        await person.sees("Splits of", "train · shown now", "検証")
        await person.press("down", "down", "enter")
        assert await person.gives() == (saved, "検証")
    async with shown(with_splits()) as person:
        await person.sees("Splits of")
        await person.press("x")  # typing asks for something else
        await until(person.pilot, lambda: "Splits of" not in person.text)


async def test_delete_forgets_and_leaves_the_file(folder: Path) -> None:
    forgotten: list[tuple[str, str]] = []
    async with shown(dialog("", "", RECENT, forgotten)) as person:
        await person.sees("推論.jsonl")
        await person.press("down", "delete")
        await until(person.pilot, lambda: forgotten == [("/データ/推論.jsonl", "")])
        assert "推論.jsonl" not in person.text and "owner/name" in person.text
        await person.press("enter")
        assert await person.gives() == ("owner/name", "train")


@pytest.mark.parametrize("size", SIZES)
async def test_tab_completes_and_keys_typed_ahead_keep_their_order(folder: Path, size: tuple[int, int]) -> None:
    async with shown(dialog(), size) as person:
        for key in (*str(folder), "slash", "日", "tab", "デ", "tab", "enter"):
            person.stage.simulate_key("/" if key == "slash" else key)
        assert await person.gives() == (f"{folder}/日本/データ.csv", "")
    async with shown(dialog(), size) as person:
        field(person).put(f"{folder}/ro")
        await person.press("tab")
        await until(person.pilot, lambda: field(person).value == f"{folder}/rows")
        await person.press("tab")  # nothing to add: into the list
        await until(person.pilot, lambda: person.stage.screen.query_one(Choices).has_focus)
        await person.press("down", "enter")
        assert await person.gives() == (str(folder / "rows.jsonl"), "")


async def test_folders_are_walked_by_arrows_and_typing_filters(folder: Path) -> None:
    async with shown(dialog(str(folder / "rows.jsonl"))) as person:
        await person.sees("日本/")
        choices = person.stage.screen.query_one(Choices)
        field(person).put(f"{folder}/")
        await person.press("down")
        await person.press("end", "up", "up")  # 日本/
        await person.press("right")
        await person.sees("データ.csv")
        assert field(person).value == f"{folder}/日本/"
        await person.press("left")
        await person.sees("rows.jsonl")
        assert field(person).value == f"{folder}/"
        await until(person.pilot, lambda: any("▸ 日本/" in line for line in person.lines))
        await person.press(*"-2")
        await until(person.pilot, lambda: "rows-2" in person.text and "日本/" not in person.text)
        await person.press("backspace", "backspace")
        await person.sees("日本/")
        await person.press("backspace")
        await person.sees("place/")
        assert field(person).value == f"{folder.parent}/" and choices.has_focus


@pytest.mark.parametrize("size", SIZES)
async def test_a_saved_data_set_asks_for_its_split(folder: Path, size: tuple[int, int]) -> None:
    async with shown(dialog(), size) as person:
        field(person).put(str(folder / "saved"))
        await person.press("enter")
        await person.sees("Which split of", "train", "test")
        await person.press("down", "enter")
        assert await person.gives() == (str(folder / "saved"), "test")
    async with shown(dialog(), size) as person:
        field(person).put(f"{folder}/saved/")
        await person.sees("open this folder: a saved data set", "train or test")
        await person.press("tab", "enter")
        await person.sees("Which split of")
        await person.press("left")
        await person.sees("open this folder")


async def test_the_usual_split_of_a_folder_is_under_the_cursor(folder: Path) -> None:
    (folder / "parts").mkdir()
    for name in ("test", "train"):
        (folder / "parts" / f"{name}.jsonl").write_text('{"instruction": "q", "output": "a"}\n')
    async with shown(dialog()) as person:
        field(person).put(str(folder / "parts"))
        await person.press("enter")
        await person.sees("Which split of", "test", "train")
        await person.press("enter")
        assert await person.gives() == (str(folder / "parts"), "train")


async def test_a_split_is_not_taken_along_to_another_source(folder: Path) -> None:
    async with shown(dialog(str(folder / "saved"), "test")) as person:
        await person.sees("Split", "test")
        await person.press("enter")
        assert await person.gives() == (str(folder / "saved"), "test")
    async with shown(dialog(str(folder / "saved"), "test")) as person:
        field(person).put(str(folder / "rows.jsonl"))
        await person.press("enter")
        assert await person.gives() == (str(folder / "rows.jsonl"), "")


async def test_a_split_is_typed_for_a_hub_name(folder: Path) -> None:
    async with shown(dialog()) as person:
        await person.press(*"owner/name:config@main")
        await person.sees("Split")
        await person.press("tab", *"test", "enter")
        assert await person.gives() == ("owner/name:config@main", "test")


async def test_a_pattern_shows_what_it_names(folder: Path) -> None:
    async with shown(dialog()) as person:
        field(person).put(f"{folder}/*.jsonl*")
        await person.sees("open 2 files as one data set", "rows-2.jsonl.gz")
        await person.press("down", "enter")
        assert await person.gives() == (f"{folder}/*.jsonl*", "")
    async with shown(dialog()) as person:
        field(person).put(f"{folder}/*.xyz")
        await person.sees("No file that can be opened matches")


async def test_the_beginning_of_a_name_leads_into_the_list_and_a_missing_file_to_the_room(folder: Path) -> None:
    async with shown(dialog()) as person:
        field(person).put(f"{folder}/row")
        await person.sees("rows.jsonl")
        await person.press("enter")
        await until(person.pilot, lambda: person.stage.screen.query_one(Choices).has_focus)
        await person.press("enter")
        assert await person.gives() == (str(folder / "rows-2.jsonl.gz"), "")
    async with shown(dialog()) as person:
        field(person).put(f"{folder}/missing.jsonl")
        await person.press("enter")
        assert await person.gives() == (f"{folder}/missing.jsonl", "")


async def test_a_folder_one_may_not_look_into_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.scandir", refuse)  # root, whom a test may run as, may look into any
    async with shown(dialog()) as person:
        field(person).put(f"{folder}/日本/")
        await person.sees("no permission to read this folder")


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_names_stay_text_and_open_all_the_same(folder: Path, size: tuple[int, int]) -> None:
    name = HOSTILE.replace("/", "-") + ".jsonl"
    (folder / name).write_text("{}")
    (folder / os.fsdecode(b"\xff\xfe.jsonl")).write_text("{}")
    async with shown(dialog(str(folder / name), "", [RecentSource(f"/{HOSTILE}", HOSTILE, 1, 1.0)]), size) as person:
        await person.sees("[@click=app.quit]")
        field(person).put(f"{folder}/[")
        await person.press("tab")
        await until(person.pilot, lambda: field(person).value == f"{folder}/{name}")
        assert "click" in person.text
        await person.press("enter")
        assert await person.gives() == (f"{folder}/{name}", "")


async def test_a_folder_of_a_hundred_thousand_names_stays_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui.data.dialogs import path_dialog
    from tui.data.folder_listing import FolderEntry, FolderListing

    names = [f"part-{index:06}.jsonl" for index in range(100_000)]
    listing = FolderListing(str(tmp_path), tuple(FolderEntry(name, 1, 1.0) for name in names), lowered=tuple(names))
    monkeypatch.setattr(path_dialog, "read_folder", lambda path, *_: listing)
    async with shown(dialog(str(tmp_path / "x.jsonl"))) as person:
        await person.sees("part-000000.jsonl")
        await person.press("down", "end")
        await person.sees("part-099999.jsonl")
        field(person).put(f"{tmp_path}/77777")
        await person.sees("part-077777.jsonl")


def test_a_folder_is_read_with_what_can_be_opened_first_folders(folder: Path) -> None:
    listing = read_folder(str(folder))
    assert [entry.name for entry in listing.entries] == [
        "saved",
        "日本",
        ".hidden.jsonl",
        "rows-2.jsonl.gz",
        "rows.jsonl",
    ]
    assert listing.left_out == 1 and not listing.whole
    assert read_folder(str(folder / "saved")).splits == ("train", "test")
    assert read_folder(str(folder / "nowhere")).trouble == "there is no such folder"
    for name in ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet"):
        (folder / "日本" / name).write_text("x")
    (folder / "日本" / "データ.csv").unlink()
    shards = read_folder(str(folder / "日本"))
    assert set(shards.splits) == {"train", "test"} and "2 splits" in shards.whole


@pytest.mark.parametrize(
    ("files", "words", "splits"),
    [
        (("train/a.jsonl", "test/a.jsonl"), "a data set of its splits", ("test", "train")),
        (("train/a.jsonl", "scripts/a.py"), "the data set in train/", ("train",)),
        (("data/train.jsonl", "data/test.jsonl", "README.md"), "a data set of 2 splits", ("test", "train")),
        (("data/train/part-0.jsonl",), "the data set in train/", ("train",)),
        (("algebra/1.json", "algebra/2.json", "geometry/1.json"), "the records in its 2 folders as one data set", ()),
        (("a.jsonl", "b.json", "train.txt"), "", ()),
        (("train.jsonl", "test.json", "notes.txt"), "a data set of 2 splits", ("test", "train")),
        (("dev.jsonl", "test.jsonl"), "a data set of 2 splits", ("dev", "test")),
        (("train_10.jsonl", "train_11.json"), "its 2 files as one data set", ()),
        (("train_10.jsonl", "train_11.csv"), "", ()),
        (("notes.txt", "more.txt"), "", ()),
    ],
)
def test_a_folder_is_offered_whole_as_it_is_opened(
    tmp_path: Path, files: tuple[str, ...], words: str, splits: tuple[str, ...]
) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('{"instruction": "q", "output": "a"}\n')
    listing = read_folder(str(tmp_path))
    assert (listing.whole, listing.splits) == (words, splits)
    for split in splits or ([""] if words else []):
        assert locate_source(str(tmp_path), split).split == split


def test_a_folder_of_many_files_is_read_quickly_and_without_sizes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.data.folder_listing.LARGE_FOLDER", 3)
    for name in ("b.jsonl", "A.jsonl", "c.jsonl", "d.csv"):
        (tmp_path / name).write_text("x")
    listing = read_folder(str(tmp_path))
    assert [(entry.name, entry.size) for entry in listing.entries] == [
        (name, UNKNOWN_SIZE) for name in ("A.jsonl", "b.jsonl", "c.jsonl", "d.csv")
    ]
    with pytest.raises(InterruptedError):
        read_folder(str(tmp_path), lambda: True)


def test_names_of_files_are_judged_and_cut() -> None:
    assert all(map(is_openable, ("a.jsonl", "A.CSV", "b.json.zst", "c.parquet", "d.tsv.gz", "e.arrow")))
    assert all(map(is_openable, ("notes.txt", "A.TXT", "b.txt.gz")))  # read as what their content is
    assert not any(map(is_openable, ("a.md", "b.parquet.gz", "c.gz", ".jsonl.zip", "jsonl", "x/dataset_infos.json")))
    assert (
        split_path("~/da") == ("~/", "da")
        and split_path("~") == ("~/", "")
        and split_path("x") == ("", "x")
        and split_path("/") == ("/", "")
    )
    assert common_prefix(["rows.jsonl", "rows-2"]) == "rows" and common_prefix([]) == "" and common_prefix(["a"]) == "a"
    assert sorted(["part-10", "part-9", "Part-1"], key=natural_key) == ["Part-1", "part-9", "part-10"]


# -- saving --


def test_the_ending_says_the_format() -> None:
    assert (
        "JSON Lines" in format_words("a.jsonl")
        and "gzip" in format_words("x.y.CSV.gz")
        and "zstd" in format_words("t.tsv.zst")
    )
    assert not any(map(format_words, ("a.txt", "a", ".jsonl", "a.parquet.gz", "a.gz", "")))


@pytest.mark.parametrize("size", SIZES)
async def test_rows_are_saved_whole_or_as_shown(folder: Path, size: tuple[int, int]) -> None:
    async with shown(SaveDialog(str(folder / "rows-edited.jsonl"), 450, 90), size) as person:
        await person.sees("JSON Lines", "● the 90 shown", "○ all 450", "a new file here")
        await person.press("enter")
        assert await person.gives() == SaveTarget(str(folder / "rows-edited.jsonl"), False)
    async with shown(SaveDialog(str(folder / "rows-edited.jsonl"), 450, 90), size) as person:
        await person.press("ctrl+t")
        await person.sees("● all 450")
        field(person).put(str(folder / "日本" / "推論.parquet"))
        await person.sees("Parquet")
        await person.press("enter")
        assert await person.gives() == SaveTarget(str(folder / "日本" / "推論.parquet"), True)


@pytest.mark.parametrize("size", SIZES)
async def test_a_file_that_is_there_is_replaced_after_y_alone(folder: Path, size: tuple[int, int]) -> None:
    async with shown(SaveDialog(str(folder / "rows.jsonl"), 450, 450), size) as person:
        await person.press("enter")
        await person.sees("rows.jsonl already exists (1.5 KB", "y replaces")
        await person.press("enter", "enter", "n")
        await until(person.pilot, lambda: "already exists" not in person.text)
        assert person.stage.open and field(person).has_focus
        await person.press("enter")
        await person.sees("already exists")
        await person.press("y")
        assert await person.gives() == SaveTarget(str(folder / "rows.jsonl"), True)


async def test_what_cannot_be_written_is_said_and_can_be_mended(folder: Path) -> None:
    (folder / "folder.csv").mkdir()
    (folder / "link.jsonl").symlink_to(folder / "rows.jsonl")
    async with shown(SaveDialog(str(folder / "rows.jsonl"), 450, 450, [str(folder / "rows.jsonl")]), NARROW) as person:
        wrong = {
            f"{folder}/rows.jsonl": "is open as the source",
            f"{folder}/link.jsonl": "is open as the source",
            f"{folder}/none/a.csv": "does not exist",
            f"{folder}/folder.csv": "A folder has this name",
            f"{folder}/a.xlsx": ".xlsx is not a format",
            f"{folder}/": "Enter a file name",
            "": "Enter a file name",
        }
        for path, words in wrong.items():
            field(person).put(path)
            await person.press("enter")
            await person.sees(words)
        field(person).put(f"{folder}/neu.tsv.gz")
        await person.press("enter")
        assert await person.gives() == SaveTarget(f"{folder}/neu.tsv.gz", True)


async def test_a_name_is_taken_from_the_list_to_be_changed(folder: Path) -> None:
    async with shown(SaveDialog(f"{folder}/", 450, 450), NARROW) as person:
        await person.sees("rows.jsonl")
        await person.press("down", *["down"] * 3, "enter")
        await until(person.pilot, lambda: field(person).has_focus)
        assert field(person).value == f"{folder}/rows.jsonl"
        assert not person.stage.screen.query_one("#source", Input).cursor_blink
