"""Which rows are trained on: test rows never, long ones never cut, and what was left out is counted and named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.data.source import open_data
from core.errors import RunError
from core.prompts.encoding import IGNORED
from core.prompts.tokenizer import TextTokenizer
from core.row import Row
from core.training.dataset import prepare
from tests.support.training_process import ROWS, TEST_WORD, make_spec


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(model_folder)


class Rows:
    """A source of rows that filters as it is told to."""

    def __init__(self, rows: list[Row], obeys: bool = True) -> None:
        self.columns: tuple[str, ...] = ("instruction", "output", "sysflag")
        self._rows, self._obeys = rows, obeys

    def batches(self, flag: str = "") -> Iterator[list[Row]]:
        yield [row for row in self._rows if not self._obeys or not flag or row.sysflag == flag]


def test_test_rows_are_not_trained_on(rows_file: Path, tokenizer: TextTokenizer) -> None:
    spec = make_spec(rows_file, "unused")
    prepared = prepare(open_data(str(rows_file)), spec, tokenizer)
    texts = [tokenizer.decode(prepared.ids(row).tolist()) for row in range(len(prepared))]
    assert len(texts) == ROWS and not any(TEST_WORD in text for text in texts)
    everything = prepare(open_data(str(rows_file)), replace(spec, data=replace(spec.data, train_flag="")), tokenizer)
    assert sum(TEST_WORD in tokenizer.decode(everything.ids(row).tolist()) for row in range(len(everything))) == ROWS


def test_labels_cover_the_completion_and_its_end_and_nothing_else(rows_file: Path, tokenizer: TextTokenizer) -> None:
    prepared = prepare(open_data(str(rows_file)), make_spec(rows_file, "unused"), tokenizer)
    for row in range(len(prepared)):
        ids, labels = prepared.ids(row), prepared.labels(row).tolist()
        learnt = [label for label in labels if label != IGNORED]
        assert ids[-1] == labels[-1] == tokenizer.eos_id and ids.tolist()[-len(learnt) :] == learnt
        assert re.fullmatch(r"(One more than \d\.\n\n### Response:\n)?\d", tokenizer.decode(learnt[:-1]))
    assert prepared.trained_tokens == prepared.facts()["trained_tokens_per_epoch"]


def test_long_and_unreadable_rows_are_left_out_and_named(tokenizer: TextTokenizer) -> None:
    rows = [Row("short", output="a", index=0), Row("long " * 500, output="b", index=1), Row("half \ud800 a pair", output="c", index=2)]
    spec = make_spec("rows", "unused")
    tight = replace(spec, data=replace(spec.data, train_flag=""), prompt=replace(spec.prompt, max_seq_length=1000))
    facts = prepare(Rows(rows), tight, tokenizer).facts()
    assert (facts["rows_trained"], facts["rows_left_out_too_long"], facts["rows_left_out_unreadable"]) == (1, 1, 1)
    assert facts["rows_too_long"] == [1] and facts["rows_empty_reasoning"] == 1
    assert facts["rows_unreadable"] == [{"row": 2, "why": "the text holds half of a surrogate pair, which is no character"}]
    with pytest.raises(RunError, match="longer than 1000 tokens") as caught:
        prepare(Rows(rows[1:2]), tight, tokenizer)
    assert "max_seq_length" in caught.value.do


def test_a_source_without_flags_is_trained_on_whole(tokenizer: TextTokenizer) -> None:
    source = Rows([Row("a", output="b"), Row("c", output="d")])
    source.columns = ("instruction", "output")
    assert len(prepare(source, make_spec("rows", "unused"), tokenizer)) == 2
