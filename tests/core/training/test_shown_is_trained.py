"""From a file in columns of its own, with a person's edits, to ids: what is trained is what is shown, row by row."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from core.base.row import Row
from core.data.columns.mapping_words import mapping_from_words
from core.data.dataset import DataSet
from core.data.editing.editor import open_editor
from core.data.source import open_data
from core.data.storage.arrow_rows import ArrowRows
from core.examples.build import build_training_set
from core.examples.preview import RowPreviewer
from core.examples.run_mixture import bound_mixture
from core.examples.run_rows import data_facts, data_section, open_rows
from core.runs.spec import RunSpec
from core.tokens.tokenizer import TextTokenizer
from tests.support.training_process import make_spec

COLUMNS = {"instruction": "prompt", "reasoning": "reply:think", "output": "reply:answer", "sysflag": "part"}
COUNT = 40


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(model_folder)


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    replies = [f"<think>\nOne more than {n}.\n</think>\n\n{n + 1}" for n in range(COUNT)]
    parts = ["test" if n % 5 == 4 else "train" for n in range(COUNT)]
    rows = [{"prompt": f"What is {n} + 1?", "other": "no", "reply": replies[n], "part": parts[n]} for n in range(COUNT)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=11)
    made = make_spec(path, "unused")
    return replace(
        made,
        data=replace(made.data, columns=COLUMNS),
        prompt=replace(made.prompt, max_seq_length=600, too_long="cut_reasoning"),
    )


def shown(data: DataSet) -> list[Row]:
    return [row for rows in data.batches() for row in rows]


def assert_trained_as_shown(data: DataSet, spec: RunSpec, tokenizer: TextTokenizer) -> str:
    """The hash of what is trained."""
    prepared = build_training_set(data, spec, tokenizer)
    mixture = bound_mixture(spec.prompt, spec.data.source, tokenizer)
    previewer = RowPreviewer(tokenizer)
    rows = [row for row in shown(data) if row.sysflag == "train"]
    assert prepared.row_indices.tolist() == [row.index for row in rows]
    for at, row in enumerate(rows):
        template = mixture.template_for(row)
        assert template is not None
        preview = previewer.preview(row, template, spec.prompt)
        assert preview.outcome != "left out" and preview.ids == prepared.ids(at).tolist()
        assert f"What is {row.index} + 1?" in tokenizer.decode(preview.ids) or row.index >= COUNT
    return prepared.hash


def test_of_a_mapped_source_with_edits(spec: RunSpec, tokenizer: TextTokenizer) -> None:
    data = open_rows(spec.data)
    assert isinstance(data.base, ArrowRows) and data.row(3) == Row(
        "What is 3 + 1?", "", "One more than 3.", "4", "", "train", index=3
    )
    hashes = [assert_trained_as_shown(data, spec, tokenizer)]
    with open_editor(data) as editor:
        editor.change(3, {"reasoning": "Three and one, and so on. " * 40, "output": "four"})
        editor.delete([5, 6])
        added = editor.add(
            {"instruction": "What is added?", "reasoning": "By hand.", "output": "this", "sysflag": "train"}, 7
        )
        edited = editor.dataset
        hashes.append(assert_trained_as_shown(edited, spec, tokenizer))
        indices = [row.index for row in shown(edited)]
        assert indices == [0, 1, 2, 3, 4, 7, added, *range(8, COUNT)]
        again = open_rows(spec.data)
        assert shown(again) == shown(edited) and assert_trained_as_shown(again, spec, tokenizer) == hashes[1]
        editor.undo(), editor.undo(), editor.undo()
        hashes.append(assert_trained_as_shown(editor.dataset, spec, tokenizer))
    assert hashes[0] == hashes[2] != hashes[1]


def test_facts_tell_the_rows_from_all_others(spec: RunSpec) -> None:
    data = open_rows(spec.data)
    facts = data_facts(data)
    assert (
        facts["rows_in_source"] == COUNT
        and facts["data_fingerprint"] == data.fingerprint
        and facts["data_columns_by_hand"] is True
    )
    assert (
        facts["data_columns"]["output"] == {"column": "reply", "how": "answer"} and "input" not in facts["data_columns"]
    )
    assert facts["edits"] == {"changed": 0, "added": 0, "deleted": 0} and facts["data_revision"] == ""
    with open_editor(data) as editor:
        editor.delete([1, 2])
        after = data_facts(editor.dataset)
    assert after["edits"]["deleted"] == 2 and after["data_fingerprint"] != facts["data_fingerprint"]
    guessed = data_facts(open_data(spec.data.source))
    assert guessed["data_columns_by_hand"] is False and guessed["data_fingerprint"] != after["data_fingerprint"]


def test_columns_chosen_for_a_session_go_into_the_specification_and_back(spec: RunSpec) -> None:
    opened = open_data(spec.data.source, mapping=mapping_from_words(COLUMNS))
    section = data_section(opened)
    assert section.columns == COLUMNS
    again = open_rows(section)
    assert again.fingerprint == opened.fingerprint and shown(again) == shown(opened)
    assert data_section(open_data(spec.data.source)).columns is None  # a guess is made anew
