"""Whether a row begins with the ids of its prompt alone, found by the end of the prompt, is what encoding it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.tokens.encode import encode_batch, encode_prompt
from core.tokens.segments import MARKER, OPENING, PROMPT, PROMPT_DIFFERS, Segment
from core.tokens.tokenizer import TextTokenizer
from tests.core.conftest import byte_level_json, write_folder
from tests.support.chat_models import Chat, write_chat


@pytest.fixture(scope="module")
def merging(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    """Line ends merge with what stands before them, and with each other."""
    folder = write_folder(tmp_path_factory.mktemp("m"), byte_level_json(merge_newlines=True), "<|im_end|>")
    return TextTokenizer.from_folder(folder)


texts = st.lists(st.sampled_from(["a", "It", " ", "\n", "\n\n", ".", "### Response:\n", "投", "3"]), max_size=5).map(
    "".join
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(texts, st.sampled_from(["\n\n### Response:\n", "", "A:", "x\n\n"]), texts), min_size=1, max_size=5
    )
)
def test_the_end_of_a_prompt_decides_like_the_whole(merging: TextTokenizer, rows: list[tuple[str, str, str]]) -> None:
    for special in (False, True):
        segments = [
            [
                Segment("prompt", "<|end|>" if special else "", special),
                Segment("prompt", question),
                Segment("prompt", tail, special),
                Segment("response", answer),
            ]
            for question, tail, answer in rows
        ]
        batch = encode_batch(segments, merging, range(len(rows)))
        for index, row in enumerate(segments):
            alone = encode_prompt(row[:3], merging)
            ids = batch.ids[batch.starts[index] : batch.starts[index + 1]].tolist()
            assert bool(batch.present[index] & PROMPT_DIFFERS) == (ids[: len(alone)] != alone)


def test_a_token_across_the_end_of_the_prompt_is_told(merging: TextTokenizer) -> None:
    def differs(answer: str) -> bool:
        row = [Segment("prompt", "Say:\n"), Segment("response", answer)]
        return bool(encode_batch([row], merging, [0]).present[0] & PROMPT_DIFFERS)

    assert not differs("It") and differs("\n\nIt")


def test_a_token_that_takes_the_white_space_after_it_stays_in_the_prompt(tmp_path: Path) -> None:
    """As the role tokens of Phi-3 do: the answer's first white space must not make the role token trained."""
    marks = ["<|user|>", "<|assistant|>", "<|end|>"]
    folder = write_chat(tmp_path, Chat("", marks, "<|end|>", rstrip=tuple(marks)))
    tokenizer = TextTokenizer.from_folder(folder)
    for reasoning in ([], [Segment("marker", "<think>"), Segment("reasoning", "r")]):
        for question, answer in (("Hi", "\n\nIt is 56."), ("<|end|> Hi", "\n It")):
            segments = [
                Segment("prompt", "<|user|>\n", True),
                Segment("prompt", question),
                Segment("prompt", "<|end|>\n<|assistant|>\n", True),
                *reasoning,
                Segment("response", answer),
            ]
            batch = encode_batch([segments], tokenizer, [0])
            ids, ends = batch.ids.tolist(), batch.ends[0].tolist()
            assert not batch.present[0] & PROMPT_DIFFERS
            assert ids[: ends[PROMPT]] == encode_prompt(segments[:3], tokenizer)
            assert ends[OPENING] >= ends[PROMPT] and ends[MARKER] >= ends[PROMPT]
            role = json.loads(tokenizer.raw.to_str())["added_tokens"][1]["id"]
            assert role not in ids[ends[PROMPT] :]
