from __future__ import annotations

import importlib.util
import itertools
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from core.base.errors import UsageError
from core.splitter.marker_families import (
    ALL_SPELLINGS,
    HARMONY,
    THINKING_FAMILIES,
    MarkerFamily,
    family_markers,
    family_with,
)
from core.splitter.splitter import ALPACA, THINK, Markers, SectionText, Splitter
from core.tokens.detokenizer import Detokenizer
from core.tokens.tokenizer import TextTokenizer

_spec = importlib.util.spec_from_file_location("slow_splitter", Path(__file__).with_name("slow_splitter.py"))
assert _spec and _spec.loader
_slow = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_slow)
split_whole, stretches = _slow.split_whole, _slow.stretches

OWN_TAGS = Markers("[[R]]", "[[A]]", ("[[U]]",), line_start=False)
OWN_HEADINGS = Markers("~~~~R", "  A:", ("U",), line_start=True)
SPELLINGS = Markers(("### 推論:", "### Reasoning:"), ("### 応答:", "## 応答:", "### Response:"), ("### 指示:",))
ENDED = Markers("[r]", "[a]", ("[u]",), False, wraps=(("[w]", "[/w]"), ("[a]", "[/a]")), end=("[e]",))
OPENERS = [opener for family in THINKING_FAMILIES for opener in family.openers]
CODE = "Use `re.sub(r'<think>.*?</think>', '', s)`"
CHANNELS = Markers(
    ("<|c|>a<|m|>", "<t>"), ("<|e|><|c|>f<|m|>", "<|c|>f<|m|>", "</t>"), line_start=False
)  # one ends as another one
FAMILIES = [ALPACA, THINK, OWN_TAGS, OWN_HEADINGS, SPELLINGS, CHANNELS, ENDED]
STARTS = ["reasoning", "response", "undecided"]

PIECES = {
    ALPACA: [
        *("### Reasoning:", "### Response:", "### Instruction:", "### Input:", "### Re", "###", "#", " ", "Response:"),
        *("`", "```", "````", "~~~", "~", "\n", "\n\n", "\r\n", "\r", "\t", "a", "あ", "    ", "```py"),
        *("\n### Response:\n", "\n\n### Reasoning:\n"),
    ],
    THINK: [
        *("<think>", "</think>", "<", "</", "think>", "</thi", "<t", "\n", "\n\n", "\r", "\r\n", " ", "a", "あ"),
        *("```\n", "<<", ">", "<answer>", "</answer>", "<thought>", "</thought>", "[THINK]", "[/THI", "NK]", "</resp"),
    ],
    ENDED: ["[r]", "[a]", "[u]", "[w]", "[/w]", "[/a]", "[e]", "[", "[/", "a]", "\n", "\r\n", "\r", " ", "x", "[e]\n"],
    OWN_TAGS: ["[[R]]", "[[A]]", "[[U]]", "[", "[[", "]]", "R", "\n", "\r", "a", " "],
    SPELLINGS: [
        *("### 推論:", "### Reasoning:", "### 応答:", "## 応答:", "### Response:", "### 指示:", "### 応", "##", "#"),
        *(" ", "答", "\n", "\n\n", "\r\n", "\r", "a", "```", "\n## 応答:\n"),
    ],
    CHANNELS: [
        *("<|c|>a<|m|>", "<|e|><|c|>f<|m|>", "<|c|>f<|m|>", "<|c|>", "<|e|>", "<|", "a", "f", "<|m|>", "<t>", "</t>"),
        *("\n", "\r\n", " "),
    ],
    OWN_HEADINGS: [
        "~~~~R",
        "  A:",
        "U",
        "~",
        "~~~",
        "~~~~",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\r",
        "a",
        "```",
        "\n~~~~\n",
        "\n  A:",
    ],
}


def run(
    pieces: list[str], markers: Markers, start: Any
) -> tuple[tuple[str, str, str], Splitter, list[list[SectionText]]]:
    splitter = Splitter(markers, start)
    given_out = [splitter.feed(piece) for piece in pieces] + [splitter.close()]
    return (splitter.reasoning, splitter.response, splitter.ending), splitter, given_out


