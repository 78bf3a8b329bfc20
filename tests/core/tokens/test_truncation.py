"""A row that is cut keeps what must stay, and no character is cut in two."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.row import Row
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.tokenizer import TextTokenizer
from core.tokens.truncation import ELLIPSIS, cut_end, cut_reasoning
from tests.support.encoded_rows import encode_row

KINDS = ["byte_level", "merging", "sentencepiece"]
ROW = Row("Add.", "3 4", "Three and four make seven.", "7")

words = st.text(st.sampled_from("ab .。\n地🗻é…"), max_size=60)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None)
@given(reasoning=words, output=st.text("ab地🗻\n", max_size=8), less=st.integers(0, 70))
def test_a_cut_keeps_prompt_answer_and_end(
    kind: str, reasoning: str, output: str, less: int, request: pytest.FixtureRequest
) -> None:
    tokenizer: TextTokenizer = request.getfixturevalue(kind)
    encoded = encode_row(Row("q", "i", reasoning, output), TEXT_TEMPLATES["alpaca-reasoning"], tokenizer)
    spans = {span.kind: span for span in encoded.spans}
    ids = np.array(encoded.ids, np.int32)
    ends = np.array(
        [spans[kind].end for kind in ("prompt", "prompt", "reasoning", "marker", "response", "eos")], np.int32
    )
    limit = len(ids) - less
    shorter = cut_reasoning(ids, ends, limit, tokenizer)
    gap = tokenizer.encode(ELLIPSIS)[0]
    if shorter is None:  # at most a character's bytes on either side are lost
        assert spans["reasoning"].end - spans["reasoning"].start < less + len(gap) + 2 + 8
        return
    cut, moved = shorter
    assert len(cut) <= limit and moved[-1] == len(cut)
    assert cut[: moved[1]].tolist() == encoded.ids[: spans["prompt"].end]
    assert cut[moved[2] :].tolist() == encoded.ids[spans["reasoning"].end :]
    assert (np.diff(moved)[2:] == np.diff(ends)[2:]).all()
    kept, whole = cut[moved[1] : moved[2]].tolist(), encoded.ids[spans["reasoning"].start : spans["reasoning"].end]

    def is_gap(at: int) -> bool:
        tail = len(kept) - at - len(gap)
        around = kept[:at] == whole[:at] and whole[-tail:] == kept[at + len(gap) :]
        return around and kept[at : at + len(gap)] == gap

    at = next(at for at in range(1, len(kept)) if is_gap(at))
    assert at >= 1 and len(kept) - at - len(gap) >= 1
    if kind != "sentencepiece":
        said = [tokenizer.decode(part) for part in (kept[:at], kept[at + len(gap) :])]
        assert "\ufffd" not in said[0] + said[1]  # no character was cut in two
        assert ELLIPSIS in tokenizer.decode(kept)


def test_a_cut_end_is_the_beginning(byte_level: TextTokenizer) -> None:
    encoded = encode_row(ROW, TEXT_TEMPLATES["alpaca-reasoning"], byte_level)
    ids = np.array(encoded.ids, np.int32)
    ends = np.array([9, 9, 20, 25, len(encoded.ids) - 1, len(encoded.ids)], np.int32)
    cut, moved = cut_end(ids, ends, 22)
    assert cut.tolist() == encoded.ids[:22] and moved.tolist() == [9, 9, 20, 22, 22, 22]
