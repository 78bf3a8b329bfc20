"""Rows that a source marks as not to be learnt are left out, and a column of classes is no mark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import DataError
from core.cli import main
from core.data import source as source_module
from core.data.columns.guess import extend_mapping, guess_mapping
from core.data.columns.mapping import ColumnMapping, load_mapping
from core.data.columns.mapping_words import mapping_from_words, mapping_to_words
from core.data.columns.marks import RowMark, truth_of
from core.data.formats import json_lines, row_collector
from core.data.source import open_data


def write(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def pairs(**marks: Any) -> list[dict[str, Any]]:
    """Twelve rows, each with a question, an answer and a value of every mark, in turn."""
    return [
        {
            "prompt": f"q{i}",
            "completion": f"answer {i}",
            **{name: values[i % len(values)] for name, values in marks.items()},
        }
        for i in range(12)
    ]


def marks_of(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    names = list(dict.fromkeys(name for record in records for name in record))
    return [(mark.column, mark.kind) for mark in guess_mapping(names, records).marks]


@pytest.mark.parametrize("small", [2_000_000, -1])
@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".json", ".parquet"])
def test_marked_rows_are_left_out_of_every_format(
    tmp_path: Path, suffix: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "_SMALL", small)
    monkeypatch.setattr(json_lines, "SAMPLE_CHARS", 300)
    records, path = pairs(label=[True, False, True]), tmp_path / f"a{suffix}"
    if suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(records), path)
    elif suffix == ".csv":
        rows = [",".join(map(str, record.values())) for record in records]
        path.write_text("\n".join([",".join(records[0]), *rows, ""]))
    elif suffix == ".json":
        path.write_text(json.dumps(records))
    else:
        write(path, records)
    data = open_data(str(path))
    assert [data.row(i).instruction for i in range(len(data))] == [f"q{i}" for i in range(12) if i % 3 != 1]
    reason = "label is False" if suffix == ".csv" else "label is false"
    assert {why: tally.count for why, tally in data.not_used.left_out.items()} == {reason: 4} and not data.problems
    assert not data.mapping.plain


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("label", [True, False], "false"),
        ("label", [1, 0], "false"),
        ("is_correct", [False], "false"),
        ("correctness", ["true", "false"], "false"),
        ("verified", [True, False], "false"),
        ("reward", [1.0, 0.0], "false"),
        ("score", [0, 1], "false"),
        ("rejected", [False, True], "true"),
        ("is_rejected", ["no", "yes"], "true"),
    ],
)
def test_what_is_a_mark(name: str, values: list[Any], kind: str) -> None:
    assert marks_of(pairs(**{name: values})) == [(name, kind)]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("label", ["sport", "politics"]),
        ("label", [0, 1, 2]),
        ("label", [0]),
        ("verified", [False]),
        ("reward", [0.5, 0.0, 1.0]),
        ("score", [0, 3]),
        ("score", [0]),
        ("rejected", ["a worse answer", "another"]),
        ("rejected", [True]),
        ("happy", [True, False]),
    ],
)
def test_what_is_no_mark(name: str, values: list[Any]) -> None:
    assert marks_of(pairs(**{name: values})) == []


@pytest.mark.parametrize("label", [[True, False], [1, 0], ["1", "0"]])
def test_a_class_that_the_answer_repeats_is_no_mark(label: list[Any]) -> None:
    rows = [
        {"instruction": "Is it praise?", "input": f"text {i}", "output": ("yes", "no")[i % 2], "label": label[i % 2]}
        for i in range(40)
    ]
    assert marks_of(rows) == []
    rows = [{"text": f"text {i}", "question": f"q{i}", "label": ("yes", "no")[i % 2]} for i in range(40)]
    assert guess_mapping(list(rows[0]), rows).picks["output"].column == "label" and marks_of(rows) == []


def test_a_label_without_question_and_answer_is_no_mark() -> None:
    rows = [{"text": f"text {i}", "label": bool(i % 2)} for i in range(12)]
    assert marks_of(rows) == []


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("weight", 0, "weight of the reply is 0"),
        ("weight", 0.0, "weight of the reply is 0.0"),
        ("train", False, "train of the reply is false"),
        ("loss", False, "loss of the reply is false"),
        ("loss_weight", 0.0, "loss_weight of the reply is 0.0"),
    ],
)
def test_a_reply_that_must_not_be_learnt(tmp_path: Path, key: str, value: Any, reason: str) -> None:
    chat = [{"from": "human", "value": "q", key: value}, {"from": "gpt", "value": "a"}]
    marked = [chat[0], {**chat[1], key: value}]
    learnt = [chat[0], {**chat[1], key: 1}]
    data = open_data(
        write(tmp_path / "a.jsonl", [{"conversations": turns} for turns in (chat, *[chat] * 300, marked, learnt)])
    )
    assert len(data) == 302 and list(data.not_used.left_out) == [reason]
    everything = open_data(data.source, mapping=data.mapping.with_marks(()))
    assert len(everything) == 303 and not everything.not_used.left_out


def test_a_mark_that_appears_late_is_followed(tmp_path: Path) -> None:
    rows = [{"prompt": f"q{i}", "completion": "a" * i} for i in range(1, 300)]
    late = [{"prompt": "q", "completion": "x", "is_correct": i % 2 == 0} for i in range(10)]
    data = open_data(write(tmp_path / "a.jsonl", [*rows, *late]))
    assert len(data) == 299 + 5 and data.not_used.left_out_count == 5
    mapping = extend_mapping(guess_mapping(["prompt", "completion"], []), ["is_correct"])
    assert mapping.marks == (RowMark("is_correct"),)


def test_nothing_left_names_the_mark(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no row is left: .*is_correct is false \(12\)") as caught:
        open_data(write(tmp_path / "a.jsonl", pairs(is_correct=[False])))
    assert "without the mark" in caught.value.do


def test_the_command_shows_and_switches_off_the_marks(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.jsonl", pairs(label=[True, False], rejected=[False, False, True]))

    def said(*words: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as left:
            main(["data", "map", path, *words])
        assert left.value.code == code
        captured = capfd.readouterr()
        return captured.out + captured.err

    assert "label (false is left out)" in said() and "rejected:true (true is left out)" in said()
    assert "row 2: label is false" in said()
    assert "row 2: label is false" in said("--set", "marks=label")
    assert "rejected:true (" not in said("--set", "marks=label")
    assert "the source has no column gone" in said("--set", "marks=label,gone", code=2)
    assert len(open_data(path)) == 4
    assert "left out" not in said("--set", "marks=", "--save")
    data = open_data(path)
    assert len(data) == 12 and data.mapping.by_hand and data.mapping.marks == ()
    assert mapping_from_words(mapping_to_words(data.mapping)).marks == ()


def test_a_mapping_saved_before_there_were_marks_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_text('{"picks":{"output":{"column":"a","how":"assistant","why":""}},"unclear":{},"by_hand":true}')
    mapping = load_mapping(path)
    assert mapping is not None and mapping.marks == () and mapping.picks["output"].how == "assistant"


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.booleans()))
def test_any_value_is_true_false_or_no_mark(value: Any) -> None:
    truth = truth_of(value)
    assert truth in (True, False, None) and (truth is None) <= (not isinstance(value, bool))


def test_a_mapping_with_marks_is_not_plain() -> None:
    mapping = guess_mapping(["prompt", "completion", "label"], pairs(label=[True, False]))
    assert not mapping.plain and mapping.with_marks(()).plain and isinstance(mapping, ColumnMapping)


@pytest.mark.parametrize(
    ("marks", "taken"),
    [
        ({"correctness": [0, 1, 1]}, "b"),
        ({"rewards": [0.5, 0.1, 0.9]}, "c"),
        ({"scores": ["1", "3", "2"]}, "b"),
        ({"rewards": [0.0, 0.0, 1.0]}, "c"),
        ({"correctness": [True, True, False], "scores": [1, 2, 3]}, "b"),
        ({"rewards": [1.0, None, 2.5]}, "c"),
        ({"rewards": [1.0]}, "a"),
    ],
)
def test_the_best_of_several_completions_is_taken(tmp_path: Path, marks: dict[str, Any], taken: str) -> None:
    record = {"prompt": "q", "completions": ["a", "b", "c"], **marks}
    assert open_data(write(tmp_path / "a.jsonl", [record] * 3)).row(1).output == taken


def test_completions_that_are_all_wrong_are_not_taken(tmp_path: Path) -> None:
    good = {"prompt": "q", "completions": ["a", "b"], "rewards": [0, 1]}
    data = open_data(write(tmp_path / "a.jsonl", [good, {**good, "rewards": [0, 0]}, good]))
    assert [problem.what for problem in data.problems] == [
        "none of its 2 generations is marked as correct and complete"
    ]


def test_marks_stay_where_later_rows_turn_out_to_think(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_collector, "BATCH_ROWS", 250)
    records = [
        {
            "prompt": f"q{i}",
            "completion": f"<think>t</think>answer {i}" if i >= 200 else f"answer {i}",
            "label": i % 2 == 0,
        }
        for i in range(600)
    ]
    data = open_data(write(tmp_path / "a.jsonl", records))
    assert len(data) == 300 and data.not_used.left_out_count == 300
    assert data.mapping.marks == (RowMark("label"),) and data.row(299).reasoning == "t"


def test_a_sorted_file_may_begin_with_rows_that_are_not_learnt(tmp_path: Path) -> None:
    records = [{"prompt": f"q{i}", "completion": f"answer {i}", "label": i >= 300} for i in range(400)]
    data = open_data(write(tmp_path / "a.jsonl", records))
    assert len(data) == 100 and data.row(0).instruction == "q300"


@pytest.mark.parametrize(
    ("name", "values", "left_out"),
    [
        ("deleted", [False, True], "deleted is true"),
        ("was_cancelled", [False, True], "was_cancelled is true"),
        ("keep", [True, False], "keep is false"),
        ("is_train", [1, 0], "is_train is 0"),
        ("status", ["completed", "discarded"], "status is discarded"),
        ("review_status", ["approved", "rejected"], "review_status is rejected"),
    ],
)
def test_words_of_tools_that_label_rows_are_marks(tmp_path: Path, name: str, values: list[Any], left_out: str) -> None:
    data = open_data(write(tmp_path / "a.jsonl", pairs(**{name: values})))
    assert {reason: tally.count for reason, tally in data.not_used.left_out.items()} == {left_out: 6}


def test_other_states_are_no_marks() -> None:
    assert marks_of(pairs(status=["tie", "swapped"])) == [] == marks_of(pairs(state=["rejected"]))


@pytest.mark.parametrize(
    "turns",
    [
        lambda early, late: [
            {"role": "user", "content": "q"}, {"role": "assistant", "content": "a", "weight": early},
            {"role": "user", "content": "q2"}, {"role": "assistant", "content": "b", "weight": late},
        ],
        lambda early, late: {
            "role": ["user", "assistant", "user", "assistant"], "content": ["q", "a", "q2", "b"],
            "weight": [None, early, None, late],
        },
        lambda early, late: [
            {"input": "q", "output": "a", "weight": early}, {"input": "q2", "output": "b", "weight": late},
        ],
        lambda early, late: [
            {"human": "q", "assistant": "a", "weight": early}, {"human": "q2", "assistant": "b", "weight": late},
        ],
        lambda early, late: [
            {"from": "human", "value": "q2"}, {"from": "gpt", "value": "<think>t</think>", "weight": early},
            {"from": "gpt", "value": "b", "weight": late},
        ],
    ],
)  # fmt: skip
def test_the_mark_of_the_last_reply_decides(tmp_path: Path, turns: Any) -> None:
    rows = [{"conversation": turns(*marks)} for marks in ((0, 1), (1, 0), (1, 1))]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = open_data(str(tmp_path / "a.jsonl"))
    assert [data.row(i).output for i in range(len(data))] == ["b", "b"] and data.row(0).instruction == "q2"
    assert data.not_used.words() == "1 row is left out: weight of the reply is 0 (1)"