def one_by_one(parts: list[SectionText]) -> list[tuple[str, str]]:
    return [(part.section, letter) for part in parts for letter in part.text]


def texts(markers: Markers, most: int = 14) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(PIECES[markers]), max_size=most).map("".join)


cases = st.sampled_from(FAMILIES).flatmap(
    lambda markers: st.tuples(st.just(markers), texts(markers), st.sampled_from(STARTS))
)


@settings(max_examples=500, deadline=None)
@given(cases, st.data())
def test_every_cut_gives_what_the_rules_give_for_the_whole(case: tuple[Markers, str, str], data: st.DataObject) -> None:
    markers, text, start = case
    expected = split_whole(text, markers, start)
    whole, _, whole_parts = run([text], markers, start)
    letters, _, letter_parts = run(list(text), markers, start)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    cut, _, cut_parts = run([text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)], markers, start)
    assert whole == letters == cut == expected
    flat = [
        one_by_one([part for parts in given_out for part in parts])
        for given_out in (whole_parts, letter_parts, cut_parts)
    ]
    assert flat[0] == flat[1] == flat[2]
    assert "".join(letter for section, letter in flat[0] if section == "reasoning") == expected[0]
    assert "".join(letter for section, letter in flat[0] if section == "response") == expected[1]


anything = st.text(st.sampled_from("ab#<>\n\r` ~投") | st.characters(), max_size=40)
mark = st.text("ab<#: 投", min_size=1, max_size=4)


@st.composite
def own_markers(draw: st.DrawFn) -> Markers:
    marks = [draw(st.lists(mark, min_size=least, max_size=2).map(tuple)) for least in (0, 1, 0)]
    try:
        return Markers(*marks, line_start=draw(st.booleans()))  # type: ignore[arg-type]
    except UsageError:
        assume(False)
        raise


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(FAMILIES) | own_markers(),
    st.lists(anything | mark | st.sampled_from(["\n", "\r\n", "\n\n", "```"]), max_size=8),
    st.data(),
)
def test_any_text_with_any_markers_is_sorted_whatever_the_cut_and_nothing_is_lost(
    markers: Markers, pieces: list[str], data: st.DataObject
) -> None:
    """Sections, markers and the layout around them, put together, are the input; what was given out is never taken
    back."""
    marks = st.sampled_from([*markers.kinds()])
    text = "".join(piece + data.draw(st.just("") | marks) for piece in pieces)
    start = data.draw(st.sampled_from(STARTS))
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6))), len(text)]
    result, cut, cut_parts = run([text[a:b] for a, b in itertools.pairwise(cuts)], markers, start)
    assert result == split_whole(text, markers, start)

    splitter, shown = Splitter(markers, start), {"reasoning": "", "response": ""}
    for letter in text:
        for part in splitter.feed(letter):
            shown[part.section] += part.text
        assert (splitter.reasoning, splitter.response) == (shown["reasoning"], shown["response"])
    for part in splitter.close():
        shown[part.section] += part.text
    assert (shown["reasoning"], shown["response"], splitter.ending) == result
    assert one_by_one([part for parts in cut_parts for part in parts]) == one_by_one(
        run([text], markers, start)[2][0] + run([text], markers, start)[2][1]
    )

    record = stretches(text, markers, start)
    assert "".join(piece for _, piece in record) == text
    for section, expected in zip(("reasoning", "response"), result[:2], strict=True):
        assert "".join(piece for sort, piece in record if sort == section) == expected
    marks_of_families = ALL_SPELLINGS if markers == THINK else markers.kinds()
    any_mark = re.compile(f"(?:{'|'.join(map(re.escape, marks_of_families))})+")
    for (before, _), (sort, piece), (after, _) in zip(
        [("", ""), *record], record, [*record[1:], ("", "")], strict=False
    ):
        assert sort != "marker" or any_mark.fullmatch(piece)
        assert sort != "layout" or (not piece.strip(" \t\r\n") and "marker" in (before, after))
        assert sort != "after" or cut.ran_away


