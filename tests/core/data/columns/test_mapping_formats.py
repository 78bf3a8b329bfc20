"""Small files written in the formats of public data sets come out as the six columns."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.data import source as source_module
from core.data.columns.guess import guess_mapping
from core.data.columns.mapping import ColumnMapping, ColumnPick
from core.data.dataset import DataSet
from core.data.formats.json_lines import read_file
from core.data.formats.row_collector import RowCollector
from core.data.source import open_data

THOUGHT = "2 and 2\n\nmake 4, as <b>ever</b>"
CUT = f"<think>\n{THOUGHT}\n</think>\n\nIt is 4."
OPEN = (
    f"<|begin_of_thought|>\n\n{THOUGHT}\n\n<|end_of_thought|>\n\n"
    "<|begin_of_solution|>\n\nIt is 4.\n\n<|end_of_solution|>"
)
ROW = ("What is 2+2?", "", THOUGHT, "It is 4.", "", "")


def asked(*turns: tuple[str, str], role: str = "role", content: str = "content", **last: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = [{role: who, content: what} for who, what in turns]
    listed[-1].update(last)
    return listed


def one(**columns: Any) -> dict[str, Any]:
    return columns


CHAT = (("user", "Hi."), ("assistant", "Hello."), ("user", "What is 2+2?"))

FORMATS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "alpaca": (one(instruction="Add up.", input="2 2", output="It is 4."), ("Add up.", "2 2", "", "It is 4.", "", "")),
    "alpaca with a text column": (
        one(instruction="Add.", input="", output="4", text="Below is an instruction"),
        ("Add.", "", "", "4", "", ""),
    ),
    "alpaca that thinks": (one(instruction="What is 2+2?", input="", output=CUT), ROW),
    "sharegpt": (
        one(id="x", conversations=asked(("human", "What is 2+2?"), ("gpt", CUT), role="from", content="value")),
        ROW,
    ),
    "sharegpt with a system turn": (
        one(
            conversations=asked(
                ("system", "Be brief."), ("human", "What is 2+2?"), ("gpt", "4"), role="from", content="value"
            )
        ),
        ("What is 2+2?", "", "", "4", "", ""),
    ),
    "conversations with roles": (one(conversations=asked(("user", "What is 2+2?"), ("assistant", OPEN))), ROW),
    "messages": (
        one(messages=asked(*CHAT, ("assistant", CUT))),
        ("What is 2+2?", "", THOUGHT, "It is 4.", "", ""),
    ),
    "messages with reasoning_content": (
        one(messages=asked(("user", "What is 2+2?"), ("assistant", "It is 4."), reasoning_content=THOUGHT)),
        ROW,
    ),
    "messages with thinking": (
        one(messages=asked(("user", "What is 2+2?"), ("assistant", "It is 4."), thinking=THOUGHT)),
        ROW,
    ),
    "messages with reasoning": (
        one(messages=asked(("user", "What is 2+2?"), ("assistant", "It is 4."), reasoning=THOUGHT), source="x"),
        ROW,
    ),
    "messages as JSON text": (one(messages=json.dumps(asked(("user", "What is 2+2?"), ("assistant", CUT))), id=1), ROW),
    "messages in parts": (
        one(
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "What is "}, {"type": "text", "text": "2+2?"}]},
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": THOUGHT}, {"type": "text", "text": "It is 4."}],
                },
            ]
        ),
        ROW,
    ),
    "prompt and completion as turns": (
        one(prompt=asked(("system", "s"), ("user", "What is 2+2?")), completion=asked(("assistant", CUT))),
        ROW,
    ),
    "prompt beside messages": (
        one(prompt="What is 2+2?", prompt_id="f00", messages=asked(("user", "What is 2+2?"), ("assistant", CUT))),
        ROW,
    ),
    "s1K": (
        one(
            solution="4",
            question="What is 2+2?",
            cot_type="math",
            source_type="x",
            metadata="{}",
            cot=None,
            thinking_trajectories=[THOUGHT],
            attempt="It is 4.",
        ),
        ROW,
    ),
    "s1K-1.1": (
        one(
            solution="4",
            question="What is 2+2?",
            cot_type="math",
            source_type="x",
            metadata="{}",
            gemini_thinking_trajectory="Hm.",
            gemini_attempt="Four.",
            deepseek_thinking_trajectory=THOUGHT,
            deepseek_attempt="It is 4.",
            gemini_grade="Yes",
            gemini_grade_reason="Right.",
            deepseek_grade="Yes",
            deepseek_grade_reason="Right.",
        ),
        ROW,
    ),
    "OpenThoughts": (
        one(
            system="Think long.",
            conversations=asked(("user", "What is 2+2?"), ("assistant", OPEN), role="from", content="value"),
        ),
        ROW,
    ),
    "OpenThoughts metadata": (
        one(
            problem="What is 2+2?",
            deepseek_reasoning=THOUGHT,
            deepseek_solution="It is 4.",
            ground_truth_solution="The sum is $4$.",
            domain="math",
            source="numina_math",
            test_cases=None,
            starter_code=None,
        ),
        ROW,
    ),
    "OpenR1-Math": (
        one(
            problem="What is 2+2?",
            solution="The sum is $4$, as everyone knows.",
            answer="4",
            problem_type="Algebra",
            question_type="math-word-problem",
            source="olympiads",
            uuid="f00",
            is_reasoning_complete=[False, True, True],
            generations=["<think>\nnever ends", "<think>no</think>It is 5.", CUT],
            correctness_math_verify=[True, False, True],
            correctness_llama=None,
            finish_reasons=None,
            correctness_count=2,
            messages=asked(("user", "What is 2+2?"), ("assistant", "<think>no</think>It is 5.")),
        ),
        ROW,
    ),
    "OpenR1-Math judged by a model": (
        one(
            problem="What is 2+2?",
            solution="$4$",
            answer="4",
            is_reasoning_complete=[True, True],
            generations=["<think>no</think>It is 5.", CUT],
            correctness_math_verify=[False, False],
            correctness_llama=[False, True],
            finish_reasons=["stop", "stop"],
        ),
        ROW,
    ),
    "medical-o1": (one(Question="What is 2+2?", Complex_CoT=THOUGHT, Response="It is 4."), ROW),
    "medical-o1, another copy": (one(question="What is 2+2?", complex_cot=THOUGHT, response="It is 4."), ROW),
    "medical-o1, a third": (one(**{"QUESTION": "What is 2+2?", "Complex CoT": THOUGHT, "RESPONSE": "It is 4."}), ROW),
    "Chinese-DeepSeek-R1": (
        one(input="What is 2+2?", reasoning_content=THOUGHT, content="It is 4.", repo_name="math/x", score=10),
        ROW,
    ),
    "Chinese-DeepSeek-R1 for training": (
        one(
            instruction="What is 2+2?",
            input="",
            output=CUT,
            repo_name="x",
            prompt_tokens_len=9,
            reasoning_content_tokens_len=20,
            score=10,
        ),
        ROW,
    ),
    "Multilingual-Thinking": (
        one(
            reasoning_language="German",
            developer="You are kind.",
            user="What is 2+2?",
            analysis=THOUGHT,
            final="It is 4.",
            messages=[
                {"role": "system", "content": "reasoning language: German", "thinking": None},
                {"role": "user", "content": "?", "thinking": None},
                {"role": "assistant", "content": "4", "thinking": "x"},
            ],
        ),
        (*ROW[:4], "German", ""),
    ),
    "Nemotron": (
        one(
            input=asked(*CHAT),
            output=CUT,
            category="math",
            license="cc",
            reasoning="on",
            generator="DeepSeek-R1",
            used_in_training="yes",
            version="v1.1",
            system_prompt="detailed thinking on",
        ),
        ("What is 2+2?", "", THOUGHT, "It is 4.", "", ""),
    ),
    "Nemotron with a text": (
        one(input="What is 2+2?", output=CUT, category="math", reasoning="on", used_in_training="yes"),
        ROW,
    ),
    "Nemotron without thinking": (
        one(input="What is 2+2?", output="It is 4.", category="chat", reasoning="off"),
        ("What is 2+2?", "", "", "It is 4.", "", ""),
    ),
    "NuminaMath": (
        one(source="x", problem="What is 2+2?", solution=THOUGHT, answer="4"),
        ("What is 2+2?", "", THOUGHT, "4", "", ""),
    ),
    "OpenMathReasoning": (
        one(problem="What is 2+2?", generated_solution=CUT, expected_answer="4", problem_type="x"),
        ROW,
    ),
    "DeepMath": (one(question="What is 2+2?", final_answer="4", difficulty=3.0, topic="x", r1_solution_1=CUT), ROW),
    "R1 distilled turns": (
        one(
            messages=asked(
                ("user", "What is 2+2?"), ("assistant", f"<think>{THOUGHT}</think>\n<answer>It is 4.</answer>")
            )
        ),
        ROW,
    ),
    "preferences": (one(prompt="What is 2+2?", chosen=CUT, rejected="<think>x</think>5"), ROW),
    "preferences between chats": (
        one(
            prompt="What is 2+2?",
            chosen=asked(*CHAT, ("assistant", CUT)),
            rejected=asked(("user", "What is 2+2?"), ("assistant", "5")),
        ),
        ("What is 2+2?", "", THOUGHT, "It is 4.", "", ""),
    ),
    "names in Japanese": (
        one(質問="What is 2+2?", 推論=THOUGHT, 回答="It is 4.", 言語="日本語"),
        (*ROW[:4], "日本語", ""),
    ),
    "Suiron's own": (
        dict(
            zip(
                ("instruction", "input", "reasoning", "output", "syslang", "sysflag"),
                ("q", "i", "on", CUT, "English", "test"),
                strict=True,
            )
        ),
        ("q", "i", "on", CUT, "English", "test"),
    ),
}
NESTED = [
    name for name, (record, _) in FORMATS.items() if any(isinstance(value, list | dict) for value in record.values())
]


def six(data: DataSet, index: int = 0) -> tuple[str, ...]:
    row = data.row(index)
    return row.instruction, row.input, row.reasoning, row.output, row.syslang, row.sysflag


def lines(path: Path, *records: Any) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


@pytest.mark.parametrize("name", FORMATS)
def test_json_lines(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    record, expected = FORMATS[name]
    data = open_data(lines(tmp_path / "a.jsonl", *[record] * 3))
    assert six(data) == six(data, 2) == expected and data.problems == []
    assert all(pick.why for pick in data.mapping.picks.values())
    monkeypatch.setattr(source_module, "_SMALL", -1)
    monkeypatch.setattr(
        "core.data.formats.json_lines.SAMPLE_CHARS", len(json.dumps(record)) + 1
    )  # the other rows come by the quick path
    assert six(open_data(lines(tmp_path / "b.jsonl", *[record] * 3)), 2) == expected


@pytest.mark.parametrize("name", FORMATS)
def test_parquet(tmp_path: Path, name: str) -> None:
    record, expected = FORMATS[name]
    pq.write_table(pa.Table.from_pylist([record] * 3), tmp_path / "a.parquet", row_group_size=2)
    data = open_data(str(tmp_path / "a.parquet"))
    assert six(data) == six(data, 2) == expected and data.problems == []


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in NESTED or "messages" in FORMATS[name][0]])
def test_csv(tmp_path: Path, name: str) -> None:
    """Lists stand in a CSV as their JSON text."""
    record, expected = FORMATS[name]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(record)
        writer.writerow(
            [
                "" if value is None else json.dumps(value) if isinstance(value, list | bool) else value
                for value in record.values()
            ]
        )
    assert six(open_data(str(tmp_path / "a.csv"))) == expected


@pytest.mark.parametrize("name", NESTED)
def test_one_object(tmp_path: Path, name: str) -> None:
    """A .json with a single row, whose lists are no lists of rows, and the same as an array."""
    record, expected = FORMATS[name]
    (tmp_path / "a.json").write_text(json.dumps(record, indent=1))
    (tmp_path / "b.json").write_text(json.dumps([record] * 2, indent=1))
    assert six(open_data(str(tmp_path / "a.json"))) == six(open_data(str(tmp_path / "b.json")), 1) == expected


said = st.text(max_size=9) | st.just(CUT)
turns = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "system"]), "content": said}), max_size=4
)
cell = st.none() | turns | st.floats(allow_nan=False) | st.integers() | st.text(max_size=9)


@given(
    st.lists(
        st.fixed_dictionaries({"messages": cell}, optional={"extra": cell, "language": cell}), min_size=1, max_size=9
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_quick_path_reads_what_the_slow_one_reads(tmp_path: Path, records: list[dict[str, Any]]) -> None:
    path = Path(lines(tmp_path / "a.jsonl", FORMATS["messages"][0], *records))
    found = []
    for name, value in (("SAMPLE_CHARS", 50), ("BlockDecoder.read", lambda *_: False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(f"core.data.formats.json_lines.{name}", value)
            rows: list[tuple[str, ...]] = []
            mapping = guess_mapping(["messages"], [FORMATS["messages"][0]])
            collector = RowCollector(
                "here", lambda columns, rows=rows: rows.extend(zip(*columns, strict=True)), mapping=mapping
            )
            read_file(path, collector)
            facts = collector.finish()
        found.append((rows, facts.problems, facts.mapping.columns))
    assert found[0] == found[1]


def test_what_stands_in_two_places_is_asked(tmp_path: Path) -> None:
    data = open_data(lines(tmp_path / "a.jsonl", FORMATS["s1K-1.1"][0]))
    assert {column: [pick.column for pick in picks] for column, picks in data.mapping.unclear.items()} == {
        "reasoning": ["deepseek_thinking_trajectory", "gemini_thinking_trajectory"],
        "output": ["deepseek_attempt", "gemini_attempt"],
    }


def test_rows_of_a_format_that_cannot_be_used(tmp_path: Path) -> None:
    good = asked(("user", "q"), ("assistant", CUT))
    bad: list[Any] = [
        asked(("user", "q")),
        asked(("assistant", "a")),
        [],
        None,
        "words",
        asked(("user", "q"), ("assistant", "<think>\nnever ends")),
        [{"role": "user", "content": "q"}, {"role": "assistant", "content": None, "tool_calls": []}],
        [
            {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
            {"role": "assistant", "content": "a cat"},
        ],
        {"role": "user"},
    ]
    data = open_data(lines(tmp_path / "a.jsonl", *[{"messages": value} for value in (good, good, *bad, *[good] * 40)]))
    assert len(data) == 42
    assert [(problem.row, problem.what) for problem in data.problems] == [
        (3, "its chat turns have no reply"),
        (4, "its chat turns have no question of a user"),
        (5, "it has no chat turns"),
        (6, "instruction and output are missing or null"),
        (7, "it is not a list of chat turns"),
        (8, "its reasoning never ends, so there is no answer"),
        (9, "its chat turns have no reply"),
        (10, "a turn holds a part that is not text (image_url)"),
        (11, "it is not a list of chat turns"),
    ]


def test_a_generation_known_to_be_wrong_is_not_taken(tmp_path: Path) -> None:
    record = FORMATS["OpenR1-Math"][0]
    wrong = {**record, "correctness_math_verify": [False] * 3}
    unmarked = {**record, "correctness_math_verify": None, "is_reasoning_complete": None}
    data = open_data(lines(tmp_path / "a.jsonl", record, wrong, unmarked))
    assert [problem.what for problem in data.problems] == [
        "none of its 3 generations is marked as correct and complete"
    ]
    assert six(data, 1) == ("What is 2+2?", "", "no", "It is 5.", "", "")  # the first that is whole


def test_rows_that_think_only_later(tmp_path: Path) -> None:
    """A flag named reasoning says that some rows think, also where the first ones do not."""
    off, on = FORMATS["Nemotron without thinking"][0], FORMATS["Nemotron with a text"][0]
    data = open_data(lines(tmp_path / "a.jsonl", *[off] * 250, on))
    assert six(data, 250) == ROW and data.mapping.picks["reasoning"].how == "think"


def test_a_mapping_that_is_given_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = lines(tmp_path / "a.jsonl", *[{"a": "question", "b": CUT, "reasoning": "column"}] * 3)
    mapping = ColumnMapping(
        {"instruction": ColumnPick("a"), "output": ColumnPick("b", "answer"), "reasoning": ColumnPick("")}, by_hand=True
    )
    for small in (2_000_000, -1):
        monkeypatch.setattr(source_module, "_SMALL", small)
        data = open_data(path, mapping=mapping)
        assert six(data, 2) == ("question", "", "", "It is 4.", "", "")
        assert data.mapping == mapping and data.columns == ("instruction", "output") and data.extra == ("reasoning",)
    with pytest.raises(
        DataError, match="takes output from gone, which does not exist; the columns are: a, b, reasoning"
    ):
        open_data(path, mapping=mapping.with_pick("output", ColumnPick("gone")))


def test_shards_of_another_shape(tmp_path: Path) -> None:
    tables = [
        {"question": ["a"], "answer": ["b"], "rationale": ["c"]},
        {"answer": ["b"], "question": ["d"]},
        {"question": ["e"]},
        {"question": [7], "answer": ["b"], "rationale": ["f"]},
    ]
    for i, table in enumerate(tables):
        pq.write_table(pa.table(table), tmp_path / f"train-{i:05}-of-00005.parquet")
    (tmp_path / "train-00004-of-00005.parquet").write_bytes(b"PAR1 cut")
    data = open_data(str(tmp_path))
    assert [six(data, i)[:4] for i in range(len(data))] == [
        ("a", "", "c", "b"),
        ("d", "", "", "b"),
        ("7", "", "f", "b"),
    ]
    assert sorted((problem.file[:11], problem.what[:40]) for problem in data.problems) == [
        ("train-00001", "the file lacks a column that the others "),
        ("train-00002", "the file lacks a column that the others "),
        ("train-00004", "this is not a complete Parquet file: Par"),
    ]
