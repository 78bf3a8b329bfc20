"""The panel that fills: wrapping by cells, following the end, Markdown that drops nothing, and foreign text that stays
text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from core.engine.protocol import AnswerFinish
from tui.chat.finish_line import ending_words, seconds_words, timing_words
from tui.chat.markdown_lines import markdown_lines
from tui.chat.stream_panel import StreamPanel
from tui.common.wrapping import WrappedText, line_starts

MIXED = st.text(alphabet=st.sampled_from(list("ab 、。「」(漢字か\u3099👨\u200d👧)\n☺\ufe0f.-é\u0301x")), max_size=120)
WIDTHS = st.integers(min_value=2, max_value=14)


# -- wrapping --


def wrapped(text: str, width: int) -> list[str]:
    page = WrappedText(width)
    page.append(text)
    return page.lines


def test_japanese_breaks_between_characters_but_not_before_a_full_stop() -> None:
    assert wrapped("富士山と立山。そして「東京」です", 10) == ["富士山と立", "山。そして", "「東京」で", "す"]
    assert wrapped("富士山と立。", 10) == ["富士山と", "立。"]  # the stop takes one character with it
    assert wrapped("富士山と「立", 10) == ["富士山と", "「立"]  # an opening bracket does not end a line


def test_words_stay_whole_and_longer_ones_are_cut() -> None:
    assert wrapped("one two three", 8) == ["one two ", "three"]
    assert wrapped("a " + "x" * 9, 4) == ["a ", "xxxx", "xxxx", "x"]
    assert wrapped("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 3) == ["👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"]


@given(MIXED, WIDTHS, st.lists(st.integers(min_value=1, max_value=7), min_size=1))
def test_the_same_lines_however_the_stream_was_cut(text: str, width: int, cuts: list[int]) -> None:
    page, offset, turn = WrappedText(width), 0, 0
    while offset < len(text):
        step = cuts[turn % len(cuts)]
        page.append(text[offset : offset + step])
        offset, turn = offset + step, turn + 1
    assert page.lines == wrapped(text, width)
    assert page.text == text
    page.rewrap(width + 3)
    assert page.lines == wrapped(text, width + 3)


@given(st.text(alphabet=st.sampled_from(list("ab 、。「」(漢字か👨)é.-")), max_size=120), WIDTHS)
def test_no_line_is_wider_than_the_panel(text: str, width: int) -> None:
    assert all(cell_len(line.rstrip(" ")) <= width for line in wrapped(text, width))


@given(MIXED, WIDTHS)
def test_every_line_but_the_first_begins_after_the_one_before(text: str, width: int) -> None:
    starts = line_starts(text.replace("\n", " "), width)
    assert starts[0] == 0
    assert all(left < right for left, right in pairwise(starts))


# -- Markdown --


def plain(text: str, width: int = 60) -> list[str]:
    return ["".join(part for part, _ in line) for line in markdown_lines(text, width)]


def test_markdown_styles_and_lays_out() -> None:
    lines = markdown_lines("# Head\n\nA **bold** `code`\n\n- one\n- two\n\n```python\nx = 1\n```", 40)
    assert lines[0] == [("Head", "heading")]
    assert lines[2] == [("A ", ""), ("bold", "strong"), (" ", ""), ("code", "code")]
    assert lines[4] == [("- ", "mark"), ("one", "")]
    assert ("x = 1", "code") in lines[-1]


@pytest.mark.parametrize(
    "text",
    [
        "2*3*4 = 24",
        "2**3 + 4**2 = 24",
        "(a*b)*(c*d)",
        r"\(x^2\) and \[y\]",
        "[link](action:app.quit) ![image](x) <http://a.b>",
        "[@click=app.quit]('x') [/] [bold]",
        "<b>html</b> <think> </think> <!-- not hidden -->",
        "&#27; &#x202e; &lt;",
        "[ref]: http://x",
        "+ 5",
        "* 5",
        "snake_case_name",
    ],
)
def test_markdown_loses_no_character_that_carries_meaning(text: str) -> None:
    assert plain(text) == [text]


def test_markdown_keeps_line_breaks_and_underlines_of_sums() -> None:
    assert plain("12\n+ 5\n----\n17")[:2] == ["12", "+ 5"]
    assert plain("a\nb") == ["a", "b"]
    assert plain("これは**重要**です") == ["これは重要です"]


def test_markdown_tables_fit_by_cells_or_stay_source() -> None:
    table = "| a | b |\n|---|---|\n| 富士山 | **x** |"
    assert plain(table) == ["a      │ b", "───────┼──", "富士山 │ x"]
    assert plain(table, 9)[:2] == ["| a | b |", "|---|---|"]


@given(st.text(alphabet=st.sampled_from(list("a*_`#->|[]()! 1.\n~<&;:漢")), max_size=200))
def test_markdown_takes_any_text_and_keeps_its_words(text: str) -> None:
    lines = plain(text, 30)
    assert "".join(lines).count("a") == text.count("a")
    assert "".join(lines).count("漢") == text.count("漢")


def test_deeply_nested_marks_of_a_looping_model_are_shown_as_they_are() -> None:
    assert "".join(plain(">" * 500)) == ">" * 500


# -- the finish line --


def ended(reason: str, ending: str) -> AnswerFinish:
    return AnswerFinish(reason, ending, 40, 412, 0.25, 0.31, 12.34, 33.21)  # type: ignore[arg-type]


def test_endings_in_words() -> None:
    assert ending_words(ended("end", "complete")) == "End of answer"
    assert (
        ending_words(ended("length", "in_reasoning"), False) == "Token limit reached inside the reasoning, no response"
    )
    assert ending_words(ended("runaway", "runaway")) == "Ran on into a new instruction"
    assert ending_words(ended("runaway", "complete")) == "Finished the answer, then began another section"
    assert ending_words(ended("stopped", "complete")) == "Stopped"
    assert ending_words(ended("end", "complete"), False) == "End of answer, the response is empty"
    assert (
        timing_words(ended("end", "complete"))
        == "412 tokens · prefill of 40 in 0.25 s · first token 0.31 s · total 12.3 s · 33.2 tok/s"
    )
    assert [seconds_words(value) for value in (0.004, 9.96, 125.0)] == ["0.00 s", "10.0 s", "2 min 5 s"]


# -- the panel --


class PanelApp(App[None]):
    CSS = "StreamPanel { border-top: solid red; }"

    def __init__(self, markdown: bool = False) -> None:
        super().__init__()
        self.panel = StreamPanel("Response", markdown=markdown)

    def compose(self) -> ComposeResult:
        yield self.panel


def shown(panel: StreamPanel) -> list[str]:
    return [
        "".join(segment.text for segment in panel.render_line(y)).strip()
        for y in range(panel.scrollable_content_region.height)
    ]


async def until_laid_out(pilot: Pilot[None], panel: StreamPanel) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def test_follows_the_end_only_while_the_reader_is_near_it() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 12)) as pilot:
        panel = app.panel
        panel.begin()
        for number in range(50):
            panel.append(f"line {number}\n")
        await pilot.pause()
        assert "line 49" in shown(panel)
        panel.scroll_to(y=5, animate=False)
        await pilot.pause()
        for number in range(50, 90):
            panel.append(f"line {number}\n")
        await pilot.pause()
        assert shown(panel)[0] == "line 5"
        panel.scroll_to(y=panel.max_scroll_y - 2, animate=False)
        await pilot.pause()
        for number in range(90, 110):
            panel.append(f"line {number}\n")
        panel.finish()
        await pilot.pause()
        assert "line 109" in shown(panel)


async def test_appending_draws_the_last_line_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 12)) as pilot:
        panel = app.panel
        panel.begin()
        panel.append("a\nb\nc")
        await pilot.pause()
        drawn: list[int] = []
        monkeypatch.setattr(panel, "render_line", lambda y: drawn.append(y) or StreamPanel.render_line(panel, y))  # type: ignore[func-returns-value]
        panel.append("d")
        await pilot.pause()
        assert drawn == [2]


async def test_a_long_answer_keeps_every_line_and_rewraps() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 12)) as pilot:
        panel = app.panel
        panel.begin()
        text = " ".join(f"word{number}" for number in range(30_000))
        for start in range(0, len(text), 997):
            panel.append(text[start : start + 997])
        panel.finish()
        await pilot.resize_terminal(61, 20)
        await pilot.pause()
        assert panel.text == text
        assert "word29999" in shown(panel)[-1]
        panel.focus()
        await pilot.press("home")
        await pilot.pause()
        assert shown(panel)[0].startswith("word0 word1")


async def test_markdown_replaces_the_plain_text_when_it_is_finished() -> None:
    app = PanelApp(markdown=True)
    async with app.run_test(size=(40, 12)) as pilot:
        panel = app.panel
        panel.begin()
        panel.append("The **answer**")
        await pilot.pause()
        assert shown(panel)[0] == "The **answer**"
        panel.finish()
        await until_laid_out(pilot, panel)
        assert shown(panel)[0] == "The answer"
        await pilot.resize_terminal(10, 12)
        await until_laid_out(pilot, panel)
        assert shown(panel)[:2] == ["The", "answer"]
        panel.begin()
        panel.append("next")
        await pilot.pause()
        assert shown(panel)[0] == "next"
        assert panel.text == "next"


async def test_line_breaks_cut_in_two_and_lone_carriage_returns() -> None:
    app = PanelApp()
    async with app.run_test(size=(40, 12)) as pilot:
        panel = app.panel
        panel.begin()
        for piece in ("\n\none\r", "\ntwo\r", "three\r"):
            panel.append(piece)
        panel.finish()
        await pilot.pause()
        assert shown(panel)[:2] == ["one", "two␍three␍"]


async def test_selected_text_has_no_breaks_that_wrapping_made() -> None:
    app = PanelApp()
    async with app.run_test(size=(14, 12)) as pilot:
        panel = app.panel
        panel.begin()
        panel.append("alpha beta gamma delta")
        await pilot.pause()
        panel.text_select_all()
        await pilot.pause()
        assert app.screen.get_selected_text() == "alpha beta gamma delta"