@settings(max_examples=300, deadline=None)
@given(cases)
def test_what_is_held_back_is_what_a_marker_could_still_claim(case: tuple[Markers, str, str]) -> None:
    """After every letter, some way of going on must leave exactly what has been given out; otherwise text was late."""
    markers, text, start = case
    splitter = Splitter(markers, start)  # type: ignore[arg-type]
    marks = (*markers.kinds(), *OPENERS) if markers == THINK else tuple(markers.kinds())
    ways = {mark[cut:] for mark in marks for cut in range(len(mark))} | {""}
    ways |= {"\n" + mark for mark in marks} | {"x"}
    for end in range(1, len(text) + 1):
        splitter.feed(text[end - 1])
        now = (splitter.reasoning, splitter.response)
        assert any(now == split_whole(text[:end] + way, markers, start)[:2] for way in ways), (text[:end], now)


@settings(max_examples=200, deadline=None)
@given(cases)
def test_parts_are_never_empty_alternate_and_invent_nothing(case: tuple[Markers, str, str]) -> None:
    markers, text, start = case
    (reasoning, response, _), _, given_out = run([text], markers, start)
    for parts in given_out:
        assert all(part.text for part in parts)
        assert all(one.section != two.section for one, two in itertools.pairwise(parts))
    for section in (reasoning, response):
        letters = iter(text)
        assert all(letter in letters for letter in section)  # each letter stands in the stream after the one before it


plain = st.text(st.sampled_from("ab #:\n\rあ<>/`~R"), max_size=30)


