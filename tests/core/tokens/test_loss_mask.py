from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.errors import UsageError
from core.base.row import Row
from core.templates.by_name import TEMPLATES
from core.tokens.loss_mask import IGNORED, SectionWeights, is_weighted, slot_weights
from core.tokens.tokenizer import TextTokenizer
from core.tokens.truncation import ELLIPSIS, cut_end, cut_reasoning
from tests.support.encoded_rows import encode_row

KINDS = ["byte_level", "merging", "sentencepiece"]
ROW = Row("Add.", "3 4", "Three and four make seven.", "7")


def learnt(tokenizer: TextTokenizer, loss: object) -> list[str]:
    """The kinds of span in which every token is learnt; a span of which only some are is an error."""
    encoded = encode_row(ROW, TEMPLATES["alpaca-reasoning"], tokenizer, loss_on=loss)  # type: ignore[arg-type]
    found = []
    for span in encoded.spans:
        labels = encoded.labels[span.start : span.end]
        assert labels in ([IGNORED] * len(labels), encoded.ids[span.start : span.end])
        found += [span.kind] if labels and labels[0] != IGNORED else []
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_each_policy_learns_its_sections(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    assert learnt(tokenizer, "all") == ["prompt", "reasoning", "marker", "response", "eos"]
    assert learnt(tokenizer, "completion") == ["reasoning", "marker", "response", "eos"]
    assert learnt(tokenizer, "response") == ["response", "eos"]
    assert learnt(tokenizer, SectionWeights(reasoning=0.0)) == ["response", "eos"]
    assert learnt(tokenizer, SectionWeights(response=0.0)) == ["reasoning", "marker", "eos"]
    assert learnt(tokenizer, SectionWeights(prompt=0.1, reasoning=0, response=0)) == ["prompt", "eos"]


def test_weights_follow_the_spans(byte_level: TextTokenizer) -> None:
    loss = SectionWeights(prompt=0.0, reasoning=0.5, response=2.0, end=3.0)
    encoded = encode_row(ROW, TEMPLATES["alpaca-reasoning"], byte_level, loss_on=loss)
    assert encoded.weights is not None
    wanted = {"prompt": 0.0, "reasoning": 0.5, "marker": 0.5, "response": 2.0, "eos": 3.0}
    assert encoded.weights == [wanted[span.kind] for span in encoded.spans for _ in range(span.start, span.end)]
    assert (
        encode_row(ROW, TEMPLATES["alpaca-reasoning"], byte_level, loss_on=SectionWeights()).weights is None
    )  # the labels say it all


def test_what_is_weighted_and_what_cannot_be() -> None:
    assert not any(
        is_weighted(loss)
        for loss in ("all", "completion", "response", SectionWeights(), SectionWeights(prompt=1.0, reasoning=0.0))
    )
    assert is_weighted(SectionWeights(end=2.0))
    for wrong in (
        SectionWeights(end=0.0),
        SectionWeights(prompt=-1.0),
        SectionWeights(response=math.nan),
        SectionWeights(reasoning=math.inf),
    ):
        with pytest.raises(UsageError):
            slot_weights(wrong)


words = st.text(st.sampled_from("ab .。\n地🗻é…"), max_size=60)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None)
@given(reasoning=words, output=st.text("ab地🗻\n", max_size=8), less=st.integers(0, 70))
def test_a_cut_keeps_prompt_answer_and_end(
    kind: str, reasoning: str, output: str, less: int, request: pytest.FixtureRequest
) -> None:
    tokenizer: TextTokenizer = request.getfixturevalue(kind)
    encoded = encode_row(Row("q", "i", reasoning, output), TEMPLATES["alpaca-reasoning"], tokenizer)
    spans = {span.kind: span for span in encoded.spans}
    ids = np.array(encoded.ids, np.int32)
    ends = np.array(
        [spans[kind].end for kind in ("prompt", "prompt", "reasoning", "marker", "response", "eos")], np.int32
    )
    limit = len(ids) - less
    shorter = cut_reasoning(ids, ends, limit, tokenizer)
    gap = tokenizer.encode(ELLIPSIS)[0]
    if shorter is None:
        assert (
            spans["reasoning"].end - spans["reasoning"].start < less + len(gap) + 2 + 8
        )  # at most a character's bytes on either side are lost
        return
    cut, moved = shorter
    assert len(cut) <= limit and moved[-1] == len(cut)
    assert cut[: moved[1]].tolist() == encoded.ids[: spans["prompt"].end]
    assert cut[moved[2] :].tolist() == encoded.ids[spans["reasoning"].end :]
    assert (np.diff(moved)[2:] == np.diff(ends)[2:]).all()
    kept, whole = cut[moved[1] : moved[2]].tolist(), encoded.ids[spans["reasoning"].start : spans["reasoning"].end]
    at = next(
        at
        for at in range(1, len(kept))
        if kept[:at] == whole[:at]
        and kept[at : at + len(gap)] == gap
        and whole[-(len(kept) - at - len(gap)) :] == kept[at + len(gap) :]
    )
    assert at >= 1 and len(kept) - at - len(gap) >= 1
    if kind != "sentencepiece":
        said = [tokenizer.decode(part) for part in (kept[:at], kept[at + len(gap) :])]
        assert "\ufffd" not in said[0] + said[1]  # no character was cut in two
        assert ELLIPSIS in tokenizer.decode(kept)


def test_a_cut_end_is_the_beginning(byte_level: TextTokenizer) -> None:
    encoded = encode_row(ROW, TEMPLATES["alpaca-reasoning"], byte_level)
    ids, ends = (
        np.array(encoded.ids, np.int32),
        np.array([9, 9, 20, 25, len(encoded.ids) - 1, len(encoded.ids)], np.int32),
    )
    cut, moved = cut_end(ids, ends, 22)
    assert cut.tolist() == encoded.ids[:22] and moved.tolist() == [9, 9, 20, 22, 22, 22]
