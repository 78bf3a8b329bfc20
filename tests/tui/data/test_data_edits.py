"""Editing rows from the keyboard: edits are kept, told, undone and found again; text that cannot be kept stays."""

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
from tests.support.data_room import SIZES, RoomUser, opened, type_at_once
from tests.support.rooms import row, until, write_rows
from tui.data.dialogs.difference import DifferenceDialog
from tui.data.dialogs.new_row import RowForm
from tui.data.field_editor import FieldEditor
from tui.data.widgets.rows_table import ADDED, CHANGED


async def editing(user: RoomUser, *to_field: str) -> FieldEditor:
    """The editor of a field, opened by keys."""
    if not user.pane.display:
        await user.press("enter")
    await user.press(*to_field, "e")
    await until(user.pilot, lambda: isinstance(user.app.screen, FieldEditor) and user.app.focused is not None)
    screen = user.app.screen
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
    async with opened(rows_file, size) as user:
        await user.press("down", "down", "down", "down")
        await editing(user, "tab", "tab")
        await user.press(*" 立山!", "f5")
        await until(user.pilot, lambda: user.app.screen is user.room)
        await user.until_said("Row 4: reasoning changed", "u undoes it")
        assert user.row is not None and user.row.index == 4 and user.row.reasoning == "4 + 1 = 5. 立山!"
        assert user.lines()[5].startswith(CHANGED) and "●" in user.pane.content
        await user.press("u")
        await user.until_said("Undone", "r redoes it")
        assert user.row is not None and user.row.reasoning == "4 + 1 = 5." and not user.lines()[5].startswith(CHANGED)
        await user.press("r")
        await user.until_said("Redone")
        assert user.row is not None and user.row.reasoning.endswith("立山!")
        await user.press("r")
        await user.until_said("nothing to redo")
    assert content(rows_file) == before


