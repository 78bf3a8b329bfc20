"""A run's facts in words, and in lines that fit."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.train.run_facts import BETWEEN, run_facts, wrap_facts

FACTS: dict[str, Any] = {
    "rows_trained": 6,
    "rows_vanilla": 1,
    "rows_reasoning": 5,
    "rows_by_template": {"alpaca": 1, "mine": 5},
    "tokens_per_epoch": 1200,
}


def said(**more: Any) -> str:
    return BETWEEN.join(run_facts({**FACTS, **more}))


def test_what_was_cut_and_every_template_of_the_mixture_is_told() -> None:
    assert said() == "6 rows · alpaca 1 (17%), mine 5 (83%) · 1,200 tokens an epoch"
    words = (
        "2 with their end cut off · 4 with their reasoning cut · 3 left out: no reasoning · 1 left out: nothing trained"
    )
    cut = said(rows_cut_reasoning=4, rows_cut_end=2, rows_left_out_no_template=3, rows_left_out_nothing_learnt=1)
    assert cut.startswith(f"6 rows · {words} · alpaca 1")


def test_rows_that_are_left_out_say_why() -> None:
    words = said(
        rows_left_out_by_mark=30,
        rows_unusable_in_source=9,
        rows_left_out_unreadable=2,
        rows_unreadable=[{"row": 4, "why": "the template refuses it"}],
        source={
            "left_out": {"count": 30, "reasons": {"label is false": {"count": 30, "rows": [1]}}},
            "problems": {"count": 9, "kinds": [{"what": "not JSON", "count": 9, "places": []}], "first": []},
        },
    )
    assert "2 left out: the template refuses it" in words
    assert "30 left out: label is false" in words
    assert "9 unusable in the source, most: not JSON" in words


def test_context_and_what_is_not_used_are_told() -> None:
    words = said(
        rows_with_context=5,
        rows_context_in_input=3,
        rows_context_dropped={"a template of text drops the tools": 1},
        rows_prompt_differs=2,
        source={
            "not_used": {"columns": {"id": 6}, "parts": {"turns after it": {"count": 1, "rows": [3]}}},
            "notes": [],
        },
        templates_notes=["chat has a note"],
    )
    for part in (
        "5 with system prompt, earlier turns or tools",
        "3 with them in the Input",
        "a template of text drops the tools: 1 row",
        "2 with a token across the end of the prompt",
        "not used: id (6 rows)",
        "1 row has turns after it",
        "chat has a note",
    ):
        assert part in words.split(BETWEEN)


def test_facts_of_another_version_are_no_error() -> None:
    for source in (
        None,
        [],
        {"not_used": 3},
        {"not_used": {"columns": []}, "problems": [], "left_out": {"reasons": 1}},
    ):
        assert said(source=source, rows_unusable_in_source=1, rows_left_out_by_mark=1).startswith("6 rows")


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1), max_size=8),
    st.integers(1, 60),
    st.integers(1, 5),
)
def test_lines_fit(facts: list[str], width: int, most: int) -> None:
    facts = [fact.replace("\t", " ") for fact in facts]
    lines = wrap_facts(facts, width, most)
    assert 1 <= len(lines) <= most
    if width > 3:
        assert all(cell_len(line) <= width for line in lines)


def test_a_fact_stays_whole_where_it_can() -> None:
    assert wrap_facts(["6 rows", "not used: a", "more"], 14, 3) == ["6 rows", "not used: a", "more"]
    assert wrap_facts(["6 rows", "not used: a", "more"], 14, 2) == ["6 rows", "not used: a …"]
    assert wrap_facts([], 14, 2) == [""]
