from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import DataError, UsageError
from core.base.row import Row
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.encode import EncodedRow, encode_batch, encode_prompt, encoded_row
from core.tokens.encode_spans import TokenByteLengths
from core.tokens.loss_mask import IGNORED_LABEL, slot_weights
from core.tokens.segments import Segment
from core.tokens.tokenizer import TextTokenizer
from tests.core.conftest import byte_level_json, write_folder
from tests.support.encoded_rows import encode_row, prompt_is_prefix

words = st.text(st.sampled_from("ab .。\n#あ地🗻{}<|>:é"), max_size=15) | st.sampled_from(
    ["<|im_end|>", "</s>", "", "so it takes three hours."]
)
rows = st.builds(Row, instruction=words, input=words, reasoning=words, output=words)
names = st.sampled_from(sorted(TEXT_TEMPLATES))
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
def test_spans_tile_the_row_and_labels_are_the_completion(
    kind: str, row: Row, name: str, drop: bool, request: pytest.FixtureRequest
) -> None:
    tokenizer: TextTokenizer = request.getfixturevalue(kind)
    template = TEXT_TEMPLATES[name]
    encoded = encode_row(row, template, tokenizer, drop_empty_input=drop)
    segments = template.segments(row, drop)
    assert encoded.text == "".join(segment.text for segment in segments)
    assert encoded.ids == tokenizer.bos_ids + tokenizer.encode(encoded.text)[0] + [tokenizer.eos_id]
    assert sum(id in tokenizer.stop_ids for id in encoded.ids) == 1
    assert [span.kind for span in encoded.spans] == [*(segment.kind for segment in segments), "eos"]
    assert [span.start for span in encoded.spans] == [0, *(span.end for span in encoded.spans[:-1])]
    assert encoded.spans[-1].end == len(encoded.ids) == len(encoded.labels)
    assert [(span.start, span.end) for span in encoded.spans[:-1]] == by_definition(
        encoded, [len(s.text) for s in segments], tokenizer
    )
    prompt_end = encoded.spans[0].end
    assert encoded.labels == [IGNORED_LABEL] * prompt_end + encoded.ids[prompt_end:]
    assert encode_row(row, template, tokenizer, drop_empty_input=drop, loss_on="all").labels == encoded.ids


@settings(max_examples=150, deadline=None)
@given(rows, names)
def test_each_span_says_its_segment_where_no_token_straddles(byte_level: TextTokenizer, row: Row, name: str) -> None:
    encoded = encode_row(row, TEXT_TEMPLATES[name], byte_level)
    segments = TEXT_TEMPLATES[name].segments(row)
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
    encoded = encode_row(row, TEXT_TEMPLATES["alpaca-reasoning"], merging)
    said = {span.kind: merging.decode(encoded.ids[span.start : span.end]) for span in encoded.spans}
    assert said["reasoning"] + said["marker"] == "It is seven.\n\n### Response:\n"
    assert said["reasoning"] == "It is seven"
    assert said["marker"].startswith(".\n")


def test_a_merge_across_the_end_of_the_prompt_is_reported(merging: TextTokenizer, byte_level: TextTokenizer) -> None:
    template = TEXT_TEMPLATES["alpaca"]
    assert prompt_is_prefix(Row("Add.", output="7"), template, merging)
    assert not prompt_is_prefix(Row("Add.", output="\n\n\n7"), template, merging)
    assert prompt_is_prefix(Row("Add.", output="7"), template, byte_level)


def test_one_beginning_of_sequence(sentencepiece: TextTokenizer) -> None:
    row = Row("<s> Add.", "<s>", "<s>", "</s>7")
    encoded = encode_row(row, TEXT_TEMPLATES["alpaca-reasoning"], sentencepiece)
    assert [place for place, id in enumerate(encoded.ids) if id in (1, 2)] == [0, len(encoded.ids) - 1]
    assert encode_prompt("Add.", sentencepiece)[:1] == [1]
    assert prompt_is_prefix(row, TEXT_TEMPLATES["alpaca-reasoning"], sentencepiece)


def test_many_rows_give_what_each_gives(byte_level: TextTokenizer) -> None:
    pairs = [
        (Row(f"q{n}", "", f"r{n}", "x" * (n % 7)), TEXT_TEMPLATES["alpaca" if n % 3 else "alpaca-reasoning"])
        for n in range(1100)
    ]
    segments = [template.segments(row) for row, template in pairs]
    batch = encode_batch(segments, byte_level, [row.index for row, _ in pairs])
    assert len(batch.starts) == len(pairs) + 1
    for index in range(0, len(pairs), 97):
        row, template = pairs[index]
        ids = batch.ids[batch.starts[index] : batch.starts[index + 1]]
        text = "".join(segment.text for segment in segments[index])
        encoded = encoded_row(
            ids, batch.ends[index], int(batch.present[index]), text, slot_weights("completion"), False
        )
        assert encoded == encode_row(row, template, byte_level)


def test_a_long_row_is_left_whole(byte_level: TextTokenizer) -> None:
    encoded = encode_row(Row("q", "", "r " * 500, "a"), TEXT_TEMPLATES["alpaca-reasoning"], byte_level)
    assert encoded.ids[-1] == byte_level.eos_id
    assert encoded.spans[-1].end == len(encoded.ids) > 500


def test_a_row_that_is_not_unicode_is_named(byte_level: TextTokenizer) -> None:
    rows = [Row("fine", output="a", index=3), Row("q", output="\udfff", index=4)]
    segments = [TEXT_TEMPLATES["alpaca"].segments(row) for row in rows]
    batch = encode_batch(segments, byte_level, [row.index for row in rows])
    assert list(batch.errors) == [1]
    with pytest.raises(DataError, match="row 4"):
        raise batch.errors[1]


