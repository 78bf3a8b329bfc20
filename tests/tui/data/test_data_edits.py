"""Mending rows from the keyboard: what is written is kept, told, undone and found again; what cannot be kept is not
lost."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from textual.widgets import Static, TextArea

from core.base import folders
from core.base.errors import DataError
from core.data.editing.editor import open_editor
from core.data.source import open_data
from tests.support.data_room import SIZES, Hands, opened, type_at_once
from tests.support.rooms import row, until, write_rows
from tui.data.dialogs.difference import DifferenceDialog
from tui.data.dialogs.new_row import RowForm
from tui.data.field_editor import FieldEditor
from tui.data.widgets.rows_table import ADDED, CHANGED


async def editing(hands: Hands, *to_field: str) -> FieldEditor:
    """The editor of a field, opened by keys."""
    if not hands.pane.display:
        await hands.press("enter")
    await hands.press(*to_field, "e")
    await until(hands.pilot, lambda: isinstance(hands.app.screen, FieldEditor) and hands.app.focused is not None)
    screen = hands.app.screen
    assert isinstance(screen, FieldEditor)
    return screen


def trouble(screen: object) -> str:
    return str(screen.query_one(".trouble", Static).visual)  # type: ignore[attr-defined]


def content(path: Path) -> bytes:
    return path.read_bytes()


def names_under(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", SIZES)
async def test_a_field_is_changed_marked_undone_and_done_again(rows_file: Path, size: tuple[int, int]) -> None:
    before = content(rows_file)
    async with opened(rows_file, size) as hands:
        await hands.press("down", "down", "down", "down")
        await editing(hands, "tab", "tab")
        await hands.press(*" 立山!", "f5")
        await until(hands.pilot, lambda: hands.app.screen is hands.room)
        await hands.says_so("Row 4: reasoning changed", "u undoes it")
        assert hands.here is not None and hands.here.index == 4 and hands.here.reasoning == "4 + 1 = 5. 立山!"
        assert hands.lines()[5].startswith(CHANGED) and "●" in hands.pane.content
        await hands.press("u")
        await hands.says_so("Undone", "r redoes it")
        assert (
            hands.here is not None and hands.here.reasoning == "4 + 1 = 5." and not hands.lines()[5].startswith(CHANGED)
        )
        await hands.press("r")
        await hands.says_so("Redone")
        assert hands.here is not None and hands.here.reasoning.endswith("立山!")
        await hands.press("r")
        await hands.says_so("nothing to redo")
    assert content(rows_file) == before


async def test_edits_are_there_and_can_be_undone_after_a_restart(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await editing(hands, "tab", "tab", "tab")
        await hands.press(*"0", "ctrl+r")
        await hands.says_so("Row 0: output changed")
        await hands.press("down", "d")
        await hands.says_so("Row 1 deleted", "u restores it")
        await hands.on_row(2)
    async with opened(rows_file) as hands:
        assert hands.table.row_count == 449 and "edits: 1 changed, 1 deleted" in hands.says("#said")
        await hands.press("u")
        await hands.says_so("Undone")
        await until(hands.pilot, lambda: hands.table.row_count == 450)
        await hands.on_row(1)
        await hands.press("u")
        await until(hands.pilot, lambda: not hands.room.dataset.changes)  # type: ignore[union-attr]
    assert open_data(str(rows_file)).row(0).output == "1"


@pytest.mark.parametrize("size", SIZES)
async def test_a_new_row_is_written_in_a_form(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        await hands.press("n")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, RowForm))
        form = hands.app.screen
        assert (
            form.query_one("#syslang", TextArea).text == "English"
            and form.query_one("#sysflag", TextArea).text == "test"
        )
        await hands.press("f5")
        assert "Nothing is written yet" in trouble(form)
        await hands.press("tab", "tab", "tab", *"42")  # an answer alone
        await hands.press("f5")
        assert "instruction is empty" in trouble(form) and hands.app.focused is form.query_one("#instruction")
        await hands.press(*"いくつ", "f5")
        await hands.says_so("Row 450 added", "u removes it")
        await hands.on_row(450)
        assert hands.here is not None and (hands.here.instruction, hands.here.output, hands.here.syslang) == (
            "いくつ",
            "42",
            "English",
        )
        assert hands.table.cursor == 1 and hands.lines()[2].startswith(ADDED)
        await hands.press("u")
        await until(hands.pilot, lambda: hands.table.row_count == 450)


async def test_keys_typed_ahead_meet_the_rows_they_were_meant_for(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        type_at_once(hands.app, "down", "d", "d", "d")
        await until(hands.pilot, lambda: hands.table.row_count == 447)
        await hands.on_row(4)
        type_at_once(hands.app, "N", "N", "u", "u", "u")
        await until(hands.pilot, lambda: hands.table.row_count == 448 and "deleted" in hands.says("#said"))
        await hands.on_row(3)


async def test_the_last_row_goes_to_the_one_before(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("G", "d")
        await until(hands.pilot, lambda: hands.table.row_count == 449)
        await hands.on_row(448)
        await hands.press("slash", *"plus", "enter")
        await hands.shown(150)
        at = hands.table.cursor
        await hands.press("d")
        await hands.shown(149)
        assert hands.table.cursor == min(at, 148)


@pytest.mark.parametrize("size", SIZES)
async def test_escape_asks_before_it_drops_what_was_written(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        screen = await editing(hands)
        await hands.press(*"more", "escape")
        assert hands.app.screen is screen and "Esc again drops" in trouble(screen)
        await hands.press(*"!", "escape")  # typing on is an answer: it asks anew
        assert hands.app.screen is screen
        await hands.press("escape")
        await until(hands.pilot, lambda: hands.app.screen is hands.room)
        await editing(hands)
        await hands.press("escape")  # nothing was written
        await until(hands.pilot, lambda: hands.app.screen is hands.room)
        assert hands.room.dataset is not None and not hands.room.dataset.changes


async def test_f9_does_not_throw_away_what_is_written(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await editing(hands)
        await hands.press(*"more", "f9")
        assert hands.app.is_running and isinstance(hands.app.screen, FieldEditor)
        await hands.press("f5")
        await hands.says_so("changed")


async def test_what_cannot_be_kept_stays_in_the_editor(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(rows_file) as hands:
        screen = await editing(hands)
        await hands.press(*"more")

        def full(self: object, index: int, texts: object) -> bool:
            raise DataError("the disk is full", "edits.jsonl", "Free some space")

        with monkeypatch.context() as broken:
            broken.setattr("core.data.editing.editor.Editor.change", full)
            await hands.press("f5")
            await until(hands.pilot, lambda: "the disk is full" in trouble(screen))
        assert hands.app.screen is screen and screen.query_one(TextArea).text.endswith("more")
        await hands.press("f5")
        await hands.says_so("Row 0: instruction changed")


async def test_another_process_that_edits_is_named_and_reading_goes_on(rows_file: Path) -> None:
    with open_editor(open_data(str(rows_file))):
        async with opened(rows_file) as hands:
            screen = await editing(hands)
            await hands.press(*"more", "f5")
            await until(hands.pilot, lambda: "Not kept" in trouble(screen))
            assert hands.app.screen is screen
            await hands.press("escape", "escape", "d")
            await until(hands.pilot, lambda: any(told.title == "Not done" for told in hands.app._notifications))
            await hands.press("down")
            await hands.on_row(1)
            assert hands.table.row_count == 450


async def test_hostile_text_is_harmless_in_the_editor_and_comes_back_unchanged(tmp_path: Path) -> None:
    hostile = "a\x1b[31m[/]\r\nb\u202e"
    path = write_rows(tmp_path / "hostile.jsonl", [row(0) | {"output": hostile}, row(1)])
    async with opened(path) as hands:
        screen = await editing(hands, "tab", "tab", "tab")
        assert screen.query_one(TextArea).text == "a␛[31m[/]\nb�"
        await hands.press("f5")  # nothing was written: nothing is changed
        await until(hands.pilot, lambda: hands.app.screen is hands.room)
        assert hands.room.dataset is not None and not hands.room.dataset.changes
        await editing(hands)
        await hands.press(*"!", "f5")
        await hands.says_so("output changed")
    assert open_data(str(path)).row(0).output == hostile + "!"


async def test_the_difference_to_the_source_is_shown(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("D")
        await hands.says_so("the same as in the source")
        await editing(hands, "tab", "tab", "tab")
        await hands.press(*"0", "f5")
        await hands.says_so("output changed")
        await hands.press("D")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, DifferenceDialog))
        await until(hands.pilot, lambda: "+ 10" in str(hands.app.screen.query_one("#lines", Static).visual))
        assert "- 1" in str(hands.app.screen.query_one("#lines", Static).visual)
        await hands.press("D")
        await until(hands.pilot, lambda: hands.app.screen is hands.room)


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o700)
    return str(path)


@contextmanager
def no_suspend() -> Iterator[None]:
    yield


@pytest.fixture
def suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's terminal is none that could be handed over."""
    monkeypatch.setattr("textual.app.App.suspend", lambda self: no_suspend())
    monkeypatch.delenv("VISUAL", raising=False)


