"""Nothing of a source is lost or invented: every word of a row is shown, or its place in the file is counted."""

from __future__ import annotations

import csv
import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.base.row import FIELDS, Row
from core.data.columns.column_names import CHAT_NAMES, GENERATION_NAMES, HISTORY_NAMES, NAME_TIERS
from core.data.columns.generations import mark_columns
from core.data.dataset import DataSet
from core.data.extra_columns import has_value
from core.data.source import open_data

QUESTIONS = ["instruction", "question", "prompt", "problem", "input", "message", "task"]
ANSWERS = ["output", "answer", "response", "completion", "solution", "chosen", "target", "answers", "generations"]
OTHERS = sorted(
    {
        *(name for tiers in NAME_TIERS.values() for tier in tiers for name in tier if name.isascii()),
        *CHAT_NAMES, *GENERATION_NAMES, *HISTORY_NAMES, "rejected", "text", "metadata", "extra_info", "reward_model",
        "choices", "weight", "margin", "id", "source", "r1_reasoning", "a_response", "x.y", "é",
    }
)  # fmt: skip
MEMBERS = [
    "text", "content", "answer", "response", "reasoning", "thinking", "score", "model", "ground_truth", "role", "value",
    "question", "prompt", "parts", "choices", "message", "messages", "type", "name", "k1", "k2",
]  # fmt: skip
TURN_EXTRAS = ["info", "name", "id", "weight", "reasoning_content", "thinking", "tool_calls", "text", "value"]
EXAMPLES = int(os.environ.get("NOTHING_LOST_EXAMPLES", "80"))
"""Tables that are made; more by hand, with the environment variable."""
WORD = re.compile(r"w\d+q")
Shape = Callable[["Words"], Any]


class Words:
    """Makes words that stand nowhere else."""

    def __init__(self) -> None:
        self.count = 0

    def word(self) -> str:
        self.count += 1
        return f"w{self.count}q"

    def text(self) -> str:
        return f"{self.word()} is {self.word()}."


def shapes(readable: bool = False) -> st.SearchStrategy[Shape]:
    """Functions that make a value of one shape, of new words. readable: only shapes that hold a text, and turns whose
    content is a text."""
    plain: list[Shape] = [
        lambda words: words.text(),
        lambda words: f"<think>\n{words.text()}\n</think>\n\n{words.text()}",
        lambda words: f"{words.text()}\n#### {words.word()}",
        lambda words: f"**Reasoning:** {words.text()}\n\n**Answer:** {words.text()}",
        lambda words: f"\n\nHuman: {words.text()}\n\nAssistant: {words.text()}",
    ]
    text = st.sampled_from(plain)
    simple = st.one_of(
        text, text, st.sampled_from([None, "", " ", True, False, 0, 1, 2.5]).map(lambda value: lambda words: value)
    )

    def lists(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
        return st.lists(inner, max_size=3).map(lambda items: lambda words: [item(words) for item in items])

    def objects(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
        members = st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=3)
        return members.map(lambda parts: lambda words: {name: item(words) for name, item in parts.items()})

    nested = st.recursive(simple, lambda inner: st.one_of(lists(inner), objects(inner)), max_leaves=6)
    roles = st.sampled_from(["user", "assistant", "system", "tool", "reasoning", "human", "gpt", "critic"])
    extras = st.dictionaries(st.sampled_from(TURN_EXTRAS), nested, max_size=1)
    contents = text if readable else st.one_of(text, text, text, nested)
    keys = st.sampled_from([("role", "content"), ("from", "value")])

    def turn(key: tuple[str, str], role: str, content: Shape, more: dict[str, Shape]) -> Shape:
        return lambda words: {
            **{name: item(words) for name, item in more.items()}, key[0]: role, key[1]: content(words)
        }  # fmt: skip

    turns = lists(st.builds(turn, keys, roles, contents, extras))
    asked = st.builds(turn, keys, st.just("user"), text, extras)
    replied = st.builds(turn, keys, st.just("assistant"), text, extras)
    chats = st.builds(
        lambda before, question, between, answer, after: lambda words: [
            *before(words), question(words), *between(words), answer(words), *after(words)
        ],
        turns, asked, turns, replied, turns,
    )  # fmt: skip
    if readable:
        wrapped = st.one_of(
            st.lists(text, min_size=1, max_size=3).map(lambda items: lambda words: [item(words) for item in items]),
            st.sampled_from(MEMBERS[:6]).flatmap(lambda name: text.map(lambda item: lambda words: {name: item(words)})),
        )
        return st.one_of(text, text, wrapped, chats, chats)
    written = st.one_of(nested, chats).map(lambda shape: lambda words: json.dumps(shape(words)))
    return st.one_of(text, text, nested, chats, chats, turns, written)


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A few rows with the same columns, of which some values have another shape. Most tables can be read: a question
    and an answer mostly hold a text, and the first row has no value of another shape."""
    names = {draw(st.sampled_from(QUESTIONS)), draw(st.sampled_from(ANSWERS))}
    names |= set(
        draw(st.lists(st.one_of(st.sampled_from(OTHERS), st.text("abc_", min_size=1, max_size=4)), max_size=4))
    )
    simple = st.just(Words.text)
    is_odd, mixed = draw(st.integers(0, 15)) == 0, draw(st.booleans())
    columns = {
        name: draw(st.one_of(simple, shapes(not is_odd)) if name in (*QUESTIONS, *ANSWERS) else shapes(not mixed))
        for name in draw(st.permutations(sorted(names)))
    }
    words = Words()
    rows = []
    for number in range(draw(st.integers(1, 5))):
        other = draw(st.sampled_from([*columns, "", ""])) if number else ""
        different = draw(shapes())
        rows.append({name: (different if name == other else shape)(words) for name, shape in columns.items()})
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Writes the rows, and returns them by number as the file holds them."""
    numbers = list(range(1, len(rows) + 1))
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".csv":
        rows = [{name: _cell(value) for name, value in row.items()} for row in rows]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for index, row in enumerate(rows):
                numbers[index] = 1 + path.read_text().count("\n") if not file.flush() else 0
                writer.writerow(row)
    else:
        table = pa.table({name: _array([row[name] for row in rows]) for name in rows[0]})
        pq.write_table(table, path)
        rows = table.to_pylist()
    return dict(zip(numbers, rows, strict=True))


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value)


