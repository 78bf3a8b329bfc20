"""Reasoning is found by its markers and headings, in any family and letter case, and ordinary text is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.columns.headings import split_at_final, split_at_hash, split_at_headings, systematic_heading
from core.data.columns.thinking import MARKER_PATTERN, may_have_markers, split_thinking
from core.data.source import open_data
from core.splitter.marker_families import HARMONY, THINKING_FAMILIES

Q, R, A = "What is 3+5?", "3 and 5\n\nmake 8", "It is 8."
# as gpt-oss writes it behind its prompt
HARMONY_TEXT = f"<|channel|>analysis<|message|>{R}<|end|><|start|>assistant<|channel|>final<|message|>{A}"


def read(path: Path, *outputs: str) -> list[tuple[str, str]]:
    path.write_text("\n".join(json.dumps({"question": Q, "answer": output}) for output in outputs))
    data = open_data(str(path))
    return [(data.row(index).reasoning, data.row(index).output) for index in range(len(data))]


@pytest.mark.parametrize(
    "output",
    [
        *[
            f"{opener}\n{R}\n{closer}\n\n{A}"
            for family in THINKING_FAMILIES
            if family is not HARMONY
            for opener, closer in family.pairs
        ],
        *[
            f"{family.pairs[0][0]}{R}{family.pairs[0][1]}\n{opener}\n{A}\n{closer}"
            for family in THINKING_FAMILIES
            for opener, closer in family.wraps
        ],
        f"<THINK>{R}</THINK>{A}",
        f"<Think>{R}</think>{A}",
        f"<Thinking>\n{R}\n</Thinking>\n<Answer>{A}</Answer>",
        f"<Reasoning>{R}</Reasoning><ANSWER>\n{A}\n</ANSWER>",
        f"<Thought>{R}\n<Output>\n{A}\n</Output>",
        f"Here are my reasoning steps:\n{R}\n[BEGIN FINAL RESPONSE]\n{A}\n[END FINAL RESPONSE]",
        HARMONY_TEXT,
        f"<|start|>assistant{HARMONY_TEXT}<|return|>",
        f"<|channel|>analysis<|message|>{R}<|end|><|channel|>final<|message|>{A}<|return|>",
        f"<|channel|>analysis<|message|>3 and 5<|end|><|start|>assistant<|channel|>commentary<|message|>make 8<|end|>"
        f"<|start|>assistant<|channel|>final <|constrain|>text<|message|>{A}",
        f"{R}<|end|><|start|>assistant<|channel|>final<|message|>{A}<|return|>",
        f"{R}\n</think>\n\n{A}",
        f"{R}</Thought>{A}",
        f"**Reasoning:**\n{R}\n\n**Answer:**\n{A}",
        f"**Reasoning**: {R}\n**Final Answer**: {A}",
        f"### Reasoning\n{R}\n### Answer\n{A}",
        f"## Thought process:\n\n{R}\n\n## Response\n\n{A}",
        f"Reasoning: {R}\nAnswer: {A}",
        f"思考過程：\n{R}\n\n回答：\n{A}",
        f"【思考】\n{R}\n【回答】\n{A}",
        f"## 推論過程\n{R}\n## 答え\n{A}",
        f"推理过程：{R}\n答案：{A}",
        f"{R}\n#### It is 8.",
    ],
)
def test_every_way_to_mark_reasoning(tmp_path: Path, output: str) -> None:
    assert read(tmp_path / "a.jsonl", *[output] * 3) == [(R, A)] * 3


@pytest.mark.parametrize(
    "output",
    [
        "# Soup\n\n#### You need\n\nWater, salt.\n\n#### Steps\n\n1. Boil it.",
        "Boil the water.\n\n#### Then\n\nAdd salt.",
        "Step 1: boil the water.\nStep 2: add salt.\nStep 3: eat.",
        "R1 writes `<think>` first and `</think>` last.",
        "Like this:\n\n```\n<think>\nhm\n</think>\nyes\n```\n\nThat is all.",
        "The tag `</think>` ends it.",
        "<p>It is 8.</p>",
        "My answer: 8. My reasoning: none.",
        "Here are my reasoning steps: first 3, then 5.",
        "a < b and c > d [1]",
        "<|channel|> is a token of its own.",
    ],
)
def test_ordinary_text_is_left_alone(tmp_path: Path, output: str) -> None:
    assert read(tmp_path / "a.jsonl", *[output] * 12) == [("", output)] * 12


def test_gsm8k_keeps_its_annotations() -> None:
    sides = split_at_hash("Half of 48 is 48/2=<<48/2=24>>24.\nThat is all.\n#### 24")
    assert sides is not None and sides[:2] == ("Half of 48 is 48/2=<<48/2=24>>24.\nThat is all.", "24")
    assert split_at_hash("#### 24") is None and split_at_hash("a\n#### b\n#### c") is None
    assert split_at_hash("a\n##### b") is None and split_at_hash("a #### b") is None


def test_headings_count_only_where_nearly_all_rows_have_them(tmp_path: Path) -> None:
    headed, plain = f"**Reasoning:** {R}\n**Answer:** {A}", "Just eight."
    assert read(tmp_path / "a.jsonl", *[headed] * 19, plain) == [*[(R, A)] * 19, ("", plain)]
    assert read(tmp_path / "b.jsonl", *[headed] * 5, *[plain] * 5)[0] == ("", headed)
    assert systematic_heading([headed]) is None and systematic_heading([headed] * 2) == ("heading", "**Reasoning:**")


def test_final_answer_is_offered_and_not_taken(tmp_path: Path) -> None:
    output = f"{R}\n\nFinal Answer: {A}"
    assert split_at_final(output) == (R, A, "Final Answer:") and split_at_headings(output) is None
    (tmp_path / "a.jsonl").write_text("\n".join([json.dumps({"question": Q, "answer": output})] * 3))
    data = open_data(str(tmp_path / "a.jsonl"))
    assert (data.row(0).reasoning, data.row(0).output) == ("", output)
    offered = {
        column: [pick.how for pick in several if pick.column] for column, several in data.mapping.unclear.items()
    }
    assert offered == {"reasoning": ["final_think"], "output": ["text", "final_answer"]}


def test_a_long_unused_text_is_offered(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"What is {i}+1?",
            "working": f"We start at {i} and then we go one up, which gives {i + 1}.",
            "answer": f"{i + 1}",
            "url": f"https://example.org/a/long/path/that/nobody/reads/{i}",
            "prompt_text": f"Below is a question. What is {i}+1? Answer it well, please. {i + 1}",
        }
        for i in range(12)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = open_data(str(tmp_path / "a.jsonl"))
    assert data.row(0).reasoning == "" and set(data.mapping.unclear) == {"reasoning"}
    assert [(pick.column, pick.why) for pick in data.mapping.unclear["reasoning"]][1:] == [
        ("working", "long unused text")
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("思考過程", "推論過程", "思考プロセス", "解説", "思考过程", "推理过程", "解析", "think_content", "cot_ja"),
        *("reasoning_steps", "reasoning_path", "scratchpad", "rationales", "explanation", "Thinking Process"),
    ],
)
def test_names_of_reasoning(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join([json.dumps({"question": Q, name: R, "answer": A})] * 3))
    assert open_data(str(tmp_path / "a.jsonl")).row(0).reasoning == R


@pytest.mark.parametrize("name", ["generation", "generations", "solutions", "samples"])
def test_names_of_generations(tmp_path: Path, name: str) -> None:
    for value in (A, [A], [A, "8"]):
        (tmp_path / "a.jsonl").write_text("\n".join([json.dumps({"question": Q, name: value})] * 3))
        assert open_data(str(tmp_path / "a.jsonl")).row(0).output == A


pieces = st.sampled_from(["<think>", "</THINK>", "<|", "think>", "[THINK]", "a", "\n"])


@given(st.text(max_size=60) | st.lists(pieces).map("".join))
def test_the_quick_test_misses_no_marker(text: str) -> None:
    if split_thinking(text) is not None:
        assert may_have_markers(text)
        assert pc.match_substring_regex(pa.array([text]), MARKER_PATTERN)[0].as_py()
