"""One row whole, its fields, and one field alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from core.base import folders
from core.base.chat_history import history_to_json
from core.base.row import Row
from tests.support.data_room import SIZES, RoomUser, opened
from tests.support.rooms import row, until, write_rows
from tests.support.scripted_data import ScriptedData, scripted_row

HOSTILE = {
    "instruction": "[/] [@click=app.quit]x[/] \x1b]52;c;aGFja2Vk\x07",
    "input": "x[/think] \x9b31m trailing   \nnext",
    "reasoning": "[b]\x90 \u202e",
    "output": "\x1b[31m",
    "syslang": "[red]\x1b[7m",
    "sysflag": "tr\x1bain",
}


def seen(user: RoomUser) -> str:
    return "\n".join(user.pane.render_line(y).text for y in range(user.pane.size.height))


@pytest.mark.parametrize("size", SIZES)
async def test_every_field_has_its_name_its_size_and_the_cursor(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        if size[0] < 110:
            await user.press("enter")
        await until(user.pilot, lambda: "> instruction" in seen(user))
        assert "19 characters" in seen(user) and "  reasoning" in seen(user)
        assert {cell_len(user.pane.render_line(y).text) for y in range(user.pane.size.height)} == {
            user.pane.scrollable_content_region.width
        }
        await user.press("tab", "full_stop", "tab")
        await until(user.pilot, lambda: "> output" in seen(user))
        await user.press("tab", "tab")
        assert user.pane.field == "sysflag" and "> sysflag" in seen(user)
        await user.press("shift+tab", "comma")
        assert user.pane.field == "output"


async def test_a_folded_field_stays_folded_in_the_next_rows(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await user.press("tab", "tab", "z")
        assert (
            user.pane.field == "reasoning" and "0 + 1 = 1." not in user.pane.content and "folded" in user.pane.content
        )
        await user.press("down")
        await until(user.pilot, lambda: "row 1" in user.pane.content)
        assert "1 + 1 = 2." not in user.pane.content
        await user.press("z")
        assert "1 + 1 = 2." in user.pane.content


@pytest.mark.parametrize("size", SIZES)
async def test_one_field_fills_the_screen_and_rows_go_by(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as user:
        await user.press("f")
        assert user.pane.alone and not user.table.display and user.pane.region.width == size[0]
        assert "What is 0 plus one?" in seen(user) and "0 + 1 = 1." not in seen(user)
        await user.press("j", "j", "tab", "tab")
        await until(user.pilot, lambda: "2 + 1 = 3." in seen(user))
        await user.press("k")
        await until(user.pilot, lambda: "1 + 1 = 2." in seen(user))
        await user.press("escape")
        assert not user.pane.alone and user.table.display and user.table.has_focus
        await user.until_on_row(1)


async def test_a_megabyte_in_one_cell_holds_up_no_key(tmp_path: Path) -> None:
    rows = [row(0) | {"reasoning": "長い文章です。" * 50_000 + "END", "output": "after"}, row(1)]
    async with opened(write_rows(tmp_path / "long.jsonl", rows), (80, 24)) as user:
        await user.press("enter", "tab", "tab", "f", "down")
        await user.until_on_row(1)  # while the first row is still being wrapped
        await user.press("up")
        await until(user.pilot, lambda: "350,003 characters" in seen(user))
        await until(
            user.pilot,
            lambda: (
                not user.pane.workers
                or all(worker.is_finished for worker in user.pane.workers if worker.group == "wrap")
            ),
        )
        await user.press("end")
        await until(user.pilot, lambda: "END" in seen(user))
        await user.press("home")
        await until(user.pilot, lambda: "350,003 characters" in seen(user))


async def test_what_grows_above_leaves_what_is_read_in_its_place(tmp_path: Path) -> None:
    rows = [row(0) | {"instruction": "word " * 60_000, "output": "the answer"}]
    async with opened(write_rows(tmp_path / "long.jsonl", rows), (80, 24)) as user:
        await user.press("enter", "tab", "tab", "tab")
        await until(user.pilot, lambda: "> output" in seen(user))
        await until(user.pilot, lambda: user.pane.virtual_size.height > 3_000)
        assert "> output" in seen(user) and "the answer" in seen(user)


async def test_hits_are_pointed_out_in_table_and_row(tmp_path: Path) -> None:
    rows = [row(0) | {"reasoning": "word " * 60 + "the 立山 itself " + "word " * 60}, row(1)]
    async with opened(write_rows(tmp_path / "hits.jsonl", rows)) as user:
        await user.press("slash", *"立山", "enter")
        await user.until_shown(1)
        line = next(line for line in user.lines()[1:] if "立山" in line)
        assert "…" in line
        marked = [
            segment.text
            for segment in user.table.render_line(1)
            if segment.style is not None and segment.style.underline
        ]
        assert marked == ["立山"]
        await until(user.pilot, lambda: "1 match" in seen(user))
        in_pane = [segment for y in range(user.pane.size.height) for segment in user.pane.render_line(y)]
        assert [segment.text for segment in in_pane if segment.style is not None and segment.style.underline] == [
            "立山"
        ]


async def test_a_row_in_the_pane_is_text_and_never_markup(tmp_path: Path) -> None:
    async with opened(write_rows(tmp_path / "hostile.jsonl", [HOSTILE])) as user:
        await until(user.pilot, lambda: "row 0" in seen(user) and "trailing" in seen(user))
        text = user.pane.content + seen(user) + "\n".join(user.lines())
        assert "[@click=app.quit]x[/]" in text and "x[/think]" in text
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\x90", "\u202e"}
        assert "trailing···" in text  # blanks at a line's end are seen: a model learns them
        for y in range(user.pane.size.height):
            assert not any(
                "@click" in (segment.style.meta if segment.style else {}) for segment in user.pane.render_line(y)
            )


def row_with_context(index: int) -> Row:
    """Every second row has a system prompt, earlier turns and tools."""
    if index % 2:
        return scripted_row(index)
    history = [
        {"role": "user", "content": "東京の天気は？" * 20 + "\x1b[31m"},
        {"role": "assistant", "content": f"晴れです {index}"},
    ]
    tools = json.dumps([{"name": "weather"}])
    return Row(
        "明日は？", output="雨", system="あなたは助手です。", history=history_to_json(history), tools=tools, index=index
    )


@pytest.mark.parametrize("size", SIZES)
async def test_the_context_of_a_row_is_read_and_copied_like_its_fields(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    data = ScriptedData("chat.jsonl", 10, make_row=row_with_context)
    monkeypatch.setattr("core.data.source.open_early", lambda source, split, mapping: data)
    async with opened("chat.jsonl", size) as user:
        sent: list[str] = []
        monkeypatch.setattr(user.app, "copy_to_clipboard", sent.append)
        if not user.pane.display:
            await user.press("enter")
        await until(user.pilot, lambda: "System" in user.pane.content)
        text = user.pane.content
        assert text.index("output") < text.index("System") < text.index("Earlier turns") < text.index("Tools")
        assert "User: 東京の天気は？" in text and "Assistant: 晴れです 0" in text and "\x1b" not in text
        assert not any("System" in line for line in user.lines())  # the table is as it was
        await user.press("shift+tab", "y")
        assert user.pane.field == "tools" and json.loads(sent[-1]) == [{"name": "weather"}]
        await user.press("comma", "y")
        assert user.pane.field == "history" and sent[-1].startswith("User: 東京の天気は？")
        await user.press("e")
        await user.until_said("Earlier turns can be read and copied here, but not edited.")
        await user.press("f")
        await until(user.pilot, lambda: user.pane.alone and "Earlier turns" in seen(user))
        assert max(cell_len(line) for line in seen(user).split("\n")) <= size[0]
        await user.press("down")  # a row without turns
        await until(user.pilot, lambda: "row 1" in seen(user) and "empty" in seen(user))
        await user.press("down")
        await until(user.pilot, lambda: "Assistant: 晴れです 2" in user.pane.content)
        await user.press("down", "escape")
        await until(user.pilot, lambda: "row 3" in seen(user))
        assert user.pane.field == "instruction" and "Earlier turns" not in user.pane.content
        await user.press("shift+tab")
        assert user.pane.field == "sysflag"


async def test_a_field_is_copied_and_a_long_one_goes_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(0) | {"output": "長" * 40_000}]
    async with opened(write_rows(tmp_path / "copy.jsonl", rows)) as user:
        sent: list[str] = []
        monkeypatch.setattr(user.app, "copy_to_clipboard", sent.append)
        await user.press("y")
        assert sent == [rows[0]["instruction"]]
        await user.until_said("Sent", "clipboard of your terminal")
        await user.press("tab", "tab", "tab", "y")
        await user.until_said("120 kB is more than terminals accept", "y again")
        assert len(sent) == 1 and len(base64.b64encode(rows[0]["output"].encode())) > 75_000
        await user.press("y")
        await user.until_said("Written to")
        written = folders.home() / "copied" / "row-0-output.txt"
        assert written.read_text(encoding="utf-8") == rows[0]["output"] and written.stat().st_mode & 0o77 == 0


async def test_tokens_are_counted_where_the_model_is_at_hand(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Words:
        def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
            return list(range(len(text.split()))), []

    monkeypatch.setattr("core.quality.model_tokenizer.load_model_tokenizer", lambda model: (Words(), ""))
    async with opened(rows_file) as user:
        await until(user.pilot, lambda: "5 tokens" in seen(user))
        await user.press("down")
        await until(user.pilot, lambda: "row 1" in seen(user) and "tokens" in seen(user))


async def test_without_the_model_there_are_characters_alone(rows_file: Path) -> None:
    async with opened(rows_file) as user:
        await until(user.pilot, lambda: "characters" in seen(user))
        await user.pilot.pause(0.4)
        assert "token" not in seen(user)


async def test_text_is_selected_without_the_breaks_that_wrapping_made(tmp_path: Path) -> None:
    rows = [row(0) | {"instruction": "one two three four five six seven eight nine ten eleven twelve", "input": ""}]
    async with opened(write_rows(tmp_path / "select.jsonl", rows)) as user:
        await until(user.pilot, lambda: "one two" in seen(user))
        user.room.text_select_all()
        selected = user.room.get_selected_text() or ""
        assert rows[0]["instruction"] in selected