@settings(max_examples=300, deadline=None)
@given(plain, plain)
@example("````", "")
@example("~~~~~", "```````")
def test_a_template_shaped_answer_comes_back_exactly(reasoning: str, output: str) -> None:
    # no code fences: one that is never closed reaches to the end of the stream, markers and all
    reasoning, output = (re.sub(r"`{3,}", "``", re.sub(r"~{3,}", "~~", text)) for text in (reasoning, output))
    text = f"{reasoning}\n\n### Response:\n{output}"
    assert run([text], ALPACA, "reasoning")[0] == (reasoning, output, "complete")
    assert run([f"### Reasoning:\n{text}"], ALPACA, "undecided")[0] == (reasoning, output, "complete")
    assert run([output], ALPACA, "response")[0] == ("", output, "complete")
    reasoning = reasoning.rstrip("\r")  # before the layout's LF it cannot be told from a CRLF
    assert run([f"<think>\n{reasoning}\n</think>\n\n{output}"], THINK, "undecided")[0] == (
        reasoning,
        output,
        "complete",
    )


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("r\n\n### Response:\na", "reasoning", ("r", "a", "complete")),
        ("r", "reasoning", ("r", "", "in_reasoning")),
        ("", "undecided", ("", "", "complete")),
        ("just text", "undecided", ("", "just text", "complete")),
        ("\n\n### Response:\na", "reasoning", ("", "a", "complete")),
        ("r\n\n### Response:\n", "reasoning", ("r", "", "complete")),
        (
            "### Reasoning:\nr\n\n### Response:\na",
            "reasoning",
            ("r", "a", "complete"),
        ),  # the model repeats its prompt's heading
        ("### Response:\na", "response", ("", "a", "complete")),
        (
            "### Reasoning:\nr\n\n### Response:\na",
            "response",
            ("r", "a", "complete"),
        ),  # reasons although it was not asked to
        ("a\n\n### Reasoning:\nr", "response", ("r", "a", "complete")),  # reasons afterwards
        ("a\n\n### Reasoning:\nr\n\n### Response:\nb", "response", ("r", "a", "complete")),
        ("r\n\n### Response:\na\n\n### Response:\nb", "reasoning", ("r", "a", "complete")),
        ("r\n\n### Response:\na\n\n### Reasoning:\ns", "reasoning", ("r", "a", "complete")),
        (
            "r\n\n### Response:\na\n\n### Response:\nb\n\n### Input:\nc\n### Response:\nd",
            "reasoning",
            ("r", "a", "runaway"),
        ),
        ("a\n### Response:### Input:\nb", "response", ("", "a", "complete")),  # in the middle of a line, it is text
        ("r\n\n### Response:\na\n\n### Instruction:\nb\n\n### Response:\nc", "reasoning", ("r", "a", "runaway")),
        ("r\n\n### Input:\nb", "reasoning", ("r", "", "runaway")),
        ("r\n\n### Reasoning:\ns\n\n### Response:\na", "reasoning", ("r\n\ns", "a", "complete")),
        ("Sure:\n\n### Reasoning:\nr\n\n### Response:\na", "undecided", ("r", "Sure:\n\na", "complete")),
        ("Sure:\n\n### Reasoning:\nr", "undecided", ("r", "Sure:", "in_reasoning")),
        ("r\r\n\r\n### Response:\r\na\r\n", "reasoning", ("r", "a\r\n", "complete")),
        ("r\n### Response: 42", "reasoning", ("r", "42", "complete")),
        ("r\n###Response:\na", "reasoning", ("r\n###Response:\na", "", "in_reasoning")),
        ("r\n### response:\na", "reasoning", ("r\n### response:\na", "", "in_reasoning")),
        ("r\n ### Response:\na", "reasoning", ("r\n ### Response:\na", "", "in_reasoning")),
        ("see ### Response: there", "reasoning", ("see ### Response: there", "", "in_reasoning")),
        ("```\n### Response:\n```\n### Response:\na", "reasoning", ("```\n### Response:\n```", "a", "complete")),
        (
            "~~~ x\n```\n### Input:\n~~~~\n\n### Response:\na",
            "reasoning",
            ("~~~ x\n```\n### Input:\n~~~~", "a", "complete"),
        ),
        ("````\n```\n### Input:\n````", "response", ("", "````\n```\n### Input:\n````", "complete")),
        ("```a`b\n### Response:\na", "reasoning", ("```a`b", "a", "complete")),  # inline code, no fence
        ("    ```\n### Response:\na", "reasoning", ("    ```", "a", "complete")),  # indented code, no fence
        ("r\n\n\n\n### Response:\n\na\n", "reasoning", ("r\n\n", "\na\n", "complete")),
        ("x </think> y\n\n### Response:\na", "reasoning", ("x </think> y", "a", "complete")),
    ],
)
def test_headings(text: str, start: str, expected: tuple[str, str, str]) -> None:
    assert run([text], ALPACA, start)[0] == expected == split_whole(text, ALPACA, start)


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("<think>\nr\n</think>\n\na", "undecided", ("r", "a", "complete")),
        ("r</think>a", "reasoning", ("r", "a", "complete")),
        ("<think>r</think>a", "reasoning", ("r", "a", "complete")),
        ("<think>\n\n</think>\n\na", "undecided", ("", "a", "complete")),
        ("<think>r", "undecided", ("r", "", "in_reasoning")),
        ("r</think>", "reasoning", ("r", "", "complete")),
        ("r</think>a", "undecided", ("", "ra", "complete")),  # what was given out as response stays there
        ("```\nr</think>a", "reasoning", ("```\nr", "a", "complete")),
        ("<think>r<think>s</think>a</think>b", "undecided", ("rs", "a</think>b", "complete")),
        ("<think>r</think>a<think>s</think>b", "undecided", ("r", "a<think>s</think>b", "complete")),
        (
            "r</think>the tag <think> opens it\nand so",
            "reasoning",
            ("r", "the tag <think> opens it\nand so", "complete"),
        ),
        ("r\n</think>\n\nUse `re.sub(r'<think>.*?</think>', '', s)`", "reasoning", ("r", CODE, "complete")),
        ("<think>\n</think>\n<think>r</think>a", "undecided", ("r", "a", "complete")),
        ("Use <think>", "response", ("", "Use <think>", "complete")),
        ("<think>r</think><answer>42</answer>", "undecided", ("r", "42", "complete")),
        ("<think>r</think>\n<response>\n42\n</response> \n", "undecided", ("r", "42", "complete")),
        ("r</think><answer>42</answer> and more", "reasoning", ("r", "42</answer> and more", "complete")),
        ("r</think><answer></answer>", "reasoning", ("r", "", "complete")),
        ("an <answer> in it</think>a</answer>", "reasoning", ("an <answer> in it", "a</answer>", "complete")),
        ("r</think>a\n\n### Response:\nb", "reasoning", ("r", "a\n\n### Response:\nb", "complete")),
        ("a < b and </thin air", "response", ("", "a < b and </thin air", "complete")),
    ],
)
def test_tags(text: str, start: str, expected: tuple[str, str, str]) -> None:
    assert run([text], THINK, start)[0] == expected == split_whole(text, THINK, start)