def _array(values: list[Any]) -> Any:
    try:
        array = pa.array(values)
        pq.write_table(pa.table({"a": array}), pa.BufferOutputStream())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array(list(map(_cell, values)))
    return array


def words_of(value: Any) -> set[str]:
    return set(WORD.findall(json.dumps(value)))


def shown_words(row: Row) -> set[str]:
    return {word for name in FIELDS for word in WORD.findall(getattr(row, name))}


def marks_of(data: DataSet) -> set[str]:
    """The columns that are read and are in no row: they choose among generations, or mark rows."""
    roots = {mark.column.split(".")[0] for mark in data.mapping.marks if mark.kind != "reply"}
    if any(pick.how.startswith("best") for pick in data.mapping.picks.values()):
        roots |= {name for names in mark_columns(data.facts.names) for name in names}
    return roots


def check(data: DataSet, rows: dict[int, dict[str, Any]]) -> None:
    numbers = set(rows)
    skipped = {problem.row for problem in data.problems}
    left_out = {row for tally in data.not_used.left_out.values() for row in tally.rows}
    assert len(data) == len(numbers - skipped - left_out) and not skipped & left_out
    with_parts = {row for tally in data.not_used.parts.values() for row in tally.rows}
    assert with_parts <= numbers - skipped - left_out
    counts = dict.fromkeys(data.not_used.columns, 0)
    for number, row in zip(sorted(numbers - skipped - left_out), map(data.row, range(len(data))), strict=True):
        source, shown = rows[number], shown_words(row)
        assert shown <= words_of(source), "a word from nowhere"
        for name, value in source.items():
            if name in counts:
                counts[name] += has_value(value)
            elif name not in marks_of(data) and number not in with_parts:
                assert words_of(value) <= shown, (name, value, row)
    assert counts == data.not_used.columns


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables(), st.sampled_from([".jsonl", ".jsonl", ".json", ".csv", ".parquet"]))
def test_every_word_is_shown_or_its_place_is_counted(rows: list[dict[str, Any]], suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        written = write(path, rows)
        try:
            data = open_data(str(path))
        except DataError:
            return
        check(data, written)
