from __future__ import annotations

import math

import pytest

from core.base.errors import UsageError
from core.base.row import Row
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.loss_mask import IGNORED_LABEL, LossOn, SectionWeights, is_weighted, slot_weights
from core.tokens.tokenizer import TextTokenizer
from tests.support.encoded_rows import encode_row

KINDS = ["byte_level", "merging", "sentencepiece"]
ROW = Row("Add.", "3 4", "Three and four make seven.", "7")


def trained(tokenizer: TextTokenizer, loss_on: LossOn) -> list[str]:
    """The kinds of span in which every token is trained; a span in which only some are is an error."""
    encoded = encode_row(ROW, TEXT_TEMPLATES["alpaca-reasoning"], tokenizer, loss_on=loss_on)
    found = []
    for span in encoded.spans:
        labels = encoded.labels[span.start : span.end]
        assert labels in ([IGNORED_LABEL] * len(labels), encoded.ids[span.start : span.end])
        found += [span.kind] if labels and labels[0] != IGNORED_LABEL else []
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_each_choice_trains_its_sections(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    assert trained(tokenizer, "all") == ["prompt", "reasoning", "marker", "response", "eos"]
    assert trained(tokenizer, "completion") == ["reasoning", "marker", "response", "eos"]
    assert trained(tokenizer, "response") == ["response", "eos"]
    assert trained(tokenizer, SectionWeights(reasoning=0.0)) == ["response", "eos"]
    assert trained(tokenizer, SectionWeights(response=0.0)) == ["reasoning", "marker", "eos"]
    assert trained(tokenizer, SectionWeights(prompt=0.1, reasoning=0, response=0)) == ["prompt", "eos"]


def test_weights_follow_the_spans(byte_level: TextTokenizer) -> None:
    loss = SectionWeights(prompt=0.0, reasoning=0.5, response=2.0, end=3.0)
    encoded = encode_row(ROW, TEXT_TEMPLATES["alpaca-reasoning"], byte_level, loss_on=loss)
    assert encoded.weights is not None
    wanted = {"prompt": 0.0, "reasoning": 0.5, "marker": 0.5, "response": 2.0, "eos": 3.0}
    assert encoded.weights == [wanted[span.kind] for span in encoded.spans for _ in range(span.start, span.end)]
    unweighted = encode_row(ROW, TEXT_TEMPLATES["alpaca-reasoning"], byte_level, loss_on=SectionWeights())
    assert unweighted.weights is None  # the labels say it all


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