@pytest.mark.parametrize("family", THINKING_FAMILIES, ids=lambda family: family.name)
def test_every_family_is_read_where_the_markers_are_not_known(family: MarkerFamily) -> None:
    for (opener, closer), wraps in itertools.product(family.pairs, (("", ""), *family.wraps)):
        for before in ("", "\n "):
            text = f"{opener}x{closer}{wraps[0]}42 <think> {closer} it{wraps[1]}\n"
            result = run(list(before + text), THINK, "undecided")[0]
            assert (
                result == run([before + text], THINK, "undecided")[0] == split_whole(before + text, THINK, "undecided")
            )
            answer = f"42 <think> {closer} it" + ("\n" if not wraps[1] else "")
            assert (result[0], result[1].removeprefix(before)) == ("x", answer)


def test_the_marks_of_further_analysis_messages_are_dropped() -> None:
    markers, next_message = family_markers(HARMONY), "<|end|><|start|>assistant"
    analysis, commentary = "<|channel|>analysis<|message|>", "<|channel|>commentary<|message|>"
    for final in ("<|channel|>final<|message|>", "<|channel|>final <|constrain|>json<|message|>"):
        text = f"{analysis}a{next_message}{analysis}b{next_message}{commentary}c{next_message}{final}11"
        assert run(list(text), markers, "undecided")[0] == ("abc", "11", "complete")
        assert run([final + "11"], markers, "undecided")[0] == ("", "11", "complete")


def test_a_tag_that_ends_an_answer_is_shown_only_where_more_follows() -> None:
    markers = family_markers(family_with("<|START_THINKING|>"))  # type: ignore[arg-type]
    text = "<|START_THINKING|>t<|END_THINKING|><|START_RESPONSE|>a<|END_RESPONSE|>"
    assert run(list(text), markers, "undecided")[0] == ("t", "a", "complete")
    assert run([text, "b"], markers, "undecided")[0] == ("t", "a<|END_RESPONSE|>b", "complete")
    assert run(["<|START_RESPONSE|>a\n<|END_RESPONSE|>\n"], markers, "undecided")[0] == ("", "a", "complete")


def test_a_marker_may_be_one_special_token_or_many(byte_level: TextTokenizer) -> None:
    """`<think>` is one token of this tokenizer, `</think>` is not; both reach the splitter as text."""
    text = "<think>\n投影🗻\n</think>\n\na"
    [as_one] = byte_level.encode_parts([[(text, True)]])
    as_many = byte_level.encode(text)[0]
    assert len(as_one.ids) < len(as_many)
    for ids in (as_one.ids, as_many):
        splitter, detokenizer = Splitter(THINK, "undecided"), Detokenizer(byte_level, at_start=False)
        parts = (
            [part for id in ids for part in splitter.feed(detokenizer.push(id))]
            + splitter.feed(detokenizer.close())
            + splitter.close()
        )
        assert (splitter.reasoning, splitter.response, splitter.ending) == ("投影🗻", "a", "complete")
        assert not any("\ufffd" in part.text for part in parts)


def test_text_is_given_out_with_the_piece_that_decides_it() -> None:
    splitter = Splitter(ALPACA, "reasoning")
    assert splitter.feed("one\n") == [SectionText("reasoning", "one")]
    assert splitter.feed("\n### Res") == []
    assert splitter.feed("ult") == [SectionText("reasoning", "\n\n### Result")]
    assert splitter.feed("\n\n### Response:") == []
    assert splitter.feed("\nfour") == [SectionText("response", "four")]
    assert splitter.feed("\n### I") == []
    assert splitter.close() == [SectionText("response", "\n### I")]
    assert splitter.close() == []
    with pytest.raises(ValueError, match="closed"):
        splitter.feed("x")


def test_a_runaway_is_known_at_once_and_nothing_follows() -> None:
    splitter = Splitter(ALPACA, "response")
    splitter.feed("42\n\n### Instruction:")
    assert splitter.ran_away
    assert splitter.feed("\nand again") == splitter.close() == []
    assert splitter.response == "42"


