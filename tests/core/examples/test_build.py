"""Which rows are trained on: test rows never, long ones never cut, and what was left out is counted and named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from core.base import folders
from core.base.errors import RunError
from core.base.row import Row
from core.data.source import open_data
from core.examples import build
from core.examples.build import build_training_set, examine_training_set
from core.examples.encoded_store import EncodedStore
from core.runs.spec import MixturePart, RunSpec
from core.templates.by_name import TEXT_TEMPLATES, save_template
from core.tokens.loss_mask import IGNORED_LABEL, SectionWeights
from core.tokens.tokenizer import TextTokenizer
from tests.support.encoded_rows import encode_row
from tests.support.listed_rows import ListedRows
from tests.support.training_process import ROWS, TEST_WORD, make_spec


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(model_folder)


def with_prompt(**changes: object) -> RunSpec:
    """The specification of a run over all rows of a source, with these settings of its prompts."""
    spec = make_spec("rows", "unused")
    return replace(spec, data=replace(spec.data, train_flag=""), prompt=replace(spec.prompt, **changes))


def some(count: int, **changes: str) -> list[Row]:
    return [
        replace(Row(f"What is {n} + 1?", "", f"One more than {n}, and that is it.", str(n + 1), index=n), **changes)
        for n in range(count)
    ]


def test_test_rows_are_not_trained_on(rows_file: Path, tokenizer: TextTokenizer) -> None:
    spec = make_spec(rows_file, "unused")
    prepared = build_training_set(open_data(str(rows_file)), spec, tokenizer)
    texts = [tokenizer.decode(prepared.ids(row).tolist()) for row in range(len(prepared))]
    assert len(texts) == ROWS and not any(TEST_WORD in text for text in texts)
    everything = build_training_set(
        open_data(str(rows_file)), replace(spec, data=replace(spec.data, train_flag="")), tokenizer
    )
    assert sum(TEST_WORD in tokenizer.decode(everything.ids(row).tolist()) for row in range(len(everything))) == ROWS


def test_labels_cover_the_completion_and_its_end_and_nothing_else(rows_file: Path, tokenizer: TextTokenizer) -> None:
    prepared = build_training_set(open_data(str(rows_file)), make_spec(rows_file, "unused"), tokenizer)
    for row in range(len(prepared)):
        ids, labels = prepared.ids(row), prepared.labels(row).tolist()
        trained = [label for label in labels if label != IGNORED_LABEL]
        assert ids[-1] == labels[-1] == tokenizer.eos_id and ids.tolist()[-len(trained) :] == trained
        assert re.fullmatch(r"(One more than \d\.\n\n### Response:\n)?\d", tokenizer.decode(trained[:-1]))
    assert prepared.trained_tokens == prepared.facts()["trained_tokens_per_epoch"]


def test_long_and_unreadable_rows_are_left_out_and_named(tokenizer: TextTokenizer) -> None:
    rows = [
        Row("short", output="a", index=0),
        Row("long " * 500, output="b", index=1),
        Row("half \ud800 a pair", output="c", index=2),
    ]
    spec = make_spec("rows", "unused")
    tight = replace(spec, data=replace(spec.data, train_flag=""), prompt=replace(spec.prompt, max_seq_length=1000))
    facts = build_training_set(ListedRows(rows), tight, tokenizer).facts()
    assert (facts["rows_trained"], facts["rows_left_out_too_long"], facts["rows_left_out_unreadable"]) == (1, 1, 1)
    assert facts["rows_too_long"] == [1] and facts["rows_empty_reasoning"] == 1
    assert facts["rows_unreadable"] == [
        {"row": 2, "why": "the text contains half of a surrogate pair, which is not a character"}
    ]
    with pytest.raises(RunError, match="longer than 1000 tokens") as caught:
        build_training_set(ListedRows(rows[1:2]), tight, tokenizer)
    assert "max_seq_length" in caught.value.do


def test_a_source_without_flags_is_trained_on_whole(tokenizer: TextTokenizer) -> None:
    source = ListedRows([Row("a", output="b"), Row("c", output="d")])
    source.columns = ("instruction", "output")
    assert len(build_training_set(source, make_spec("rows", "unused"), tokenizer)) == 2


def test_what_is_stored_is_what_the_encoder_gives(tokenizer: TextTokenizer) -> None:
    rows = some(150) + [Row(f"bare {n}", output="x", index=150 + n) for n in range(5)]
    for loss in ("completion", "all", "response", SectionWeights(reasoning=0.5, end=2.0)):
        spec = with_prompt(loss_on=loss)
        prepared = build_training_set(ListedRows(rows), spec, tokenizer)
        assert prepared.row_indices.tolist() == list(range(155))
        for at, row in enumerate(rows):
            template = TEXT_TEMPLATES[spec.prompt.mixture[prepared.template_indices[at]].template]
            alone = encode_row(row, template, tokenizer, loss_on=spec.prompt.loss_on)
            assert (prepared.ids(at).tolist(), prepared.labels(at).tolist()) == (alone.ids, alone.labels)
            if prepared.weighted:
                assert prepared.token_weights(at).tolist() == alone.weights


def test_an_edit_encodes_one_row(tokenizer: TextTokenizer) -> None:
    rows, spec = some(3000), with_prompt()
    counts = []
    for changed in (
        rows,
        rows,
        [replace(row, output="other") if row.index == 1234 else row for row in rows],
        rows[::-1],
    ):
        store = EncodedStore(tokenizer)
        build_training_set(ListedRows(changed), spec, tokenizer, store=store)
        counts.append(store.encoded)
    assert counts == [3000, 0, 1, 0]
    store = EncodedStore(tokenizer)
    build_training_set(ListedRows(rows), with_prompt(loss_on="all", max_seq_length=512), tokenizer, store=store)
    assert store.encoded == 0  # neither policy changes a row that fits
    build_training_set(ListedRows(rows), with_prompt(drop_empty_input=True), tokenizer, store=store)
    assert store.encoded == 3000


def test_the_hash_is_that_of_what_is_trained_however_it_was_made(
    tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows, spec = some(300), with_prompt()
    first = build_training_set(ListedRows(rows), spec, tokenizer).hash
    monkeypatch.setattr(build, "_BATCH", 70)
    mixed = rows[:50] + [replace(row, output="new") for row in rows[50:60]] + rows[60:]
    assert build_training_set(ListedRows(rows), spec, tokenizer).hash == first
    assert build_training_set(ListedRows(mixed), spec, tokenizer).hash != first
    assert (
        build_training_set(ListedRows(mixed), spec, tokenizer, store=EncodedStore(tokenizer, tmp_path)).hash
        == build_training_set(ListedRows(mixed), spec, tokenizer).hash
    )
    others = [with_prompt(loss_on="all"), with_prompt(seed=7), with_prompt(loss_on=SectionWeights(end=2.0))]
    hashes = [build_training_set(ListedRows(rows), other, tokenizer).hash for other in others] + [
        build_training_set(ListedRows(rows[::-1]), spec, tokenizer).hash
    ]
    assert len({first, *hashes}) == 5


def test_a_row_too_long_is_dropped_cut_in_the_middle_or_at_the_end(tokenizer: TextTokenizer) -> None:
    long = Row("q", "", "begin " + "and so on " * 60 + "end", "the answer", index=1)
    rows = [*some(1), long, Row("too long a question " * 40, "", "r", "a", index=2)]
    mixture = (MixturePart(template="alpaca-reasoning"),)
    facts = {}
    for how in ("drop", "cut_reasoning", "cut_end"):
        spec = with_prompt(mixture=mixture, max_seq_length=600, too_long=how)
        prepared, report, _ = examine_training_set(ListedRows(rows), spec, tokenizer)
        assert prepared is not None and report.faults() == []
        facts[how] = prepared.facts()
        assert prepared.longest <= 600
        texts = [tokenizer.decode(prepared.ids(at).tolist()) for at in range(len(prepared))]
        if how == "cut_reasoning":
            assert (
                prepared.row_indices.tolist() == [0, 1]
                and prepared.ids(1)[-1] == tokenizer.eos_id
                and len(prepared.ids(1)) > 590
            )
            assert (
                "### Reasoning:\nbegin and" in texts[1]
                and "…" in texts[1]
                and texts[1].endswith("on end\n\n### Response:\nthe answer<|im_end|>")
            )
            said = tokenizer.decode([label for label in prepared.labels(1).tolist() if label != IGNORED_LABEL])
            assert said.startswith("begin and") and said.endswith("the answer<|im_end|>")
        elif how == "cut_end":
            assert (
                prepared.row_indices.tolist() == [0, 1]
                and "the answer" not in texts[1]
                and prepared.ids(1)[-1] != tokenizer.eos_id
            )
        else:
            assert prepared.row_indices.tolist() == [0]
    kinds = (
        "rows_left_out_too_long",
        "rows_cut_reasoning",
        "rows_cut_end",
        "rows_left_out_nothing_learnt",
        "last_token_is_eos",
    )
    assert [facts["drop"][kind] for kind in kinds] == [2, 0, 0, 0, True]
    assert [facts["cut_reasoning"][kind] for kind in kinds] == [1, 1, 0, 0, True]
    assert [facts["cut_end"][kind] for kind in kinds] == [0, 0, 1, 1, False]
    store = EncodedStore(tokenizer)
    again = build_training_set(
        ListedRows(rows),
        with_prompt(mixture=mixture, max_seq_length=600, too_long="cut_reasoning"),
        tokenizer,
        store=store,
    )
    assert store.encoded == 0 and again.hash == facts["cut_reasoning"]["encoded_hash"]


def test_rows_without_reasoning_and_no_template_for_them_are_left_out(tokenizer: TextTokenizer) -> None:
    bare = [Row(f"bare {n}", reasoning=" ", output="x", index=10 + n) for n in range(3)]
    only = with_prompt(
        mixture=(MixturePart(template="alpaca-reasoning"), MixturePart(template="alpaca-reasoning-languages"))
    )
    facts = build_training_set(ListedRows(some(5) + bare), only, tokenizer).facts()
    assert (facts["rows_trained"], facts["rows_left_out_no_template"], facts["rows_empty_reasoning"]) == (5, 3, 0)
    with pytest.raises(RunError, match="3 have no reasoning") as caught:
        build_training_set(ListedRows(bare), only, tokenizer)
    assert "prompt.mixture" in caught.value.do
    three = (MixturePart(template="alpaca", weight=0.0), *only.prompt.mixture)
    facts = build_training_set(ListedRows(some(200) + bare), with_prompt(mixture=three), tokenizer).facts()
    counts = facts["rows_by_template"]
    assert (
        isinstance(counts, dict)
        and counts["alpaca"] == 3 == facts["rows_empty_reasoning"]
        and facts["rows_vanilla"] == 0
    )
    assert counts["alpaca-reasoning"] + counts["alpaca-reasoning-languages"] == 200 == facts["rows_reasoning"]
    assert 60 < counts["alpaca-reasoning"] < 140


def test_a_held_out_row_among_the_trained_ones_forbids_the_start(tokenizer: TextTokenizer) -> None:
    spec = make_spec("rows", "unused")
    rows = [
        *some(5, sysflag="train"),
        *(replace(row, index=row.index + 5, instruction=f"other {row.instruction}") for row in some(3, sysflag="test")),
    ]
    assert len(build_training_set(ListedRows(rows), spec, tokenizer)) == 5
    leaked = [*rows, Row("What is 3 + 1?", "", "One more than 3, and that is it.", "4", sysflag="test", index=8)]
    with pytest.raises(RunError, match="held-out rows are in the training text: 1, 8 as 3") as caught:
        build_training_set(ListedRows(leaked), spec, tokenizer)
    assert "sysflag" in caught.value.do
    assert (
        len(build_training_set(ListedRows(leaked), with_prompt(), tokenizer)) == 9
    )  # trained on all: nothing is held out


def test_a_templates_own_word_on_empty_inputs_counts_unless_the_run_says_otherwise(tokenizer: TextTokenizer) -> None:
    folder = folders.config() / "templates"
    save_template(replace(TEXT_TEMPLATES["alpaca"], name="short", drop_empty_input=True), folder)
    for given, shown in ((None, False), (True, False), (False, True)):
        spec = with_prompt(mixture=(MixturePart(template="short"),), drop_empty_input=given)
        text = tokenizer.decode(build_training_set(ListedRows(some(1)), spec, tokenizer).ids(0).tolist())
        assert ("### Input:" in text) is shown


def test_the_data_set_reads_the_store_itself(tokenizer: TextTokenizer) -> None:
    from core.training.trainer import trainer_dataset

    store = EncodedStore(tokenizer)
    build_training_set(ListedRows(some(50)), with_prompt(), tokenizer, store=store)
    rows = [*some(20)[::-1], *some(3), *(replace(row, output="new", index=100 + row.index) for row in some(5))]
    prepared = build_training_set(ListedRows(rows), with_prompt(), tokenizer)
    held = trainer_dataset(prepared)
    assert len(held) == 28
    for at in range(28):
        row = held[at]
        assert (
            row["input_ids"] == prepared.ids(at).tolist()
            and prepared.labels(row["row"]).tolist() == prepared.labels(at).tolist()
        )


def test_the_batches_of_a_source_make_no_difference(tokenizer: TextTokenizer) -> None:
    rows = some(2500)
    in_one, in_two, in_many = (
        build_training_set(ListedRows(rows, batch=batch), with_prompt(), tokenizer) for batch in (2500, 2000, 7)
    )
    assert in_one.hash == in_two.hash == in_many.hash
    assert in_two.row_indices.tolist() == in_many.row_indices.tolist() == list(range(2500))


@pytest.mark.parametrize(
    ("flags", "has", "do"),
    [
        (["Train"] * 3 + ["TEST"], "its rows have Train (3), TEST (1)", "Set data.train_flag to 'Train'"),
        (["train "] * 2 + [""], "its rows have train (2), none (1)", "Set data.train_flag to 'train '"),
        (["a"] * 2, "its rows have a (2)", "Change data.train_flag"),
    ],
)
def test_the_flags_that_are_there_are_named_where_none_is_the_run_s(
    tokenizer: TextTokenizer, flags: list[str], has: str, do: str
) -> None:
    rows = [replace(row, sysflag=flag) for row, flag in zip(some(len(flags)), flags, strict=True)]
    with pytest.raises(RunError) as caught:
        build_training_set(ListedRows(rows), make_spec("rows", "unused"), tokenizer)
    assert caught.value.what == f"no row has the sysflag 'train'; {has}" and do in caught.value.do