def test_a_row_that_is_encoded_to_an_end_is_refused(byte_level: TextTokenizer) -> None:
    """A tokenizer whose end is an ordinary word of its vocabulary: no setting keeps it out, so the row must not be
    trained on."""
    letter = byte_level.raw.token_to_id("Z")
    byte_level_with_end = type(byte_level).__new__(type(byte_level))
    byte_level_with_end.__dict__.update(byte_level.__dict__, stop_ids=byte_level.stop_ids | {letter})
    with pytest.raises(DataError, match="row 5"):
        encode_row(Row("q", output="Z", index=5), TEXT_TEMPLATES["alpaca"], byte_level_with_end)


@pytest.mark.parametrize("kind", [*KINDS, "composing"])
@settings(max_examples=30, deadline=None)
@given(some=st.lists(rows, min_size=1, max_size=12), drop=st.booleans())
def test_a_batch_gives_what_each_row_gives_alone(
    kind: str, some: list[Row], drop: bool, request: pytest.FixtureRequest
) -> None:
    """A large batch counts bytes where it can; a row alone goes by characters."""
    tokenizer: TextTokenizer = request.getfixturevalue(kind)
    many = (some * TokenByteLengths.FEWEST_ROWS)[: TokenByteLengths.FEWEST_ROWS + 3]
    templates = [TEXT_TEMPLATES[name] for name in sorted(TEXT_TEMPLATES)]
    segments = [templates[place % len(templates)].segments(row, drop) for place, row in enumerate(many)]
    batch = encode_batch(segments, tokenizer, range(len(many)))
    assert not batch.errors and len(batch.starts) == len(many) + 1
    for place in range(min(len(many), 5 * len(some))):
        alone = encode_batch([segments[place]], tokenizer, [place])
        assert batch.ids[batch.starts[place] : batch.starts[place + 1]].tolist() == alone.ids.tolist()
        assert batch.ends[place].tolist() == alone.ends[0].tolist() and batch.present[place] == alone.present[0]


@pytest.fixture(scope="module")
def composing(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    """As Qwen's: text is composed (NFC) before it is split, so that bytes of a row may not be those of its tokens."""
    definition = byte_level_json(merge_newlines=True) | {"normalizer": {"type": "NFC"}}
    return TextTokenizer.from_folder(write_folder(tmp_path_factory.mktemp("composing"), definition, "<|im_end|>"))


def test_text_that_is_composed_on_the_way_keeps_its_spans(composing: TextTokenizer) -> None:
    row = Row("Cafe\u0301?", "か\u3099", "cafe\u0301 cafe\u0301", "が")
    many = [TEXT_TEMPLATES["alpaca-reasoning"].segments(row)] * TokenByteLengths.FEWEST_ROWS
    batch = encode_batch(many, composing, range(len(many)))
    ends = batch.ends[0].tolist()
    assert composing.decode(batch.ids[ends[1] : ends[2]].tolist()) == "café café"
    assert composing.decode(batch.ids[ends[3] : ends[4]].tolist()) == "が"


def test_errors_cost_no_other_row(byte_level: TextTokenizer) -> None:
    good, bad = Row("q", output="a"), Row("\ud800", output="a")
    segments = [TEXT_TEMPLATES["alpaca"].segments(bad if place % 40 == 7 else good) for place in range(100)]
    batch = encode_batch(segments, byte_level, range(100, 200))
    assert {place: error.where for place, error in batch.errors.items()} == {7: "row 107", 47: "row 147", 87: "row 187"}
    sizes = np.diff(batch.starts)
    assert [place for place, size in enumerate(sizes) if not size] == [7, 47, 87] and len(set(sizes.tolist())) == 2


def test_special_tokens_of_a_template_are_ids_and_those_of_a_row_letters(byte_level: TextTokenizer) -> None:
    end, think = (byte_level.raw.token_to_id(token) for token in ("<|end|>", "<think>"))
    segments = [
        Segment("prompt", "<|end|>user\n", special=True),
        Segment("prompt", "Say <|end|> and <think>."),
        Segment("prompt", "<|end|>", special=True),
        Segment("marker", "<think>", special=True),
        Segment("reasoning", "Hm."),
        Segment("marker", "\nend\n", special=True),
        Segment("response", "7"),
        Segment("marker", "\n", special=True),
    ]
    batch = encode_batch([segments], byte_level, [0])
    ids, ends = batch.ids.tolist(), batch.ends[0].tolist()
    assert [id for id in ids if id in (end, think)] == [end, end, think] and ids[-1] == byte_level.eos_id
    assert ids[ends[0] : ends[1]] == [think]  # the opening that the model writes itself
    said = [byte_level.decode(ids[start:stop]) for start, stop in pairwise(ends)]
    assert said[1:4] == ["Hm.", "\nend\n", "7\n"]


def test_sections_out_of_order_are_refused(byte_level: TextTokenizer) -> None:
    with pytest.raises(UsageError, match="out of order"):
        encode_batch([[Segment("response", "a"), Segment("prompt", "b")]], byte_level, [0])


def test_a_beginning_that_the_template_wrote_is_not_written_twice(sentencepiece: TextTokenizer) -> None:
    own = [Segment("prompt", "<s>", special=True), Segment("prompt", "Add."), Segment("response", "7")]
    ids = encode_batch([own], sentencepiece, [0]).ids.tolist()
    assert ids.count(1) == 1 and ids[0] == 1
    assert encode_prompt(own[:2], sentencepiece) == ids[: len(encode_prompt(own[:2], sentencepiece))]