@pytest.mark.parametrize(
    "marks", [("", "b"), ("a", "a"), ("ab", "a"), ("a\n", "b"), (("a", "c"), ("b", "c")), ("a", ()), ("a", ("bc", "b"))]
)
def test_markers_that_cannot_be_told_apart_are_refused(marks: Any) -> None:
    for line_start in (True, False):
        with pytest.raises(UsageError):
            Markers(*marks, line_start=line_start)


def test_a_tag_may_not_stand_inside_another_but_a_heading_may() -> None:
    assert Markers("### A:", "## A:").all() == ("### A:", "## A:")
    with pytest.raises(UsageError, match="inside another"):
        Markers("<ab>", "b", line_start=False)
    assert Markers("<a><b>", "<b>", line_start=False).kinds() == {"<a><b>": "reasoning", "<b>": "response"}


def test_a_plain_string_is_one_spelling() -> None:
    assert Markers("a", "b", "c") == Markers(("a",), ("b",), ("c",))  # type: ignore[arg-type]
    assert Markers((), ("b",)).reasoning == ()


@pytest.mark.parametrize(
    ("text", "markers", "start", "expected"),
    [
        ("### 推論:\nr\n\n### 応答:\na", SPELLINGS, "undecided", ("r", "a", "complete")),
        (
            "r\n\n### Response:\na",
            SPELLINGS,
            "reasoning",
            ("r", "a", "complete"),
        ),  # a Japanese prompt, answered under an English heading
        ("### Reasoning:\nr\n\n## 応答: a\n\n### 指示:\nb", SPELLINGS, "reasoning", ("r", "a", "runaway")),
        ("<|c|>a<|m|>r<|e|><|c|>f<|m|>a", CHANNELS, "undecided", ("r", "a", "complete")),
        ("<|c|>f<|m|>a", CHANNELS, "undecided", ("", "a", "complete")),
        ("r<|e|>s</t>\n\na", CHANNELS, "reasoning", ("r<|e|>s", "a", "complete")),
    ],
)
def test_several_spellings(text: str, markers: Markers, start: str, expected: tuple[str, str, str]) -> None:
    assert (
        run([text], markers, start)[0]
        == run(list(text), markers, start)[0]
        == expected
        == split_whole(text, markers, start)
    )


def test_every_character_is_of_a_section_a_marker_or_dropped() -> None:
    pieces = ["### Reasoning:\nr\n\n### Reasoning:\ns\n\n### Respon", "se: a\n### Input:\nb"]
    assert run(pieces, ALPACA, "reasoning")[0] == ("r\n\ns", "a", "runaway")
    assert stretches("".join(pieces), ALPACA, "reasoning") == [
        ("marker", "### Reasoning:"),
        ("layout", "\n"),
        ("reasoning", "r\n\n"),  # it goes on, so its blank line is text
        ("marker", "### Reasoning:"),
        ("layout", "\n"),
        ("reasoning", "s"),
        ("layout", "\n\n"),
        ("marker", "### Response:"),
        ("layout", " "),
        ("response", "a"),
        ("layout", "\n"),
        ("marker", "### Input:"),
        ("after", "\nb"),
    ]


def test_a_wrong_start_is_refused() -> None:
    with pytest.raises(UsageError):
        Splitter(ALPACA, "middle")  # type: ignore[arg-type]


LONG = 1 << 18


@pytest.mark.parametrize("unit", ["\n", "`", "\r\n", "<", "#", " ", "```\n", "~~~\n### Response:\n", "<think>"])
@pytest.mark.parametrize("markers", [ALPACA, THINK])
def test_time_is_linear_in_the_text(unit: str, markers: Markers) -> None:
    """Four times the text may take at most about four times as long, whole or letter by letter; quadratic would take
    sixteen."""

    def seconds(size: int, letters: bool) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        splitter = Splitter(markers, "reasoning")
        start = time.process_time()
        for piece in text if letters else [text]:
            splitter.feed(piece)
        splitter.close()
        return time.process_time() - start

    for letters, size in ((False, LONG // 4), (True, LONG // 32)):
        small = min(seconds(size, letters) for _ in range(2))
        assert seconds(size * 4, letters) < 10 * max(small, 0.01)
