from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.tokens.detokenizer import Detokenizer
from core.tokens.tokenizer import TextTokenizer

TEXTS = [
    "東京タワーと富士山、どちらが高い？",
    "我们需要理解地图的投影方法。",
    "👩‍👩‍👧‍👦 family 🗻🇯🇵 flag",
    " leading",
    "  two",
    "a\n\n### Response:\n7",
    "naïve café �",
]


def stream(tokenizer: TextTokenizer, ids: list[int], **options: bool) -> tuple[list[str], str]:
    detokenizer = Detokenizer(tokenizer, **options)
    return [detokenizer.push(id) for id in ids], detokenizer.close()


def unended(tokenizer: TextTokenizer, ids: list[int]) -> list[int]:
    return [id for id in ids if id not in tokenizer.stop_ids]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.integers(0, 720), max_size=30))
def test_byte_level_any_ids_give_what_the_whole_gives(byte_level: TextTokenizer, ids: list[int]) -> None:
    pushed, rest = stream(byte_level, ids)
    assert "".join(pushed) + rest == byte_level.decode(unended(byte_level, ids))


def by_runs(tokenizer: TextTokenizer, ids: list[int]) -> str:
    """What a sentencepiece decoder says, except in a run of byte tokens that is no UTF-8: there the library gives up
    the good characters too."""
    text, run = "", b""
    for token in (tokenizer.raw.id_to_token(id) or "" for id in ids):
        if token.startswith("<0x") and len(token) == 6:
            run += bytes.fromhex(token[3:5])
        elif token:
            text, run = text + run.decode("utf-8", "replace") + token.replace("▁", " "), b""
    return (text + run.decode("utf-8", "replace")).removeprefix(" ")


@settings(max_examples=400, deadline=None)
@given(st.lists(st.integers(0, 520) | st.integers(3 + 0x20, 3 + 0x7E) | st.integers(259, 520), max_size=30))
def test_sentencepiece_any_ids_give_what_the_whole_gives(sentencepiece: TextTokenizer, ids: list[int]) -> None:
    pushed, rest = stream(sentencepiece, ids)
    expected = by_runs(sentencepiece, unended(sentencepiece, ids))
    assert "".join(pushed) + rest == expected
    if "�" not in expected:
        assert expected == sentencepiece.decode(unended(sentencepiece, ids))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["byte_level", "merging", "sentencepiece"])
def test_real_text_cut_after_any_token(name: str, text: str, request: pytest.FixtureRequest) -> None:
    tokenizer: TextTokenizer = request.getfixturevalue(name)
    ids = tokenizer.encode(text)[0]
    pushed, rest = stream(tokenizer, ids)
    assert "".join(pushed) == text
    assert rest == ""
    for end in range(len(ids)):
        pushed, rest = stream(tokenizer, ids[:end])
        assert text.startswith("".join(pushed))
        assert rest in ("", "�")
        assert "".join(pushed) + rest == (by_runs if name == "sentencepiece" else TextTokenizer.decode)(
            tokenizer, ids[:end]
        )


def test_a_character_comes_with_its_last_byte(byte_level: TextTokenizer, sentencepiece: TextTokenizer) -> None:
    for tokenizer in (byte_level, sentencepiece):
        ids = tokenizer.encode("x🗻")[0]
        pushed, rest = stream(tokenizer, ids)
        assert [text for text in pushed if text][-1] == pushed[-1] == "🗻"
        assert not rest
        pushed, rest = stream(tokenizer, ids[:-1])
        assert "".join(pushed) == "x"
        assert rest == "�"


def test_bytes_that_never_become_a_character_do_not_stop_the_text(byte_level: TextTokenizer) -> None:
    lead, letter = byte_level.raw.token_to_id("ã"), byte_level.raw.token_to_id("A")  # the byte E3, and a letter
    assert stream(byte_level, [lead, lead, letter, letter])[0] == ["", "�", "�A", "A"]


def test_ends_are_dropped_and_other_special_tokens_are_text(byte_level: TextTokenizer) -> None:
    pushed, rest = stream(byte_level, [2, *byte_level.encode("hm")[0], 0, 1])
    assert "".join(pushed) + rest == "<think>hm"


def test_an_answer_that_goes_on_after_a_prompt_keeps_its_blank(sentencepiece: TextTokenizer) -> None:
    first = sentencepiece.encode("it takes")[0]
    assert "".join(stream(sentencepiece, first)[0]) == "it takes"
    assert "".join(stream(sentencepiece, first, at_start=False)[0]) == " it takes"


DECODERS = [
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True},
    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": True},
    {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    },
    {"type": "WordPiece", "prefix": "##", "cleanup": False},
    {"type": "BPEDecoder", "suffix": "</w>"},
    None,
]


@pytest.mark.parametrize("decoder", DECODERS)
@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.integers(259, 470), max_size=20))
def test_other_decoders(sentencepiece: TextTokenizer, decoder: dict[str, object] | None, ids: list[int]) -> None:
    definition = json.loads((Path(sentencepiece.where) / "tokenizer.json").read_text())
    tokenizer = TextTokenizer(definition | {"decoder": decoder}, "</s>", frozenset(), "test")
    pushed, rest = stream(tokenizer, ids)
    whole = tokenizer.decode(ids)
    if decoder is not None and decoder["type"] == "BPEDecoder":
        whole = whole.rstrip()  # it ends words with a blank, and takes back the last one
    assert ("".join(pushed) + rest).rstrip() == whole.rstrip()
