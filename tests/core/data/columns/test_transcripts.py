"""Conversations that are written into one text are read as turns, and other texts stay texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import DataError
from core.data.columns.transcripts import read_transcript
from core.data.source import open_data

TURNS = [("user", "Why?"), ("assistant", "So.\n\nMore: yes."), ("user", "And?"), ("assistant", "No.")]
WRITTEN = {
    "lines": "".join(
        f"\n\n{'Human' if role == 'user' else 'Assistant'}: {text}" for role, text in TURNS
    ),
    "headings": "".join(f"### {'Human' if role == 'user' else 'Assistant'}: {text}" for role, text in TURNS),
    "chatml": "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in TURNS),
    "capitals": "".join(
        f"{role.upper()}: {text}{' <|endoftext|>' if role == 'assistant' else ''}\n\n\n" for role, text in TURNS
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRITTEN)
def test_turns_are_read(kind: str) -> None:
    assert [(turn["role"], turn["content"]) for turn in read_transcript(WRITTEN[kind]) or []] == TURNS


def test_a_prompt_ends_where_the_reply_begins() -> None:
    assert read_transcript("\n\nHuman: Why?\n\nAssistant:") == [{"role": "user", "content": "Why?"}]


@pytest.mark.parametrize(
    "text",
    [
        "Human: Why?\nmore\nAssistant: So.", "Human: Why?\nHuman: So.", "Assistant: So.\nHuman: Why?",
        "System: Be kind.\nHuman: Why?",
        "", "Why?", "Human: Why?", "He said:\n\nHuman: Why?\n\nAssistant: So.", "Humans and USER: all", "### Human",
    ],
)  # fmt: skip
def test_other_texts_stay_texts(text: str) -> None:
    assert read_transcript(text) is None


@given(st.text(max_size=40))
def test_no_text_is_read_without_its_marks(text: str) -> None:
    turns = read_transcript(text)
    assert turns is None or all(turn["content"] in text for turn in turns)


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_preference_in_transcripts(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"chosen": WRITTEN[kind], "rejected": WRITTEN[kind].replace("No.", f"Bad {i}.")} for i in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = open_data(str(path))
    row = data.row(0)
    assert (row.instruction, row.output) == ("And?", "No.") and "More: yes." in row.history
    assert data.not_used.columns == {"rejected": 3}


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"text": "It rains today."}, "text has whole texts, in which question and answer are not told apart"),
        ({"segments": [{"label": False, "text": "Why?"}]}, "segments has pieces of text with marks"),
        ({"id": 1, "data": ["Why?", "So."]}, "data has lists of texts that do not say who speaks"),
    ],
)
def test_why_no_question_is_found_is_said(tmp_path: Path, row: dict[str, object], why: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for _ in range(2)))
    with pytest.raises(DataError, match=why):
        open_data(str(path))


@pytest.mark.parametrize("column", ["instruction", "input"])
def test_lines_of_two_who_take_turns(tmp_path: Path, column: str) -> None:
    rows = [
        {
            "instruction": "",
            "input": "",
            column: f"Human:Hi {i}\nAssistant: Hello\nHuman：And?\nAssistant:",
            "output": "No.",
        }
        for i in range(3)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    row = open_data(str(path)).row(1)
    assert (row.instruction, row.output, row.input) == ("And?", "No.", "")
    assert json.loads(row.history) == [{"role": "user", "content": "Hi 1"}, {"role": "assistant", "content": "Hello"}]


def test_the_role_before_a_system_prompt_is_not_part_of_it(tmp_path: Path) -> None:
    rows = [{"system": f"SYSTEM: Be kind {i}.", "chat": WRITTEN["capitals"]} for i in range(3)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = open_data(str(path))
    assert data.row(1).system == "Be kind 1." and data.mapping.picks["system"].how == "unprefixed"
    rows[2]["system"] = "Be kind, SYSTEM: 2"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert open_data(str(path)).row(1).system == "SYSTEM: Be kind 1."
