"""Special tokens of a template become their ids, row text stays text, and the ids are those of the joined text in the
library's own tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from core.base.errors import DataError
from core.tokens.special_tokens import PartsEncoder
from core.tokens.tokenizer import TextTokenizer


def definition(tokenizer: TextTokenizer) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((Path(tokenizer.where) / "tokenizer.json").read_text("utf-8"))
    return loaded


def changed(tokenizer: TextTokenizer, **changes: Any) -> TextTokenizer:
    return TextTokenizer(definition(tokenizer) | changes, tokenizer.eos, tokenizer.stop_ids, "changed")


@pytest.fixture(scope="session")
def kinds(byte_level: TextTokenizer, merging: TextTokenizer, sentencepiece: TextTokenizer) -> dict[str, TextTokenizer]:
    """`stripping`: special tokens take the white space around them. `added`: `<think>` is an added word that is not
    special."""
    tokens = definition(byte_level)["added_tokens"]
    think = [dict(token, special=token["content"] != "<think>") for token in tokens]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    return {
        "byte_level": byte_level,
        "merging": merging,
        "prepend": sentencepiece,
        "first": changed(sentencepiece, normalizer=None, pre_tokenizer=metaspace),
        "first in a sequence": changed(
            sentencepiece, normalizer=None, pre_tokenizer={"type": "Sequence", "pretokenizers": [metaspace]}
        ),
        "stripping": changed(byte_level, added_tokens=[dict(token, rstrip=True, lstrip=True) for token in tokens]),
        "added": changed(byte_level, added_tokens=think),
    }


NAMES = ["byte_level", "merging", "prepend", "first", "first in a sequence", "stripping", "added"]
PIECES = [
    "<|im_end|>",
    "<think>",
    "<s>",
    "</s>",
    "<",
    "s>",
    "<|im_",
    "end|>",
    "think>",
    "the",
    " ",
    "\n",
    "\n\n",
    "a",
    "投",
    "🗻",
    ".",
    "</s",
]
parts_of = st.lists(st.tuples(st.lists(st.sampled_from(PIECES), max_size=4).map("".join), st.booleans()), max_size=6)


def seeing(tokenizer: TextTokenizer) -> Tokenizer:
    """What transformers encodes with: the same definition, to which special tokens are tokens."""
    return Tokenizer.from_str(tokenizer.raw.to_str())


@pytest.mark.parametrize("name", NAMES)
def test_a_text_that_is_all_the_templates_is_what_the_library_makes_of_it(
    name: str, kinds: dict[str, TextTokenizer]
) -> None:
    tokenizer = kinds[name]
    library = seeing(tokenizer)

    @settings(max_examples=100, deadline=None)
    @given(parts_of)
    def check(parts: list[tuple[str, bool]]) -> None:
        text = "".join(text for text, _ in parts)
        [encoded] = tokenizer.encode_parts([[(text, True)]])
        expected = library.encode(text, add_special_tokens=False)
        assert (encoded.ids, encoded.offsets) == (expected.ids, expected.offsets)
        encoder = PartsEncoder(tokenizer.raw)
        around = encoder.encode_around(text, encoder.meant_tokens([(text, True)]))  # as a row that spells such tokens
        assert (around.ids, around.offsets, around.special_positions) == (
            expected.ids,
            expected.offsets,
            encoded.special_positions,
        )

    check()


@pytest.mark.parametrize("name", NAMES)
def test_row_text_plants_nothing_and_joints_leave_no_trace(name: str, kinds: dict[str, TextTokenizer]) -> None:
    tokenizer = kinds[name]
    special = {token.content for token in tokenizer.raw.get_added_tokens_decoder().values() if token.special}
    added = {tokenizer.raw.token_to_id(content) for content in special}

    @settings(max_examples=100, deadline=None)
    @given(parts_of)
    def check(parts: list[tuple[str, bool]]) -> None:
        text = "".join(text for text, _ in parts)
        [encoded] = tokenizer.encode_parts([parts])
        expected = sum(part.count(content) for part, is_special in parts if is_special for content in special)
        found = [position for position, id in enumerate(encoded.ids) if id in added]
        assert len(found) == expected
        assert set(found) <= set(encoded.special_positions)
        for position in found:
            assert any(content in text[slice(*encoded.offsets[position])] for content in special)
        for character in range(len(text)):
            token = encoded.char_to_token(character)
            assert token is None or encoded.offsets[token][0] <= character < encoded.offsets[token][1]

    check()


def test_a_rows_marker_stays_letters_where_the_template_writes_the_same(kinds: dict[str, TextTokenizer]) -> None:
    """`<think>` here is an added word that is not special, as in Qwen3: alone it is a token, but not beside a template
    that means it."""
    tokenizer = kinds["added"]
    [alone, beside] = tokenizer.encode_parts([[("<think>", False)], [("<think>", True), ("a<think>b", False)]])
    assert alone.ids == [2]
    assert beside.ids.count(2) == 1 and beside.special_positions == [0]
    assert tokenizer.decode(beside.ids) == "<think>a<think>b"


def test_rows_of_every_sort_in_one_batch_keep_their_order(byte_level: TextTokenizer) -> None:
    rows = [
        [("a", False)],
        [("<think>", True), ("b", False)],
        [("<|im_end|>", True), ("<|im_end|>", False)],
        [],
        [("", True)],
        [("c", False)],
    ]
    together = byte_level.encode_parts(rows)
    assert [one.ids for one in together] == [byte_level.encode_parts([row])[0].ids for row in rows]
    assert [one.special_positions for one in together] == [[], [0], [0], [], [], []]
    assert together[0].ids == byte_level.encode("a")[0]


def test_half_a_surrogate_pair_is_a_data_error(byte_level: TextTokenizer) -> None:
    for parts in (
        [("a\ud800", False)],
        [("<think>", True), ("a\ud800", False)],
        [("<think>", True), ("<think>\ud800", False)],
    ):
        with pytest.raises(DataError, match="surrogate"):
            byte_level.encode_parts([parts])
