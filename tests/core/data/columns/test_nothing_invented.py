"""Whatever a table holds, reading it never fails, and every text of a row stands in a value of that record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.chat_history import history_from_json
from core.base.row import FIELDS
from core.data.cell_text import cell_text
from core.data.columns.guess import guess_mapping, pick_candidates
from core.data.columns.mapping import RowReader
from core.data.columns.nested_text import read_nested

VOCABULARY = [
    "", "instruction", "input", "output", "question", "answer", "prompt", "completion", "chosen", "rejected", "context",
    "messages", "conversations", "conversation", "history", "system", "system_prompt", "tools", "label", "is_correct",
    "score", "choices", "options", "answers", "reward_model", "extra_info", "generations", "correctness", "reasoning",
    "thinking", "text", "target", "data", "a.b", "split", "language", "weight",
]  # fmt: skip
words = st.sampled_from(
    [
        "q",
        "a",
        "It is 4.",
        "<think>r</think>a",
        "<think>open",
        "r</think>",
        "A",
        "1",
        "true",
        "no",
        "4",
        "",
        " ",
        "\n\n",
    ]
) | st.text(max_size=6)
scalars = st.none() | st.booleans() | st.integers(-3, 9) | st.floats(allow_nan=False) | words
turns = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool", "reasoning", "function_call", "critic"])},
    optional={
        "content": words
        | st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["text", "thinking", "image", "tool_use", "tool_result"])},
                optional={"text": words, "value": words, "name": words, "content": words},
            ),
            max_size=2,
        ),
        "weight": st.integers(0, 1),
        "reasoning_content": words,
        "tool_calls": st.lists(st.dictionaries(st.sampled_from(["name", "arguments", "id"]), words), max_size=1),
        "name": words,
    },
)
chats = st.lists(turns, max_size=5)
pairs = st.lists(st.lists(words, min_size=2, max_size=2), max_size=3)
objects = st.dictionaries(
    st.sampled_from(["answer", "text", "ground_truth", "messages", "label", "0", "human", "assistant", "value"]),
    scalars | chats | st.lists(words, max_size=2),
    max_size=3,
)
values = scalars | chats | pairs | objects | turns | st.lists(objects, max_size=2) | st.lists(scalars, max_size=3)
cells = values | values.map(json.dumps) | values.map(str)
records = st.lists(st.dictionaries(st.sampled_from(VOCABULARY), cells, max_size=7), min_size=1, max_size=6)


def pieces(value: Any) -> Iterator[str]:
    """Every text inside a value, and the text of the value itself."""
    yield cell_text(value)
    if isinstance(value, str) and (inner := read_nested(value)) is not None:
        yield from pieces(inner)
    if isinstance(value, dict):
        for item in value.values():
            yield from pieces(item)
    elif isinstance(value, list):
        for item in value:
            yield from pieces(item)


def strings(value: Any) -> Iterator[str]:
    """The texts inside the JSON of a history or of tools, without what only says what they are."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in ("role", "type"):
                yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def bare(text: str) -> str:
    return "".join(text.split())


def is_found(text: str, source: str) -> bool:
    """Whether the paragraphs and lines of a text all stand in the source; roles before them are ours."""
    lines = [line.split(": ", 1)[-1] for line in text.split("\n")]
    return all(bare(line) in source for line in lines)


@given(records, st.data())
@settings(max_examples=150, deadline=None)
def test_every_text_comes_from_the_record(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    mapping = guess_mapping(names, rows)
    if data.draw(st.booleans()):
        column = data.draw(st.sampled_from(FIELDS))
        mapping = mapping.with_pick(column, data.draw(st.sampled_from(pick_candidates(column, names, rows))))
    reader = RowReader(mapping, names)
    assert "" not in reader.sources
    for row in rows:
        read = reader.read([row.get(name) for name in reader.sources])
        if isinstance(read, str):
            assert read
            continue
        source = "\n".join(bare(text) for name, value in row.items() if name for text in pieces(value))
        for column, text in zip(FIELDS, read, strict=True):
            told = [text]
            if column in ("history", "tools") and text.startswith("["):
                told = list(strings(history_from_json(text) if column == "history" else json.loads(text)))
            assert all(is_found(part, source) for part in told), (column, text)
