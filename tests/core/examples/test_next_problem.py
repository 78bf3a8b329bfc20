"""The search for the next row that training does not take as it is, without a screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from core.base.row import Row
from core.examples import next_problem
from core.examples.draw_template import Mixture
from core.examples.example import AnyTemplate, ExampleMaker
from core.examples.next_problem import ProblemFinder, find_next_problem
from core.examples.trained_rows import TrainedRows
from core.runs.spec import PromptSection
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.tokenizer import TextTokenizer
from tests.support.tiny_tokenizer import make_tokenizer_folder

TRAINED = TrainedRows("train")


class ListedSelection:
    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.pages = 0

    def __len__(self) -> int:
        return len(self.rows)

    def page(self, offset: int, limit: int) -> list[Row]:
        self.pages += 1
        return self.rows[offset : offset + limit]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return TextTokenizer.from_folder(make_tokenizer_folder(tmp_path_factory.mktemp("model")))


def finder(
    tokenizer: TextTokenizer | None, prompt: PromptSection | None = None, names: tuple[str, ...] = ("alpaca-reasoning",)
) -> ProblemFinder:
    mixture: Mixture[AnyTemplate] = Mixture([(TEXT_TEMPLATES[name], 1.0) for name in names], 1)
    return ProblemFinder(ExampleMaker(mixture, prompt or PromptSection(), tokenizer), tokenizer)


def some_rows(count: int, **problems: Row) -> list[Row]:
    """Rows without a problem, but for those named `at_<index>`."""
    rows = [Row(f"What is {n}?", "", f"It is {n}.", str(n), "English", "train", index=1000 + n) for n in range(count)]
    for name, row in problems.items():
        position = int(name.removeprefix("at_"))
        rows[position] = replace(row, index=1000 + position, sysflag=row.sysflag or "train")
    return rows


MARKER = Row("q", "", "x\n### Response:\ny", "a")
LONG = Row("q", "", "long " * 3000, "a")
HELD_OUT = replace(MARKER, sysflag="test")


def test_problems_are_found_forwards_and_backwards(tokenizer: TextTokenizer) -> None:
    selection = ListedSelection(some_rows(700, at_20=MARKER, at_300=HELD_OUT, at_600=LONG))
    searched = finder(tokenizer)
    assert find_next_problem(selection, 0, 1, searched, TRAINED) == 1020
    assert find_next_problem(selection, 20, 1, searched, TRAINED) == 1600  # a row that is not trained has no problem
    assert find_next_problem(selection, 600, 1, searched, TRAINED) is None
    assert find_next_problem(selection, 600, -1, searched, TRAINED) == 1020
    assert find_next_problem(selection, 20, -1, searched, TRAINED) is None
    assert find_next_problem(selection, 20, 1, searched, TrainedRows("")) == 1300


def test_every_verdict_but_trained_is_a_problem(tokenizer: TextTokenizer) -> None:
    bare, half = Row("q", "", " ", "a"), Row("half \ud800", "", "r", "a")
    rows = some_rows(5, at_1=LONG, at_2=bare, at_3=half)
    assert finder(tokenizer).problems(rows) == [False, True, True, True, False]
    cut = PromptSection(too_long="cut_reasoning", max_seq_length=300)
    assert finder(tokenizer, cut).problems(rows) == [False, True, True, True, False]
    with_plain = finder(tokenizer, names=("alpaca", "alpaca-reasoning"))
    assert with_plain.problems([bare, replace(bare, output=" ")]) == [False, True]


def test_without_a_tokenizer_the_texts_alone_are_looked_at() -> None:
    assert finder(None).problems(some_rows(3, at_1=MARKER, at_2=LONG)) == [False, True, False]


def test_many_problems_in_one_batch_are_all_found(tokenizer: TextTokenizer) -> None:
    rows = [MARKER if n % 2 else row for n, row in enumerate(some_rows(120))]
    assert finder(tokenizer).problems(rows) == [bool(n % 2) for n in range(120)]


def test_progress_is_told_and_a_cancelled_search_ends(
    tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(next_problem, "BATCH", 10)
    selection, told = ListedSelection(some_rows(35)), []
    assert find_next_problem(selection, 0, 1, finder(tokenizer), TRAINED, told.append) is None
    assert told == [1, 11, 21, 31]
    told.clear()
    assert find_next_problem(selection, 34, -1, finder(tokenizer), TRAINED, told.append) is None
    assert told == [24, 14, 4, 0]
    selection.pages = 0
    assert (
        find_next_problem(selection, 0, 1, finder(tokenizer), TRAINED, cancelled=lambda: selection.pages == 2) is None
    )
    assert selection.pages == 2


def test_an_empty_selection_has_no_problem(tmp_path: Path) -> None:
    assert find_next_problem(ListedSelection([]), 0, 1, finder(None), TRAINED) is None
    assert find_next_problem(ListedSelection([]), 0, -1, finder(None), TRAINED) is None
