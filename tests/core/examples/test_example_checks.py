from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from core.base.row import Row
from core.examples.encoded_store import hash_text
from core.examples.example_checks import ExampleChecker
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.encode import EncodedBatch, encode_batch
from core.tokens.loss_mask import SectionWeights, slot_weights
from core.tokens.segments import EOS, RESPONSE, Segment
from core.tokens.tokenizer import TextTokenizer
from core.tokens.truncation import cut_end, cut_reasoning

KINDS = ["byte_level", "merging", "sentencepiece"]
REASONING = TEXT_TEMPLATES["alpaca-reasoning"]
ROWS = [
    Row("Add.", "3 4", "Three and four.\n\nSeven.", "7", index=10),
    Row("So?", "", "\n\nまず、地図を 🗻 見る。 ", "地図", index=11),
    Row("Because?", "", "Because.", "Because. Because.", index=12),  # said again by the answer
    Row("Begin", "", "task", "x", index=13),  # a word of the template's own
    Row("Empty", "", "  ", "x", index=14),
]
WORDS_OF_THE_HEADING = [
    Row("Q", "", word, "x", index=20 + n) for n, word in enumerate(("e", "Response", "### ", "n", "s:"))
]


def encoded(rows: list[Row], tokenizer: TextTokenizer) -> EncodedBatch:
    return encode_batch([REASONING.segments(row) for row in rows], tokenizer, [row.index for row in rows])


def check(
    tokenizer: TextTokenizer,
    batch: EncodedBatch,
    rows: list[Row],
    loss: Any = "completion",
    cut: list[bool] | None = None,
) -> ExampleChecker:
    checker = ExampleChecker(tokenizer, slot_weights(loss))
    checker.check(rows, batch.ids, batch.ends, batch.present, np.array(cut or [False] * len(rows)))
    return checker


