"""How many rows each template gets, counted as a training set draws them."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from core.base.row import Row
from core.examples.build import examine_training_set
from core.examples.counts import TemplateCounts, count_templates
from core.examples.draw_template import Mixture
from core.examples.run_mixture import bound_mixture
from core.runs.spec import DataSection, MixturePart, ModelSection, PromptSection, RunSpec
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.tokenizer import TextTokenizer
from tests.support.listed_rows import ListedRows
from tests.support.tiny_tokenizer import make_tokenizer_folder

VANILLA, REASONING = TEXT_TEMPLATES["alpaca"], TEXT_TEMPLATES["alpaca-reasoning"]


def some_rows(count: int) -> list[Row]:
    """Every tenth row is held out, every seventh has no reasoning."""
    return [
        Row(
            f"question {n}",
            reasoning=" \n" if n % 7 == 0 else f"because {n}",
            output=str(n),
            sysflag="test" if n % 10 == 9 else "train",
            index=n,
        )
        for n in range(count)
    ]


def test_counts_are_those_of_the_training_set(tmp_path: Path) -> None:
    tokenizer = TextTokenizer.from_folder(make_tokenizer_folder(tmp_path / "model"))
    for parts in (PromptSection().mixture, (MixturePart(template="alpaca-reasoning"),)):
        prompt = PromptSection(mixture=parts)
        spec = RunSpec(data=DataSection(source="rows"), model=ModelSection(name="tiny"), prompt=prompt)
        for train_flag in ("train", ""):
            flagged = replace(spec, data=replace(spec.data, train_flag=train_flag))
            source = ListedRows(some_rows(300), batch=50)
            training_set, _, builder = examine_training_set(source, flagged, tokenizer)
            assert training_set is not None
            mixture = bound_mixture(prompt, "rows", tokenizer)
            counts = count_templates(source, mixture, train_flag)
            assert counts == builder.template_counts(training_set.template_indices)
            assert counts is not None and counts.total + counts.left_out == (270 if train_flag else 300)


def test_a_source_without_flags_is_counted_whole() -> None:
    source = ListedRows(some_rows(100), ("instruction", "output"))
    counts = count_templates(source, Mixture([(VANILLA, 0.5), (REASONING, 0.5)], 1), "train")
    assert counts is not None and counts.total == 100 and counts.without_reasoning == 15


def test_rows_without_reasoning_are_left_out_where_every_template_needs_one() -> None:
    counts = count_templates(ListedRows(some_rows(100), batch=50), Mixture([(REASONING, 1.0)], 1), "train")
    assert counts == TemplateCounts({"alpaca-reasoning": 76}, 0, 14)


def test_progress_is_told_and_a_cancelled_count_ends() -> None:
    source, told = ListedRows(some_rows(200), batch=50), []
    mixture = Mixture([(VANILLA, 1.0)], 1)
    assert count_templates(source, mixture, "", told.append) is not None
    assert told == [50, 100, 150, 200]
    source.batches_read = 0
    assert count_templates(source, mixture, "", told.append, lambda: source.batches_read == 2) is None
    assert source.batches_read == 2


def test_counts_in_words() -> None:
    words = TemplateCounts({"alpaca": 150, "alpaca-reasoning": 850}).words()
    assert words == "alpaca 150 (15.0%), alpaca-reasoning 850 (85.0%)"


@pytest.mark.parametrize("rows", [[], some_rows(1)])
def test_few_rows_are_counted_too(rows: list[Row]) -> None:
    counts = count_templates(ListedRows(rows, batch=50), Mixture([(VANILLA, 1.0)], 1), "train")
    assert counts is not None and counts.total == len(rows)
