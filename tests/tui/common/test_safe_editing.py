"""Foreign text through an editor and back, and differences between texts."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import example, given
from hypothesis import strategies as st

from core.base.row import Row
from core.base.text_differences import MOST_LINES, DiffLine, text_differences
from tui.common.safe_editing import EditableText, editor_text
from tui.data.dialogs.difference import difference_content

HOSTILE = st.text(st.sampled_from("ab\n\r\t\x1b\x07\x85\u2028\u202e\ufeff␛�\u200b立"), max_size=40)


@given(HOSTILE)
def test_what_was_not_edited_comes_back_to_the_byte(text: str) -> None:
    both = EditableText(text)
    assert both.back(both.shown) == text


@given(HOSTILE)
@example("\r\r\n")
def test_an_edit_leaves_the_rest_as_it_was_or_says_what_is_lost(text: str) -> None:
    both = EditableText(text)
    if not both.losses:
        assert both.back(both.shown + "!") == text + "!"


@given(HOSTILE)
def test_an_editor_never_holds_what_a_terminal_acts_on(text: str) -> None:
    assert not set(EditableText(text).shown) & set("\x1b\x07\x85\u2028\u202e\ufeff\r")


def test_line_breaks_of_windows_come_back_and_mixed_ones_are_named() -> None:
    assert EditableText("a\r\nb").back("a\nb\nc") == "a\r\nb\r\nc"
    assert EditableText("a\r\nb\nc").losses and not EditableText("a\nb").losses
    assert EditableText("a\tb\rc").shown == "a\tb␍c"


@given(HOSTILE)
def test_what_is_pasted_has_newlines_and_nothing_a_terminal_acts_on(text: str) -> None:
    pasted = editor_text(text)
    assert not set(pasted) & set("\x1b\x07\x85\u2028\u202e\ufeff\r")
    assert pasted.count("\n") == text.replace("\r\n", "\n").replace("\r", "\n").count("\n")


def joined(lines: list[DiffLine], signs: str) -> str:
    return "\n".join("".join(text for text, _ in line.pieces) for line in lines if line.sign in signs)


@given(st.lists(st.sampled_from("abc"), max_size=4), st.lists(st.sampled_from("abc"), max_size=4))
def test_both_texts_stand_in_their_difference(old: list[str], new: list[str]) -> None:
    before, after = "\n".join(old), "\n".join(new)
    with patch("core.base.text_differences.CONTEXT", 9):  # no equal line is left out
        lines = text_differences(before, after)
    assert not lines if before == after else (joined(lines, " -"), joined(lines, " +")) == (before, after)


def test_words_that_differ_are_marked_and_equal_lines_left_out() -> None:
    before = "\n".join(["same"] * 20 + ["three apples are red"] + ["same"] * 20)
    lines = text_differences(before, before.replace("apples", "pears"))
    assert [line.sign for line in lines] == ["…", " ", " ", "-", "+", " ", " ", "…"]
    assert [text for line in lines for text, differs in line.pieces if differs] == ["apples", "pears"]
    japanese = text_differences("立山は高い", "富士山は高い")
    assert [text for line in japanese for text, differs in line.pieces if differs] == ["立", "富士"]


def test_very_long_texts_are_compared_at_once() -> None:
    lines = text_differences("a\n" * MOST_LINES * 3, "b\n" * MOST_LINES * 3)
    assert len(lines) > MOST_LINES
    assert len(text_differences("x y " * 100_000, "y x " * 100_000)) == 2


def test_the_difference_of_a_row_is_text_and_never_markup() -> None:
    before, after = Row("[/] \x1b]0;t\x07", "", "", "x"), Row("[b]", "", "", "x")
    content = difference_content(before, after)
    assert (
        "- [/]" in content.plain
        and "+ [b]" in content.plain
        and "\x1b" not in content.plain
        and "output" not in content.plain
    )
    assert "added by hand" in difference_content(None, after).plain
