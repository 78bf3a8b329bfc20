"""Lines of text and tokens: nothing is lost, nothing is unsafe, no line is too wide."""

from __future__ import annotations

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from core.base.row import Row
from core.base.safe_text import UNSAFE
from core.examples.preview import RowPreviewer
from core.runs.spec import PromptSection
from core.templates.by_name import get_template
from core.tokens.tokenizer import TextTokenizer
from tests.support.tiny_tokenizer import END, make_tokenizer_folder
from tui.prompts.sheet_lines import GUTTER, TextLines, TokenLines, wrap_text
from tui.prompts.token_texts import TokenTexts

texts = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from(list(" \n\t\r漢字·␣\x1b\u202e")), max_size=80
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return TextTokenizer.from_folder(make_tokenizer_folder(tmp_path_factory.mktemp("model"), bos="<s>"))


@given(texts, texts, st.integers(12, 60), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_token_stands_in_its_section_once(
    tokenizer: TextTokenizer, question: str, answer: str, width: int, with_ids: bool
) -> None:
    words = TokenTexts(tokenizer)
    preview = RowPreviewer(tokenizer).preview(
        Row(question, "", "because", answer), get_template("alpaca-reasoning"), PromptSection()
    )
    lines = TokenLines(preview.ids, preview.ends, preview.weights, words, width, with_ids)
    pieces = [lines.pieces(index) for index in range(len(lines))]
    assert all(
        sum(cell_len(text) for text, _, _ in line) <= max(width, 4 + GUTTER) + (6 if with_ids else 0) for line in pieces
    )
    shown = "".join(text for line in pieces for text, role, _ in line[1:] if role not in ("mark", "muted"))
    assert shown == "".join(words.of_ids(preview.ids))
    assert sum(role == "mark" for line in pieces for _, role, _ in line[1:]) == len(preview.ids)
    assert not UNSAFE.search(shown)
    letters = "".join(dict.fromkeys(line[0][0][0] for line in pieces))
    assert letters == ("PRMAE" if answer else "PRME")
    counts = preview.section_counts()
    for letter, slot in (("P", 0), ("R", 2), ("E", 5)):
        assert (
            sum(role == "mark" for line in pieces if line[0][0][0] == letter for _, role, _ in line[1:])
            == counts[slot][0]
        )


@given(st.lists(texts, min_size=1, max_size=3), st.integers(10, 60))
def test_text_keeps_every_character_that_is_not_a_blank(parts: list[str], width: int) -> None:
    lines = TextLines(
        [(slot, text) for slot, text in zip((0, 2, 4), parts, strict=False)], (0, 1, 1, 1, 1, 1), width, "<s>", END
    )
    pieces = [lines.pieces(index) for index in range(len(lines))]
    assert all(sum(cell_len(text) for text, _, _ in line) <= width for line in pieces[1:-1])
    assert pieces[0][1][0] == "⟨<s>⟩" and pieces[-1][0][0] == "E┃ " and pieces[0][0][0] == "P┆ "
    for slot, text in zip("PRA", parts, strict=False):
        mine = [line for line in pieces[1:-1] if line[0][0][0] == slot]
        assert sum(line[-1][0] == "⏎" and line[-1][1] == "mark" for line in mine) == text.replace("\r\n", "\n").count(
            "\n"
        )
        shown = "".join(line[1][0] for line in mine)
        assert not UNSAFE.search(shown)
        assert [c for c in shown if not c.isspace()] == [
            c for c in "".join(part for part, _ in wrap_text(text, 10_000)) if not c.isspace()
        ]


def test_a_character_in_several_tokens_stands_at_its_last(tokenizer: TextTokenizer) -> None:
    words = TokenTexts(tokenizer)
    ids, _ = tokenizer.encode("a鬱b")
    shown = words.of_ids(ids)
    assert "".join(shown).replace("‥", "") == "a鬱b" and shown[0] == "a" and shown[-1] == "b"
    broken = words.of_ids(ids[: len(ids) - 2])
    assert "\\x" in "".join(broken)  # what is cut in the middle of a character is shown as bytes


def test_special_tokens_stand_in_brackets_and_their_letters_do_not(tokenizer: TextTokenizer) -> None:
    words = TokenTexts(tokenizer)
    assert words.of_ids([tokenizer.eos_id]) == [f"⟨{END}⟩"] and words.is_special(tokenizer.eos_id)
    assert "".join(words.of_ids(tokenizer.encode(END)[0])) == END
    preview = RowPreviewer(tokenizer).preview(Row("a", "", "b", "c"), get_template("alpaca-reasoning"), PromptSection())
    lines = TokenLines(preview.ids, preview.ends, preview.weights, words, 80)
    assert lines.pieces(0)[1] == ("⟨<s>⟩", "special", True)


def test_a_hundred_thousand_tokens_are_laid_out_at_once(tokenizer: TextTokenizer) -> None:
    preview = RowPreviewer(tokenizer).preview(
        Row("a", "", "What is 3 plus one? " * 17_000, "c"), get_template("alpaca-reasoning"), PromptSection()
    )
    assert len(preview.ids) > 100_000
    begun = time.perf_counter()
    lines = TokenLines(preview.ids, preview.ends, preview.weights, TokenTexts(tokenizer), 80)
    assert time.perf_counter() - begun < 2.0  # 0.1 s on the machine it was written on
    assert lines.pieces(len(lines) - 1)[0][0] == "E┃ "