async def test_edits_are_there_and_can_be_undone_after_a_restart(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await editing(user, "tab", "tab", "tab")
        await user.press(*"0", "ctrl+r")
        await user.until_said("Row 0: output changed")
        await user.press("down", "d")
        await user.until_said("Row 1 deleted", "u restores it")
        await user.until_on_row(2)
    async with opened(rows_file) as user:
        assert user.table.row_count == 449 and "edits: 1 changed, 1 deleted" in user.reads("#message")
        await user.press("u")
        await user.until_said("Undone")
        await until(user.pilot, lambda: user.table.row_count == 450)
        await user.until_on_row(1)
        await user.press("u")
        await until(user.pilot, lambda: not user.room.dataset.changes)  # type: ignore[union-attr]
    assert open_data(str(rows_file)).row(0).output == "1"


@pytest.mark.parametrize("size", SIZES)
async def test_a_new_row_is_written_in_a_form(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        await user.press("n")
        await until(user.pilot, lambda: isinstance(user.app.screen, RowForm))
        form = user.app.screen
        assert (
            form.query_one("#syslang", TextArea).text == "English"
            and form.query_one("#sysflag", TextArea).text == "test"
        )
        await user.press("f5")
        assert "Nothing is written yet" in trouble(form)
        await user.press("tab", "tab", "tab", *"42")  # an answer alone
        await user.press("f5")
        assert "instruction is empty" in trouble(form) and user.app.focused is form.query_one("#instruction")
        await user.press(*"いくつ", "f5")
        await user.until_said("Row 450 added", "u removes it")
        await user.until_on_row(450)
        assert user.row is not None and (user.row.instruction, user.row.output, user.row.syslang) == (
            "いくつ",
            "42",
            "English",
        )
        assert user.table.cursor == 1 and user.lines()[2].startswith(ADDED)
        await user.press("u")
        await until(user.pilot, lambda: user.table.row_count == 450)


async def test_keys_typed_ahead_meet_the_rows_they_were_meant_for(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        type_at_once(user.app, "down", "d", "d", "d")
        await until(user.pilot, lambda: user.table.row_count == 447)
        await user.until_on_row(4)
        type_at_once(user.app, "N", "N", "u", "u", "u")
        await until(user.pilot, lambda: user.table.row_count == 448 and "deleted" in user.reads("#message"))
        await user.until_on_row(3)


async def test_the_last_row_goes_to_the_one_before(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("G", "d")
        await until(user.pilot, lambda: user.table.row_count == 449)
        await user.until_on_row(448)
        await user.press("slash", *"plus", "enter")
        await user.until_shown(150)
        at = user.table.cursor
        await user.press("d")
        await user.until_shown(149)
        assert user.table.cursor == min(at, 148)


@pytest.mark.parametrize("size", SIZES)
async def test_escape_asks_before_it_drops_what_was_written(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        screen = await editing(user)
        await user.press(*"more", "escape")
        assert user.app.screen is screen and "Esc again drops" in trouble(screen)
        await user.press(*"!", "escape")  # typing on is an answer: it asks anew
        assert user.app.screen is screen
        await user.press("escape")
        await until(user.pilot, lambda: user.app.screen is user.room)
        await editing(user)
        await user.press("escape")  # nothing was written
        await until(user.pilot, lambda: user.app.screen is user.room)
        assert user.room.dataset is not None and not user.room.dataset.changes


async def test_f9_does_not_throw_away_what_is_written(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await editing(user)
        await user.press(*"more", "f9")
        assert user.app.is_running and isinstance(user.app.screen, FieldEditor)
        await user.press("f5")
        await user.until_said("changed")


async def test_what_cannot_be_kept_stays_in_the_editor(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(rows_file) as user:
        screen = await editing(user)
        await user.press(*"more")

        def full(self: object, index: int, texts: object) -> bool:
            raise DataError("the disk is full", "edits.jsonl", "Free some space")

        with monkeypatch.context() as broken:
            broken.setattr("core.data.editing.editor.RowEditor.change", full)
            await user.press("f5")
            await until(user.pilot, lambda: "the disk is full" in trouble(screen))
        assert user.app.screen is screen and screen.query_one(TextArea).text.endswith("more")
        await user.press("f5")
        await user.until_said("Row 0: instruction changed")


async def test_another_process_that_edits_is_named_and_reading_goes_on(rows_file: Path) -> None:
    with open_editor(open_data(str(rows_file))):
        async with opened(rows_file) as user:
            screen = await editing(user)
            await user.press(*"more", "f5")
            await until(user.pilot, lambda: "Not kept" in trouble(screen))
            assert user.app.screen is screen
            await user.press("escape", "escape", "d")
            await until(user.pilot, lambda: any(note.title == "Not done" for note in user.app._notifications))
            await user.press("down")
            await user.until_on_row(1)
            assert user.table.row_count == 450


async def test_hostile_text_is_harmless_in_the_editor_and_comes_back_unchanged(tmp_path: Path) -> None:
    hostile = "a\x1b[31m[/]\r\nb\u202e"
    path = write_rows(tmp_path / "hostile.jsonl", [row(0) | {"output": hostile}, row(1)])
    async with opened(path) as user:
        screen = await editing(user, "tab", "tab", "tab")
        assert screen.query_one(TextArea).text == "a␛[31m[/]\nb�"
        await user.press("f5")  # nothing was written: nothing is changed
        await until(user.pilot, lambda: user.app.screen is user.room)
        assert user.room.dataset is not None and not user.room.dataset.changes
        await editing(user)
        await user.press(*"!", "f5")
        await user.until_said("output changed")
    assert open_data(str(path)).row(0).output == hostile + "!"


async def test_the_difference_to_the_source_is_shown(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("D")
        await user.until_said("the same as in the source")
        await editing(user, "tab", "tab", "tab")
        await user.press(*"0", "f5")
        await user.until_said("output changed")
        await user.press("D")
        await until(user.pilot, lambda: isinstance(user.app.screen, DifferenceDialog))
        await until(user.pilot, lambda: "+ 10" in str(user.app.screen.query_one("#lines", Static).visual))
        assert "- 1" in str(user.app.screen.query_one("#lines", Static).visual)
        await user.press("D")
        await until(user.pilot, lambda: user.app.screen is user.room)


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
async def test_a_field_is_written_in_the_users_own_editor(
    rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    monkeypatch.setenv(
        "EDITOR",
        script(tmp_path / "ed.sh", f'ls -l "$1" > {seen}; cat "$1" >> {seen}; printf "two\\n\\nlines\\n" >> "$1"'),
    )
    async with opened(rows_file) as user:
        await user.press("tab", "tab", "E")
        await user.until_said("Row 0: reasoning changed")
        assert user.row is not None and user.row.reasoning == "0 + 1 = 1.\ntwo\n\nlines"
        content = seen.read_text(encoding="utf-8")
        assert content.startswith("-rw-------") and content.endswith("0 + 1 = 1.\n")
        folder = folders.home() / "editing"
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700 and not list(folder.iterdir())
        monkeypatch.setenv("EDITOR", script(tmp_path / "nothing.sh", "true"))
        await user.press("E")
        await user.until_said("Nothing was changed")


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
    async with opened(rows_file) as user:
        await user.press("tab", "tab", "E")
        await until(user.pilot, lambda: any(words in note.message for note in user.app._notifications))
        assert user.row is not None and user.row.reasoning == "0 + 1 = 1."
        files = list((folders.home() / "editing").iterdir())
        if left is not None:
            assert files[0].read_text(encoding="utf-8") == left


async def test_a_missing_editor_is_named(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    async with opened(rows_file) as user:
        await user.press("E")
        await until(
            user.pilot, lambda: any("no program no-such-editor" in note.message for note in user.app._notifications)
        )


async def test_where_edits_are_kept_is_said_where_they_do_not_lie_beside_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_rows(tmp_path / "rows.jsonl", [row(index) for index in range(5)])
    monkeypatch.setattr("core.data.sidecar._writable", lambda folder: False)
    async with opened(path) as user:
        await user.press("d")
        await until(
            user.pilot,
            lambda: any("Nothing can be written beside" in note.message for note in user.app._notifications),
        )
        await until(user.pilot, lambda: user.table.row_count == 4)
    assert "edits.jsonl" in names_under(folders.home()) and names_under(tmp_path) == {"rows.jsonl"}


async def test_what_is_being_written_survives_the_end_of_the_app(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await editing(user, "tab", "tab")
        await user.press(*" 山の途中")  # and the connection is lost
    async with opened(rows_file) as user:
        screen = await editing(user, "tab", "tab")
        assert screen.query_one(TextArea).text.endswith(" 山の途中") and "when Suiron ended" in trouble(screen)
        await user.press("f5")
        await user.until_said("Row 0: reasoning changed")
        assert user.row is not None and user.row.reasoning.endswith(" 山の途中")
        await editing(user, "tab")
        await user.press("x", "escape", "escape")
        await until(user.pilot, lambda: user.app.screen is user.room)
    assert not [name for name in names_under(folders.home()) if name.startswith("draft-")]