@pytest.mark.parametrize("kind", KINDS)
def test_good_rows_pass(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    report = check(tokenizer, encoded(ROWS, tokenizer), ROWS).report
    assert report.faults() == [] and (report.rows, report.reasonings) == (5, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_short_reasoning_may_be_a_word_of_the_heading_after_it(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    rows = [*WORDS_OF_THE_HEADING, Row("Q", "", tokenizer.eos, "x", index=30)]
    assert check(tokenizer, encoded(rows, tokenizer), rows).report.faults() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_reasoning_that_is_dropped_cut_or_elsewhere_is_found(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    row = ROWS[0]
    planted = {
        "dropped": Row(row.instruction, row.input, "", row.output),
        "half of it": Row(row.instruction, row.input, row.reasoning[:10], row.output),
        "in the prompt": Row(row.reasoning, row.input, "no", row.output),
    }
    for changed in planted.values():
        report = check(tokenizer, encoded([changed], tokenizer), [row]).report
        assert (
            report.reasoning_missing.rows == [10]
            and "the reasoning is missing" in report.faults()[0]
            and "10" in report.faults()[0]
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_reasoning_that_stands_twice_is_found(kind: str, request: pytest.FixtureRequest) -> None:
    tokenizer, row = (
        request.getfixturevalue(kind),
        Row("q", "", "It is seven because three and four are added, and nothing else is there to add.", "7", index=3),
    )
    segments = REASONING.segments(row)
    twice = [*segments[:2], Segment("marker", f"\n{row.reasoning}{segments[2].text}"), segments[3]]
    report = check(tokenizer, encode_batch([twice], tokenizer, [3]), [row]).report
    assert report.reasoning_repeated.rows == [3] and "more than once" in report.faults()[0]


def test_an_end_that_is_missing_untrained_or_another_token_is_found(byte_level: TextTokenizer) -> None:
    batch, row = encoded(ROWS[:2], byte_level), ROWS[:2]
    ids = batch.ids.copy()
    ids[batch.starts[1] - 1] = 5
    assert check(
        byte_level, EncodedBatch(ids, batch.starts, batch.ends, batch.present, {}), row
    ).report.no_end.rows == [10]
    short = [cut_end(batch.ids[batch.starts[n] : batch.starts[n + 1]], batch.ends[n], 60) for n in (0, 1)]
    cut = EncodedBatch(
        np.concatenate([ids for ids, _ in short]), None, np.stack([ends for _, ends in short]), batch.present, {}
    )
    assert check(byte_level, cut, row).report.no_end.count == 2
    assert check(byte_level, cut, row, cut=[True, True]).report.no_end.count == 0  # chosen, and counted elsewhere
    assert check(byte_level, cut, row, "response", [True, True]).report.nothing_trained.rows == [10, 11]
    untrained = ExampleChecker(byte_level, (*slot_weights("completion")[:5], 0.0))
    untrained.check(row, batch.ids, batch.ends, batch.present, np.zeros(2, bool))
    assert untrained.report.no_end.count == 2
    assert check(byte_level, batch, row, SectionWeights(reasoning=0.0)).report.faults() == []
    assert (batch.ends[:, EOS] - batch.ends[:, RESPONSE]).tolist() == [1, 1]


def test_a_reasoning_that_was_cut_on_purpose_passes_and_another_in_its_place_does_not(
    byte_level: TextTokenizer,
) -> None:
    row = Row("q", "", "one … two three four five six seven eight nine ten eleven twelve", "7", index=1)
    batch = encoded([row], byte_level)
    made = cut_reasoning(batch.ids, batch.ends[0], len(batch.ids) - 9, byte_level)
    assert made is not None
    cut = EncodedBatch(made[0], None, made[1][None], batch.present, {})
    assert check(byte_level, cut, [row], cut=[True]).report.faults() == []
    assert check(byte_level, cut, [row], cut=[False]).report.reasoning_missing.rows == [1]
    other = Row("q", "", "zzz " * 30, "7", index=2)
    assert check(byte_level, cut, [other], cut=[True]).report.reasoning_missing.rows == [2]


def told(rows: list[Row], templates: int) -> tuple[Any, Any, Any]:
    names = ["alpaca-reasoning", "alpaca"][:templates]
    texts = [
        [hash_text("".join(one.text for one in TEXT_TEMPLATES[name].segments(row))) for name in names] for row in rows
    ]
    identities = np.frombuffer(bytes.fromhex("".join(row.identity() for row in rows)), "<u8").reshape(-1, 2)
    return np.array([row.index for row in rows]), identities, np.array(texts, np.uint64).reshape(len(rows), -1)


def test_a_held_out_row_in_the_training_text_is_found(byte_level: TextTokenizer) -> None:
    held = [
        Row("other", "", "r", "o", index=20),
        Row("Add.", "3 4", "Three and four.\n\nSeven.", "7", sysflag="test", index=21),  # the row itself
        Row("Add.", "3 4", "Three and four.\n\nSeven.", "8", index=22),
    ]
    checker = ExampleChecker(byte_level, slot_weights("all"))
    checker.compare_held_out(told(ROWS, 1), told(held, 2))
    assert [(leak.held_out, leak.trained, leak.whole) for leak in checker.report.leaked] == [(21, 10, True)]
    assert "held-out rows are in the training text: 1, 21 as 10" in checker.report.faults()
    vanilla = ExampleChecker(byte_level, slot_weights("all"))
    trained = [Row("Add.", "", "one reasoning", "7", index=1)]
    numbers, identities, _ = told(trained, 1)
    as_vanilla = np.array(
        [[hash_text("".join(one.text for one in TEXT_TEMPLATES["alpaca"].segments(trained[0])))]], np.uint64
    )
    vanilla.compare_held_out(
        (numbers, identities, as_vanilla), told([Row("Add.", "", "another reasoning", "7", index=2)], 2)
    )
    assert [(leak.held_out, leak.trained, leak.whole) for leak in vanilla.report.leaked] == [
        (2, 1, False)
    ]  # trained without its reasoning
    none = ExampleChecker(byte_level, slot_weights("all"))
    none.compare_held_out(told(ROWS, 1), told(held[:1], 2))
    assert none.report.leaks == 0


def framed(before: str, row: Row, *, with_reasoning: bool) -> list[Segment]:
    reasoning = [Segment("reasoning", row.reasoning), Segment("marker", "</think>")] if with_reasoning else []
    return [Segment("prompt", f"Q: {row.instruction}\n{before}"), *reasoning, Segment("response", row.output)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("before", "with_reasoning", "fault"),
    [
        ("<think>\n", True, ""),
        ("<think>\n<think>\n", True, "a thought is opened twice"),
        ("<think></think><think>", True, "a thought is opened twice"),
        ("[THINK]<think>", True, "a thought is opened twice"),
        ("<think>\n", False, "the answer is inside an opened thought"),
        ("<think>\n\n</think>\n\n", False, ""),
        ("A <think> B: ", False, ""),
    ],
)
def test_an_opener_that_comes_twice_or_stays_open_is_a_fault(
    before: str, with_reasoning: bool, fault: str, kind: str, request: pytest.FixtureRequest
) -> None:
    tokenizer = request.getfixturevalue(kind)
    row = Row("What is it?", "", "Surely it is the one of these.", "It is 56.", index=4)
    batch = encode_batch([framed(before, row, with_reasoning=with_reasoning)], tokenizer, [4])
    faults = check(tokenizer, batch, [row]).report.faults()
    assert faults == ([] if not fault else [f"{fault}: 1 row (4)"])


def test_an_answer_that_the_tokenizer_changes_is_reported_and_trained(sentencepiece: TextTokenizer) -> None:
    normalising = TextTokenizer(
        {**json.loads(sentencepiece.raw.to_str()), "normalizer": {"type": "NFKC"}},
        sentencepiece.eos,
        frozenset(),
        "here",
    )
    rows = [Row("Q", "", "So it is, as they say.", "Full width: ７", index=1), Row("Q", "", "So.", "7", index=2)]
    report = check(normalising, encoded(rows, normalising), rows).report
    assert report.faults() == [] and (report.response_changed.count, report.response_changed.rows) == (1, [1])
    assert report.warnings() == ["the answer has characters that the tokenizer changes: 1 row (1)"]
