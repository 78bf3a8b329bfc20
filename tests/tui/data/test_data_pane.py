"""One row whole, its fields, and one field alone."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from rich.cells import cell_len

from core.base import folders
from tests.support.data_room import SIZES, Hands, opened
from tests.support.rooms import row, until, write_rows

HOSTILE = {
    "instruction": "[/] [@click=app.quit]x[/] \x1b]52;c;aGFja2Vk\x07",
    "input": "x[/think] \x9b31m trailing   \nnext",
    "reasoning": "[b]\x90 \u202e",
    "output": "\x1b[31m",
    "syslang": "[red]\x1b[7m",
    "sysflag": "tr\x1bain",
}


def seen(hands: Hands) -> str:
    return "\n".join(hands.pane.render_line(y).text for y in range(hands.pane.size.height))


@pytest.mark.parametrize("size", SIZES)
async def test_every_field_has_its_name_its_size_and_the_cursor(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        if size[0] < 110:
            await hands.press("enter")
        await until(hands.pilot, lambda: "> instruction" in seen(hands))
        assert "19 characters" in seen(hands) and "  reasoning" in seen(hands)
        assert {cell_len(hands.pane.render_line(y).text) for y in range(hands.pane.size.height)} == {
            hands.pane.scrollable_content_region.width
        }
        await hands.press("tab", "full_stop", "tab")
        await until(hands.pilot, lambda: "> output" in seen(hands))
        await hands.press("tab", "tab")
        assert hands.pane.field == "sysflag" and "> sysflag" in seen(hands)
        await hands.press("shift+tab", "comma")
        assert hands.pane.field == "output"


async def test_a_folded_field_stays_folded_in_the_next_rows(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await hands.press("tab", "tab", "z")
        assert (
            hands.pane.field == "reasoning"
            and "0 + 1 = 1." not in hands.pane.content
            and "folded" in hands.pane.content
        )
        await hands.press("down")
        await until(hands.pilot, lambda: "row 1" in hands.pane.content)
        assert "1 + 1 = 2." not in hands.pane.content
        await hands.press("z")
        assert "1 + 1 = 2." in hands.pane.content


@pytest.mark.parametrize("size", SIZES)
async def test_one_field_fills_the_screen_and_rows_go_by(rows_file: Path, size: tuple[int, int]) -> None:
    async with opened(rows_file, size) as hands:
        await hands.press("f")
        assert hands.pane.alone and not hands.table.display and hands.pane.region.width == size[0]
        assert "What is 0 plus one?" in seen(hands) and "0 + 1 = 1." not in seen(hands)
        await hands.press("j", "j", "tab", "tab")
        await until(hands.pilot, lambda: "2 + 1 = 3." in seen(hands))
        await hands.press("k")
        await until(hands.pilot, lambda: "1 + 1 = 2." in seen(hands))
        await hands.press("escape")
        assert not hands.pane.alone and hands.table.display and hands.table.has_focus
        await hands.on_row(1)


async def test_a_megabyte_in_one_cell_holds_up_no_key(tmp_path: Path) -> None:
    rows = [row(0) | {"reasoning": "長い文章です。" * 50_000 + "END", "output": "after"}, row(1)]
    async with opened(write_rows(tmp_path / "long.jsonl", rows), (80, 24)) as hands:
        await hands.press("enter", "tab", "tab", "f", "down")
        await hands.on_row(1)  # while the first row is still being wrapped
        await hands.press("up")
        await until(hands.pilot, lambda: "350,003 characters" in seen(hands))
        await until(
            hands.pilot,
            lambda: (
                not hands.pane.workers
                or all(worker.is_finished for worker in hands.pane.workers if worker.group == "wrap")
            ),
        )
        await hands.press("end")
        await until(hands.pilot, lambda: "END" in seen(hands))
        await hands.press("home")
        await until(hands.pilot, lambda: "350,003 characters" in seen(hands))


async def test_what_grows_above_leaves_what_is_read_in_its_place(tmp_path: Path) -> None:
    rows = [row(0) | {"instruction": "word " * 60_000, "output": "the answer"}]
    async with opened(write_rows(tmp_path / "long.jsonl", rows), (80, 24)) as hands:
        await hands.press("enter", "tab", "tab", "tab")
        await until(hands.pilot, lambda: "> output" in seen(hands))
        await until(hands.pilot, lambda: hands.pane.virtual_size.height > 3_000)
        assert "> output" in seen(hands) and "the answer" in seen(hands)


async def test_hits_are_pointed_out_in_table_and_row(tmp_path: Path) -> None:
    rows = [row(0) | {"reasoning": "word " * 60 + "the 立山 itself " + "word " * 60}, row(1)]
    async with opened(write_rows(tmp_path / "hits.jsonl", rows)) as hands:
        await hands.press("slash", *"立山", "enter")
        await hands.shown(1)
        line = next(line for line in hands.lines()[1:] if "立山" in line)
        assert "…" in line
        marked = [
            segment.text
            for segment in hands.table.render_line(1)
            if segment.style is not None and segment.style.underline
        ]
        assert marked == ["立山"]
        await until(hands.pilot, lambda: "1 match" in seen(hands))
        in_pane = [segment for y in range(hands.pane.size.height) for segment in hands.pane.render_line(y)]
        assert [segment.text for segment in in_pane if segment.style is not None and segment.style.underline] == [
            "立山"
        ]


async def test_a_row_in_the_pane_is_text_and_never_markup(tmp_path: Path) -> None:
    async with opened(write_rows(tmp_path / "hostile.jsonl", [HOSTILE])) as hands:
        await until(hands.pilot, lambda: "row 0" in seen(hands) and "trailing" in seen(hands))
        text = hands.pane.content + seen(hands) + "\n".join(hands.lines())
        assert "[@click=app.quit]x[/]" in text and "x[/think]" in text
        assert not set(text) & {"\x1b", "\x07", "\x9b", "\x90", "\u202e"}
        assert "trailing···" in text  # blanks at a line's end are seen: a model learns them
        for y in range(hands.pane.size.height):
            assert not any(
                "@click" in (segment.style.meta if segment.style else {}) for segment in hands.pane.render_line(y)
            )


async def test_a_field_is_copied_and_a_long_one_goes_to_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(0) | {"output": "長" * 40_000}]
    async with opened(write_rows(tmp_path / "copy.jsonl", rows)) as hands:
        sent: list[str] = []
        monkeypatch.setattr(hands.app, "copy_to_clipboard", sent.append)
        await hands.press("y")
        assert sent == [rows[0]["instruction"]]
        await hands.says_so("Sent", "clipboard of your terminal")
        await hands.press("tab", "tab", "tab", "y")
        await hands.says_so("120 kB is more than terminals take", "y again")
        assert len(sent) == 1 and len(base64.b64encode(rows[0]["output"].encode())) > 75_000
        await hands.press("y")
        await hands.says_so("Written to")
        written = folders.home() / "copied" / "row-0-output.txt"
        assert written.read_text(encoding="utf-8") == rows[0]["output"] and written.stat().st_mode & 0o77 == 0


async def test_tokens_are_counted_where_the_model_is_at_hand(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Words:
        def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
            return list(range(len(text.split()))), []

    monkeypatch.setattr("core.quality.tokens.load", lambda model: (Words(), ""))
    async with opened(rows_file) as hands:
        await until(hands.pilot, lambda: "5 tokens" in seen(hands))
        await hands.press("down")
        await until(hands.pilot, lambda: "row 1" in seen(hands) and "tokens" in seen(hands))


async def test_without_the_model_there_are_characters_alone(rows_file: Path) -> None:
    async with opened(rows_file) as hands:
        await until(hands.pilot, lambda: "characters" in seen(hands))
        await hands.pilot.pause(0.4)
        assert "token" not in seen(hands)


async def test_text_is_selected_without_the_breaks_that_wrapping_made(tmp_path: Path) -> None:
    rows = [row(0) | {"instruction": "one two three four five six seven eight nine ten eleven twelve", "input": ""}]
    async with opened(write_rows(tmp_path / "select.jsonl", rows)) as hands:
        await until(hands.pilot, lambda: "one two" in seen(hands))
        hands.room.text_select_all()
        selected = hands.room.get_selected_text() or ""
        assert rows[0]["instruction"] in selected
