from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import DataError
from core.prompts.encoding import IGNORED, EncodedRow, encode_many, encode_prompt, encode_row, fits, prefix_kept
from core.prompts.templates import TEMPLATES
from core.prompts.tokenizer import TextTokenizer
from core.row import Row

words = st.text(st.sampled_from("ab .。\n#あ地🗻{}<|>:é"), max_size=15) | st.sampled_from(["<|im_end|>", "</s>", "", "so it takes three hours."])
rows = st.builds(Row, instruction=words, input=words, reasoning=words, output=words)
names = st.sampled_from(sorted(TEMPLATES))
KINDS = ["byte_level", "merging", "sentencepiece"]


def by_definition(encoded: EncodedRow, lengths: list[int], tokenizer: TextTokenizer) -> list[tuple[int, int]]:
    """Spans token by token: each token goes where its last character lies."""
    offsets = tokenizer.encode(encoded.text)[1]
    ends = [sum(lengths[: place + 1]) for place in range(len(lengths))]
    owners = [next(place for place, end in enumerate(ends) if last <= end) for _, last in offsets]
    shift = len(tokenizer.bos_ids)
    spans, at = [], 0
    for place in range(len(lengths)):
        size = owners.count(place) + (shift if place == 0 else 0)
        spans.append((at, at + size))
        at += size
    return spans


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(row=rows, name=names, drop=st.booleans())
def test_spans_tile_the_row_and_labels_are_the_completion(kind: str, row: Row, name: str, drop: bool, request: pytest.FixtureRequest) -> None:
    tokenizer: TextTokenizer = request.getfixturevalue(kind)
    template = TEMPLATES[name]
    encoded = encode_row(row, template, tokenizer, drop_empty_input=drop)
    segments = template.segments(row, drop)
    assert encoded.text == "".join(segment.text for segment in segments)
    assert encoded.ids == tokenizer.bos_ids + tokenizer.encode(encoded.text)[0] + [tokenizer.eos_id]
    assert sum(id in tokenizer.stop_ids for id in encoded.ids) == 1
    assert [span.kind for span in encoded.spans] == [*(segment.kind for segment in segments), "eos"]
    assert [span.start for span in encoded.spans] == [0, *(span.end for span in encoded.spans[:-1])]
    assert encoded.spans[-1].end == len(encoded.ids) == len(encoded.labels)
    assert [(span.start, span.end) for span in encoded.spans[:-1]] == by_definition(encoded, [len(s.text) for s in segments], tokenizer)
    prompt_end = encoded.spans[0].end
    assert encoded.labels == [IGNORED] * prompt_end + encoded.ids[prompt_end:]
    assert encode_row(row, template, tokenizer, drop_empty_input=drop, loss_on="all").labels == encoded.ids


@settings(max_examples=150, deadline=None)
@given(rows, names)
def test_each_span_says_its_segment_where_no_token_straddles(byte_level: TextTokenizer, row: Row, name: str) -> None:
    encoded = encode_row(row, TEMPLATES[name], byte_level)
    segments = TEMPLATES[name].segments(row)
    offsets, bounds = byte_level.encode(encoded.text)[1], set()
    place = 0
    for segment in segments:
        place += len(segment.text)
        bounds.add(place)
    straddled = {bound for start, end in offsets for bound in bounds if start < bound < end}
    said = [byte_level.decode(encoded.ids[span.start : span.end]) for span in encoded.spans[:-1]]
    assert "".join(said) == encoded.text
    place = 0
    for segment, text in zip(segments, said, strict=True):
        if place not in straddled and place + len(segment.text) not in straddled:
            assert text == segment.text
        place += len(segment.text)


def test_a_token_over_a_boundary_belongs_to_its_last_character(merging: TextTokenizer) -> None:
    row = Row("Add.", "3 4", "It is seven.", "7")
    encoded = encode_row(row, TEMPLATES["alpaca-reasoning"], merging)
    said = {span.kind: merging.decode(encoded.ids[span.start : span.end]) for span in encoded.spans}
    assert said["reasoning"] + said["marker"] == "It is seven.\n\n### Response:\n"
    assert said["reasoning"] == "It is seven"
    assert said["marker"].startswith(".\n")


def test_a_merge_across_the_end_of_the_prompt_is_reported(merging: TextTokenizer, byte_level: TextTokenizer) -> None:
    template = TEMPLATES["alpaca"]
    assert prefix_kept(Row("Add.", output="7"), template, merging)
    assert not prefix_kept(Row("Add.", output="\n\n\n7"), template, merging)
    assert prefix_kept(Row("Add.", output="7"), template, byte_level)


def test_one_beginning_of_sequence(sentencepiece: TextTokenizer) -> None:
    row = Row("<s> Add.", "<s>", "<s>", "</s>7")
    encoded = encode_row(row, TEMPLATES["alpaca-reasoning"], sentencepiece)
    assert [place for place, id in enumerate(encoded.ids) if id in (1, 2)] == [0, len(encoded.ids) - 1]
    assert encode_prompt("Add.", sentencepiece)[:1] == [1]
    assert prefix_kept(row, TEMPLATES["alpaca-reasoning"], sentencepiece)


def test_many_rows_give_what_each_gives(byte_level: TextTokenizer) -> None:
    pairs = [(Row(f"q{n}", "", f"r{n}", "x" * (n % 7)), TEMPLATES["alpaca" if n % 3 else "alpaca-reasoning"]) for n in range(1100)]
    many = list(encode_many(iter(pairs), byte_level))
    assert len(many) == len(pairs)
    assert all(encoded == encode_row(row, template, byte_level) for encoded, (row, template) in list(zip(many, pairs, strict=True))[::97])


def test_a_long_row_is_left_whole(byte_level: TextTokenizer) -> None:
    encoded = encode_row(Row("q", "", "r " * 500, "a"), TEMPLATES["alpaca-reasoning"], byte_level)
    assert encoded.ids[-1] == byte_level.eos_id
    assert fits(encoded, len(encoded.ids))
    assert not fits(encoded, len(encoded.ids) - 1)


def test_a_row_that_is_no_unicode_is_named(byte_level: TextTokenizer) -> None:
    rows = [Row("fine", output="a", index=3), Row("q", output="\udfff", index=4)]
    with pytest.raises(DataError, match="row 4"):
        list(encode_many([(row, TEMPLATES["alpaca"]) for row in rows], byte_level))


def test_a_row_that_is_encoded_to_an_end_is_refused(byte_level: TextTokenizer) -> None:
    """A tokenizer whose end is an ordinary word of its vocabulary: no setting keeps it out, so the row must not be trained on."""
    letter = byte_level.raw.token_to_id("Z")
    byte_level_with_end = type(byte_level).__new__(type(byte_level))
    byte_level_with_end.__dict__.update(byte_level.__dict__, stop_ids=byte_level.stop_ids | {letter})
    with pytest.raises(DataError, match="row 5"):
        encode_row(Row("q", output="Z", index=5), TEMPLATES["alpaca"], byte_level_with_end)
