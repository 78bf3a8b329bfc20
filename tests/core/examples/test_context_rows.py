"""Rows with context in a run: trained, counted, left out in the template's words, and shown the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from core.base.chat_history import history_to_json
from core.base.row import Row
from core.examples.build import examine_training_set
from core.examples.draw_template import Mixture
from core.examples.encoded_store import EncodedStore
from core.examples.example import ExampleMaker
from core.examples.lengths import RowLengths
from core.examples.next_problem import ProblemFinder
from core.examples.preview import RowPreviewer
from core.examples.prompt_preview import inference_prompts
from core.examples.template_notes import template_notes
from core.runs.spec import MixturePart, PromptSection, RunSpec
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import TEXT_TEMPLATES, get_template
from core.tokens.tokenizer import TextTokenizer
from tests.support.chat_models import IM, QWEN3, Chat, write_chat, write_model
from tests.support.listed_rows import ListedRows
from tests.support.training_process import make_spec

DROPS = QWEN3.replace(
    "    {%- else %}\n        {{- '<|im_start|>' + message.role",
    "    {%- elif message.role == 'user' %}\n        {{- '<|im_start|>' + message.role",
)
HISTORY = history_to_json([{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Yes?"}])
PLAIN = Row("What is 7 x 8?", "", "7 x 8 is 56, surely.", "It is 56.", index=0)
ROWS = [
    PLAIN,
    replace(PLAIN, instruction="And 7 x 9?", system="Be brief.", index=1),
    replace(PLAIN, instruction="And 7 x 6?", history=HISTORY, index=2),
    replace(
        PLAIN,
        instruction="And 7 x 5?",
        system="Be brief.",
        history=HISTORY,
        tools='[{"type": "function", "function": {"name": "f"}}]',
        index=3,
    ),
    replace(PLAIN, instruction="And 7 x 4?", history="no JSON", index=4),
]


def spec_with(template: str) -> RunSpec:
    spec = make_spec("rows", "unused")
    prompt = replace(spec.prompt, mixture=(MixturePart(template, 1.0),))
    return replace(spec, data=replace(spec.data, train_flag=""), prompt=prompt)


def model(folder: Path, chat: Chat | str) -> TextTokenizer:
    return TextTokenizer.from_folder(write_model(folder, chat) if isinstance(chat, str) else write_chat(folder, chat))


def examined(tokenizer: TextTokenizer, template: str, folder: Path) -> Any:
    return examine_training_set(
        ListedRows(ROWS), spec_with(template), tokenizer, store=EncodedStore(tokenizer, folder / "store")
    )


def test_a_refused_row_is_left_out_in_the_templates_words(tmp_path: Path) -> None:
    tokenizer = model(tmp_path / "m", "gemma")
    for _ in range(2):  # the second time from the store
        training_set, report, builder = examined(tokenizer, "chat-plain", tmp_path)
        assert training_set is not None and len(training_set) == 2 and report.faults() == []
        assert [row for row, _ in builder.unreadable] == [1, 3, 4]
        assert "System role not supported" in dict(builder.unreadable)[1]
        facts = training_set.facts()
        assert facts["rows_left_out_unreadable"] == 3 and facts["rows_with_context"] == 1


def test_every_row_may_be_refused(tmp_path: Path) -> None:
    tokenizer = model(tmp_path / "m", "gemma")
    template = bind_chat_template(get_template("chat-plain"), tokenizer)
    examples = ExampleMaker(Mixture([(template, 1.0)], 1), PromptSection(), tokenizer).make([ROWS[1], ROWS[4]])
    assert sorted(examples.errors) == [0, 1] and not examples.kept.any()


def test_the_context_is_trained_and_counted(tmp_path: Path) -> None:
    tokenizer = model(tmp_path / "m", "qwen3")
    training_set, report, builder = examined(tokenizer, "chat", tmp_path)
    assert len(training_set) == 4 and report.faults() == [] and report.warnings() == []
    assert "Be brief." in tokenizer.decode(training_set.ids(1).tolist())
    trained = [label for label in training_set.labels(1).tolist() if label >= 0]
    assert "Be brief." not in tokenizer.decode(trained) and "It is 56." in tokenizer.decode(trained)
    assert builder.context.rows == 3 and builder.context.warnings() == [
        "the model's chat template drops the tools: 1 row (3)"
    ]


def test_what_is_dropped_is_counted_and_warned_of(tmp_path: Path) -> None:
    tokenizer = model(tmp_path / "m", Chat(DROPS, IM, "<|im_end|>", added=("<think>", "</think>")))
    _, _, builder = examined(tokenizer, "chat", tmp_path)
    assert "the model's chat template drops the system prompt: 2 rows (1, 3)" in builder.context.warnings()
    template = bind_chat_template(get_template("chat"), tokenizer)
    preview = RowPreviewer(tokenizer).preview(ROWS[1], template, PromptSection())
    assert "the model's chat template drops the system prompt" in preview.warnings


def test_a_template_of_text_says_where_the_context_goes(tmp_path: Path) -> None:
    tokenizer = model(tmp_path / "m", "qwen3")
    training_set, report, builder = examined(tokenizer, "alpaca-reasoning", tmp_path)
    assert len(training_set) == 4 and report.faults() == []
    assert "system prompt and earlier turns are put into the Input: 3 rows (1, 2, 3)" in builder.context.warnings()
    template = TEXT_TEMPLATES["alpaca-reasoning"]
    preview = RowPreviewer(tokenizer).preview(ROWS[3], template, PromptSection())
    assert "the system prompt and 2 earlier turns are put into the Input" in preview.warnings
    assert "a template of text drops the tools" in preview.warnings


@pytest.mark.parametrize("template", ["chat-plain", "alpaca"])
def test_preview_lengths_problems_and_prompts_survive_a_refused_row(tmp_path: Path, template: str) -> None:
    tokenizer = model(tmp_path / "m", "gemma")
    bound = bind_chat_template(get_template(template), tokenizer)
    prompt = replace(PromptSection(), mixture=(MixturePart(template, 1.0),))
    preview = RowPreviewer(tokenizer).preview(ROWS[4], bound, prompt)
    assert (preview.outcome, preview.fits) == ("left out", False) and "earlier turns" in preview.why
    maker = ExampleMaker(Mixture([(bound, 1.0)], 1), prompt, tokenizer)
    assert ProblemFinder(maker, tokenizer).problems([ROWS[4]]) == [True]
    assert ProblemFinder(maker, None).problems([ROWS[4]]) == [True]
    for measure in (tokenizer, None):
        [length] = RowLengths("rows", prompt, measure).measure([ROWS[4]])
        assert not length.readable
    asked = inference_prompts(ROWS[4], [bound], prompt, tokenizer)
    assert any(one.why for one in asked if one.template)


def test_a_prompt_whose_last_token_merges_is_counted_in_every_row(merging: TextTokenizer, tmp_path: Path) -> None:
    rows = [
        replace(PLAIN, instruction=str(n), reasoning=reasoning, index=n)
        for n, reasoning in enumerate(["So.", "\n\nSo."])
    ]
    training_set, report, _ = examine_training_set(
        ListedRows(rows), spec_with("alpaca-reasoning"), merging, store=EncodedStore(merging, tmp_path)
    )
    assert report.faults() == [] and (report.prompt_differs.count, report.prompt_differs.rows) == (1, [1])
    assert any("inference asks with other ids: 1 row (1)" in warning for warning in report.warnings())
    assert training_set is not None and training_set.facts()["rows_prompt_differs"] == 1


def test_notes_name_the_switch_the_date_and_another_prompt(tmp_path: Path) -> None:
    dated = Chat("{{ strftime_now('%Y') }}" + QWEN3, IM, "<|im_end|>", added=("<think>", "</think>"))
    template = bind_chat_template(get_template("chat"), model(tmp_path / "a", dated), "2026-05-06")
    assert any("2026-05-06" in note for note in template_notes(template))
    plain = bind_chat_template(get_template("chat-plain"), model(tmp_path / "b", "r1-distill"))
    assert any("own generation prompt" in note for note in template_notes(plain))
    assert template_notes(TEXT_TEMPLATES["alpaca"]) == []
