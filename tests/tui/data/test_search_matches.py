"""Hits in cells of the table: seen, in the right place, and never wider than the cell."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.data.widgets.field_lines import FieldLines
from tui.data.widgets.search_matches import NO_MATCHES, SearchMatches


def shown(text: str, needle: str, width: int) -> tuple[str, list[str]]:
    line, spans = SearchMatches(needle).cell(text, width)
    return line, [line[start:end] for start, end in spans]


def test_a_hit_at_the_beginning_leaves_the_cell_as_it_is() -> None:
    assert shown("What is plus one?", "PLUS", 24) == ("What is plus one?       ", ["plus"])


def test_a_hit_far_in_is_moved_into_sight_with_what_stands_around_it() -> None:
    line, hits = shown("before " * 50 + "the hit itself " + "after " * 50, "hit", 30)
    assert line.startswith("…") and line.endswith("…") and hits == ["hit"] and "the hit itself" in line


def test_wide_characters_are_measured_in_cells() -> None:
    line, hits = shown("長い文章です。" * 30 + "ここに立山がある" + "です" * 40, "立山", 20)
    assert hits == ["立山"] and cell_len(line) == 20


def test_columns_that_are_not_searched_have_no_hits() -> None:
    hits = SearchMatches("x", ("output",))
    assert hits.in_columns("reasoning") is NO_MATCHES and hits.in_columns("instruction", "output") is hits


def test_markup_and_controls_are_text() -> None:
    line, hits = shown("[/] \x1b]52;c;x\x07 [b]", "[b]", 30)
    assert hits == ["[b]"] and "\x1b" not in line and "\x07" not in line


@given(st.text(max_size=80), st.text(min_size=1, max_size=6), st.text(max_size=80), st.integers(4, 60))
def test_a_cell_is_always_exactly_as_wide_as_asked_and_spans_lie_in_it(
    before: str, needle: str, after: str, width: int
) -> None:
    line, spans = SearchMatches(needle).cell(before + needle + after, width)
    assert cell_len(line) == width
    assert all(0 <= start < end <= len(line) for start, end in spans)
    assert not any("\x00" <= letter < "\x20" or "\x7f" <= letter < "\xa0" for letter in line)


def test_a_hit_that_goes_over_the_end_of_a_line_is_marked_on_both() -> None:
    field = FieldLines("one two three four five six seven", 11)
    marked = {
        line: [field.lines[line][start:end] for start, end in field.spans(line, SearchMatches("three four"))]
        for line in range(len(field.lines))
    }
    assert [part for parts in marked.values() for part in parts] and "".join(
        part for parts in marked.values() for part in parts
    ) == "three four"


@pytest.mark.parametrize(
    "text", ["a" * 9_000, "長い文章です。" * 2_000, "line\n" * 4_000, "x\r\n" * 3_000, "word " * 3_000]
)
def test_a_field_wrapped_piece_by_piece_is_the_same_as_wrapped_at_once(text: str) -> None:
    field = FieldLines(text, 40)
    while not field.is_done:
        field.wrap_more(777)
    last = len(field.lines) - 1
    assert field.cut_from((0, 0), (last, len(field.lines[last]))) == text.replace("\r\n", "\n")
    assert all(cell_len(line.rstrip()) <= 40 for line in field.lines)
