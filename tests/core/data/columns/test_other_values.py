"""What no text of a row holds is counted: other items of lists, other members of objects, other values of turns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.columns.mapping import ColumnMapping, ColumnPick
from core.data.dataset import DataSet
from core.data.source import open_data

TURNS = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]


def opened(tmp_path: Path, *records: dict[str, Any]) -> DataSet:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return open_data(str(path))


def parts_of(data: DataSet) -> dict[str, list[int]]:
    return {part: tally.rows for part, tally in data.not_used.parts.items()}


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"thinking_trajectories": ["One."], "answer": ["Yes.", "Yes.", "No."]}, "other items in answer"),
        ({"answers": {"text": ["Yes."], "answer_start": [7]}}, "other values in answers"),
        ({"completion": {"text": "Yes.", "model": "small"}}, "other values in completion"),
        ({"completions": [{"text": "Yes.", "score": 2}, {"text": "No.", "score": 1}]}, "other values in completions"),
        ({"generations": ["<think>a</think>Yes.", "<think>b</think>No."]}, "other items in generations"),
        ({"reward_model": {"ground_truth": "4", "style": "rule"}}, "other values in reward_model"),
    ],
)
def test_what_stands_beside_the_text_taken_is_counted(tmp_path: Path, values: dict[str, Any], part: str) -> None:
    data = opened(tmp_path, {"question": "Is it?", **values}, {"question": "And is it?", **values})
    assert parts_of(data) == {part: [1, 2]}


@pytest.mark.parametrize(
    "values",
    [
        {"answer": ["Yes.", "Yes."]},
        {"answers": {"text": ["Yes."]}},
        {"completion": {"text": "Yes.", "model": ""}},
        {"completion": [{"type": "text", "text": "Yes"}, {"type": "text", "text": ", it is."}]},
        {"reward_model": {"ground_truth": "4", "style": None}},
    ],
)
def test_what_says_nothing_else_is_not_counted(tmp_path: Path, values: dict[str, Any]) -> None:
    assert parts_of(opened(tmp_path, {"question": "Is it?", **values})) == {}


def with_reply(**values: Any) -> dict[str, Any]:
    return {"messages": [TURNS[0], {**TURNS[1], **values}]}


def test_other_values_of_turns_are_counted_by_name(tmp_path: Path) -> None:
    parted = [{"role": "user", "content": [{"type": "text", "text": "Why?", "cache_control": {"a": 1}}]}, TURNS[1]]
    data = opened(
        tmp_path,
        with_reply(info={"source": "x"}),
        with_reply(info=None, weight=1, name=""),
        {"messages": parted},
        with_reply(content="<think>a</think>So.", reasoning_content="b"),
        {"messages": [*TURNS, {"role": "reasoning", "content": "Hm."}]},
        {"messages": [TURNS[0], {"role": "reasoning", "content": [{"type": "image", "url": "x"}]}, TURNS[1]]},
    )
    assert parts_of(data) == {
        "info in its turns": [1],
        "cache_control in its turns": [3],
        "other reasoning between markers than in its own field": [4],
        "reasoning without a reply": [5],
        "a part of its reasoning that is not text": [6],
    }


def test_other_values_of_a_history_are_counted(tmp_path: Path) -> None:
    history = [{"input": "a", "output": "b", "pictures": ["c.png"]}]
    data = opened(tmp_path, {"instruction": "q", "output": "a", "history": history})
    assert parts_of(data) == {"pictures in its turns": [1]} and '"content":"b"' in data.row(0).history


def test_a_call_keeps_what_stands_in_it(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "arguments": {"a": 1}, "index": 3}]}
    result = {"role": "tool", "content": "5"}
    data = opened(tmp_path, {"messages": [TURNS[0], call, result, TURNS[1]]})
    assert '"index":3' in data.row(0).history and not parts_of(data)


def test_options_that_an_answer_does_not_name_are_counted(tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "choices": ["no", "yes"], "answer": i % 2} for i in range(11)]
    data = opened(tmp_path, *rows, {"question": "last", "choices": ["no", "yes"], "answer": "neither"})
    assert parts_of(data)["choices that are not used"] == [12]
    mapping = data.mapping.with_pick("output", ColumnPick("answer", "option"))
    assert parts_of(open_data(data.source, mapping=mapping)) == {
        "other choices": list(range(1, 12)),
        "choices that are not used": [12],
    }


def test_reasoning_in_an_object_of_which_only_the_text_is_taken(tmp_path: Path) -> None:
    record = {"question": "Why?", "output": "So.", "system": {"text": "<think>Hm.</think>Be kind."}}
    data = opened(tmp_path, record, {**record, "system": {"text": "Be kind."}})
    assert [data.row(i).system for i in (0, 1)] == ["Be kind."] * 2
    assert parts_of(data) == {"other values in system": [1]}


def test_a_text_in_an_object_of_which_only_the_reasoning_is_taken(tmp_path: Path) -> None:
    record = {"question": "Why?", "output": "So.", "r1_reasoning": {"answer": "<think>Hm.</think>Thus."}}
    data = opened(tmp_path, record)
    picks = {**data.mapping.picks, "output": ColumnPick("output")}
    picks["reasoning"] = ColumnPick("r1_reasoning", "inner_think")
    data = open_data(data.source, mapping=ColumnMapping(picks, by_hand=True))
    assert (data.row(0).reasoning, data.row(0).output) == ("Hm.", "So.")
    assert parts_of(data) == {"other values in r1_reasoning": [1]}