@pytest.mark.usefixtures("suspended")
async def test_a_field_is_written_in_the_persons_own_editor(
    rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv(
        "EDITOR",
        script(tmp_path / "ed.sh", f'ls -l "$1" > {seen}; cat "$1" >> {seen}; printf "two\\n\\nlines\\n" >> "$1"'),
    )
    async with opened(rows_file) as hands:
        await hands.press("tab", "tab", "E")
        await hands.says_so("Row 0: reasoning changed")
        assert hands.here is not None and hands.here.reasoning == "0 + 1 = 1.\ntwo\n\nlines"
        told = seen.read_text(encoding="utf-8")
        assert told.startswith("-rw-------") and told.endswith("0 + 1 = 1.\n")
        folder = folders.home() / "editing"
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700 and not list(folder.iterdir())
        monkeypatch.setenv("EDITOR", script(tmp_path / "nothing.sh", "true"))
        await hands.press("E")
        await hands.says_so("Nothing was changed")


@pytest.mark.usefixtures("suspended")
@pytest.mark.parametrize(
    ("editor", "words", "left"),
    [
        ('echo more >> "$1"; exit 3', "ended with error 3", "0 + 1 = 1.\nmore\n"),
        ('printf "\\377" > "$1"', "not UTF-8", None),
        ('rm "$1"', "removed the file", None),
        ("exit 1", "nothing was written", None),
    ],
)
async def test_an_editor_that_fails_is_named_and_the_row_stays(
    rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editor: str, words: str, left: str | None
) -> None:
    monkeypatch.setenv("EDITOR", script(tmp_path / "ed.sh", editor))
    async with opened(rows_file) as hands:
        await hands.press("tab", "tab", "E")
        await until(hands.pilot, lambda: any(words in told.message for told in hands.app._notifications))
        assert hands.here is not None and hands.here.reasoning == "0 + 1 = 1."
        files = list((folders.home() / "editing").iterdir())
        if left is not None:
            assert files[0].read_text(encoding="utf-8") == left


async def test_a_missing_editor_is_named(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    async with opened(rows_file) as hands:
        await hands.press("E")
        await until(
            hands.pilot, lambda: any("no program no-such-editor" in told.message for told in hands.app._notifications)
        )


async def test_where_edits_are_kept_is_said_where_they_do_not_lie_beside_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [row(index) for index in range(5)])
    monkeypatch.setattr("core.data.sidecar._writable", lambda folder: False)
    async with opened(path) as hands:
        await hands.press("d")
        await until(
            hands.pilot,
            lambda: any("Nothing can be written beside" in told.message for told in hands.app._notifications),
        )
        await until(hands.pilot, lambda: hands.table.row_count == 4)
    assert "edits.jsonl" in names_under(folders.home()) and names_under(tmp_path) == {"rows.jsonl"}


async def test_what_is_being_written_survives_the_end_of_the_app(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await editing(hands, "tab", "tab")
        await hands.press(*" 山の途中")  # and the connection is lost
    async with opened(rows_file) as hands:
        screen = await editing(hands, "tab", "tab")
        assert screen.query_one(TextArea).text.endswith(" 山の途中") and "when Suiron ended" in trouble(screen)
        await hands.press("f5")
        await hands.says_so("Row 0: reasoning changed")
        assert hands.here is not None and hands.here.reasoning.endswith(" 山の途中")
        await editing(hands, "tab")
        await hands.press("x", "escape", "escape")
        await until(hands.pilot, lambda: hands.app.screen is hands.room)
    assert not [name for name in names_under(folders.home()) if name.startswith("draft-")]
