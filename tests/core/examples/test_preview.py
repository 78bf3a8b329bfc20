"""The preview is what training does: the same ids, the same fate, and what is the matter said in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.base.errors import UsageError
from core.base.row import Row
from core.examples.build import examine_training_set
from core.examples.draw_template import Mixture
from core.examples.example import AnyTemplate, ExampleMaker, Verdict
from core.examples.next_problem import ProblemFinder
from core.examples.preview import RowPreviewer
from core.examples.prompt_preview import inference_prompts
from core.runs.spec import DataSection, ModelSection, PromptSection, RunSpec, mixture_of_two
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template
from core.tokens.encode import encode_prompt
from core.tokens.loss_mask import SectionWeights
from core.tokens.tokenizer import TextTokenizer
from tests.support.encoded_rows import encode_row
from tests.support.listed_rows import ListedRows
from tests.support.tiny_tokenizer import END, make_tokenizer_folder

ROW = Row("What is 3 plus one?", "", "3 + 1 = 4.", "4", "English", "train", index=0)
LONG = Row("What is 3 plus one?", "", "Three and one are four. " * 40, "4", "English", "train", index=1)


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return TextTokenizer.from_folder(make_tokenizer_folder(tmp_path_factory.mktemp("tokenizer")))


def maker(
    tokenizer: TextTokenizer, template: AnyTemplate, prompt: PromptSection | None = None
) -> ExampleMaker[AnyTemplate]:
    return ExampleMaker(Mixture([(template, 1.0)], 1), prompt or PromptSection(), tokenizer)


def problems(
    tokenizer: TextTokenizer, template: AnyTemplate, rows: list[Row], prompt: PromptSection | None = None
) -> list[bool]:
    """Which rows the search for problems finds, all of them in this template."""
    return ProblemFinder(maker(tokenizer, template, prompt), tokenizer).problems(rows, 0)


@pytest.mark.parametrize("name", ["alpaca", "alpaca-reasoning", "chat"])
@pytest.mark.parametrize(
    "prompt", [PromptSection(), PromptSection(loss_on="all"), PromptSection(loss_on=SectionWeights(reasoning=0.5))]
)
def test_ids_and_labels_are_the_encoders(tokenizer: TextTokenizer, name: str, prompt: PromptSection) -> None:
    template = bind_chat_template(get_template(name), tokenizer)
    encoded = encode_row(ROW, template, tokenizer, loss_on=prompt.loss_on)
    preview = RowPreviewer(tokenizer).preview(ROW, template, prompt)
    assert preview.ids == encoded.ids
    assert "".join(text for _, text in preview.texts) == encoded.text
    assert sum(trained for _, trained in preview.section_counts()) == sum(label != -100 for label in encoded.labels)
    assert sum(count for count, _ in preview.section_counts()) == len(encoded.ids)


@pytest.mark.parametrize("too_long", ["drop", "cut_reasoning", "cut_end"])
def test_a_long_row_gets_the_verdict_that_training_gives_it(tokenizer: TextTokenizer, too_long: str) -> None:
    spec = RunSpec(
        data=DataSection(source="rows"),
        model=ModelSection(name="tiny"),
        prompt=PromptSection(mixture=mixture_of_two(0.0), max_seq_length=400, too_long=too_long),  # type: ignore[arg-type]
    )
    prepared, _, builder = examine_training_set(
        ListedRows([ROW, LONG], ("instruction", "reasoning", "output")), spec, tokenizer
    )
    preview = RowPreviewer(tokenizer).preview(LONG, get_template("alpaca-reasoning"), spec.prompt)
    assert preview.full_length > 400 and not preview.fits and preview.why
    assert prepared is not None
    if too_long == "drop":
        assert preview.outcome == "left out" and builder.tallies[Verdict.TOO_LONG].rows == [1] and len(prepared) == 1
    else:
        assert preview.outcome == "cut" and preview.ids == prepared.ids(1).tolist() and len(preview.ids) <= 400
        assert sum(trained for _, trained in preview.section_counts()) == int((prepared.labels(1) != -100).sum())
        texts = "".join(text for _, text in preview.texts)
        assert texts == tokenizer.decode([id for id in preview.ids if id != tokenizer.eos_id])
        assert ("…" in texts and texts.endswith("\n4")) if too_long == "cut_reasoning" else not texts.endswith("4")


def test_no_trained_token_leaves_a_row_out(tokenizer: TextTokenizer) -> None:
    preview = RowPreviewer(tokenizer).preview(
        LONG,
        get_template("alpaca-reasoning"),
        PromptSection(loss_on="response", too_long="cut_end", max_seq_length=300),
    )
    assert preview.outcome == "left out" and "no token" in preview.why


def test_a_row_that_is_no_unicode_is_left_out_and_costs_no_other(tokenizer: TextTokenizer) -> None:
    bad = Row("half \ud800", "", "x", "y", index=5)
    previewer, template = RowPreviewer(tokenizer), get_template("alpaca-reasoning")
    both = [previewer.preview(row, template, PromptSection()) for row in (bad, ROW)]
    assert both[0].outcome == "left out" and "surrogate" in both[0].why and not both[0].ids
    assert both[1].fits and both[1].ids
    examples = maker(tokenizer, template).make([bad, ROW])
    assert examples.verdicts.tolist() == [Verdict.UNREADABLE, Verdict.TRAINED]
    assert examples.kept_ids().tolist() == both[1].ids


def test_without_a_tokenizer_there_is_the_text_alone() -> None:
    preview = RowPreviewer(None).preview(ROW, get_template("alpaca-reasoning"), PromptSection())
    assert not preview.ids and preview.texts[0][1].startswith("Below is") and preview.texts[-1][1] == "4"
    with pytest.raises(UsageError):
        RowPreviewer(None).preview(ROW, get_template("chat"), PromptSection())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row("a", "", "b\n### Response:\nc", "d"), "the reasoning holds the marker “### Response:”"),
        (Row("a", "", "b", "c\n### Instruction:\nd"), "the output holds the marker “### Instruction:”"),
        (Row("a\n### Response:\nb", "", "b", "c"), "the instruction holds the marker"),
        (Row("a", "", " ", "c"), "the row has no reasoning"),
        (Row("a", "", "b", ""), "the output is empty"),
    ],
)
def test_what_is_the_matter_with_a_row_is_said(tokenizer: TextTokenizer, row: Row, words: str) -> None:
    template = get_template("alpaca-reasoning")
    assert any(words in warning for warning in RowPreviewer(tokenizer).preview(row, template, PromptSection()).warnings)
    assert problems(tokenizer, template, [ROW, row]) == [False, True]


def test_a_marker_in_the_middle_of_a_line_is_text(tokenizer: TextTokenizer) -> None:
    row = Row("say ### Response: please", "", "I say `### Response:` then", "### is a heading")
    assert RowPreviewer(tokenizer).preview(row, get_template("alpaca-reasoning"), PromptSection()).warnings == []


def test_a_chat_template_without_a_place_for_reasoning_says_so(tokenizer: TextTokenizer) -> None:
    preview = RowPreviewer(tokenizer).preview(ROW, bind_chat_template(get_template("chat"), tokenizer), PromptSection())
    assert any("no place for the reasoning" in warning for warning in preview.warnings)


def test_the_three_prompts(tokenizer: TextTokenizer) -> None:
    templates = [get_template("alpaca-reasoning"), get_template("alpaca")]
    written, without, answer = inference_prompts(ROW, templates, PromptSection(), tokenizer)
    assert written.text.endswith("### Reasoning:\n") and written.template == "alpaca-reasoning"
    assert without.text.endswith("### Response:\n") and "Reasoning" not in without.text and without.template == "alpaca"
    assert answer.text.endswith("### Reasoning:\n3 + 1 = 4.\n\n### Response:\n")
    assert written.tokens == len(encode_prompt(written.text, tokenizer))
    assert (
        inference_prompts(ROW, templates[1:], PromptSection(), tokenizer)[0].why == "no template here has a reasoning"
    )


@given(
    st.lists(
        st.builds(Row, st.text(max_size=30), st.text(max_size=9), st.text(max_size=60), st.text(max_size=20)),
        max_size=5,
    ),
    st.integers(90, 250),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_search_finds_whatever_a_preview_shows(tokenizer: TextTokenizer, rows: list[Row], limit: int) -> None:
    template, prompt = get_template("alpaca-reasoning"), PromptSection(max_seq_length=limit)
    previewer = RowPreviewer(tokenizer)
    for row, is_problem in zip(rows, problems(tokenizer, template, rows, prompt), strict=True):
        preview = previewer.preview(row, template, prompt)
        own = [warning for warning in preview.warnings if "reaches over" not in warning]
        assert is_problem or (preview.fits and not own)
        assert not is_problem or not preview.fits or own  # nothing is found that the preview does not show


def test_the_end_of_sequence_spelt_in_a_row_stays_letters(tokenizer: TextTokenizer) -> None:
    preview = RowPreviewer(tokenizer).preview(
        Row("a", "", "b", f"c {END} d"), get_template("alpaca-reasoning"), PromptSection()
    )
    assert preview.ids.count(tokenizer.eos_id) == 1 and preview.fits


def test_a_folder_with_a_tokenizer_alone_will_do(tmp_path: Path) -> None:
    from core.models.tokenizer_folder import tokenizer_folder

    folder = make_tokenizer_folder(tmp_path / "tokenizer")
    assert tokenizer_folder(str(folder)) == folder
    assert tokenizer_folder("demo") is None  # not made in this test's cache
