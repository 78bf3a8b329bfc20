"""A safe fix changes what it names and nothing else, once; what the user must decide is left alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import UsageError
from core.data.editing.editor import open_editor
from core.data.source import open_data
from core.quality.checks.mojibake import decode_garbled
from core.quality.checks.odd_characters import remove_controls, remove_hidden
from core.quality.doctor import examine_rows
from core.quality.fixes import PlannedFix, apply_fix, plan_fix
from core.quality.quality_request import QualityOptions
from core.quality.registry import FINDING_KINDS
from core.quality.report import QualityReport

ROW = {"instruction": "How many apples are two and two?", "reasoning": "Two and two are 4.", "output": "4"}
Write = Callable[..., Path]


def examine_data(data: Any) -> QualityReport:
    return examine_rows(data, QualityOptions(), None, "", lambda words, done, total: None)


def fix_rows(path: Path, kind: str) -> tuple[PlannedFix, Any]:
    """The fix that was applied, and the rows after it. Planned again, it touches nothing."""
    with open_editor(open_data(str(path))) as editor:
        group = examine_data(editor.dataset).group(kind)
        assert group is not None
        fix = plan_fix(editor.dataset, group)
        assert apply_fix(editor, fix) == fix.rows
        if fix.rows:  # one edit, whatever it touched
            after = [row for rows in editor.dataset.batches() for row in rows]
            assert editor.undo() is not None and not editor.dataset.changes
            assert editor.redo() is not None
            assert [row for rows in editor.dataset.batches() for row in rows] == after
        again = examine_data(editor.dataset).group(kind)
        assert again is None or plan_fix(editor.dataset, again).rows == 0
        assert plan_fix(editor.dataset, group).rows == 0
        return fix, editor.dataset


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("control_character", {"output": "4\x07\x1b[2J\n4"}, {"output": "4[2J\n4"}),
        (
            "hidden_character",
            {"instruction": "\ufeffHow\u200b many are 2 and 2?"},
            {"instruction": "How many are 2 and 2?"},
        ),
        ("mojibake", {"reasoning": "CafÃ© or cafÃ©\nâ€œ4â€\x9d"}, {"reasoning": "Café or café\n“4”"}),
        ("mojibake", {"instruction": "立山の高さは？".encode().decode("latin-1")}, {"instruction": "立山の高さは？"}),
        (
            "blank_edges",
            {"output": " 4\n", "reasoning": "\tTwo and two\nare 4. "},
            {"output": "4", "reasoning": "Two and two\nare 4."},
        ),
        (
            "template_marker",
            {"reasoning": "", "output": "<think>\nTwo and two.\n</think>\n\n4"},
            {"reasoning": "Two and two.", "output": "4"},
        ),
    ],
)
def test_a_text_is_fixed(write: Write, kind: str, before: dict[str, str], after: dict[str, str]) -> None:
    fix, data = fix_rows(write({**ROW, "instruction": "Another row?"}, {**ROW, **before}), kind)
    assert fix.rows == 1 and fix.left == 0 and not fix.deletes
    row = data.row(1)
    assert {column: getattr(row, column) for column in ROW} == {**ROW, **before, **after}
    assert not data.changed(0)


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        (
            "control_character",
            {"instruction": "It said ã\x81\x82ã\x82\x8aã\x81\x8cã\x81\x80"},
        ),  # halves of letters, which the fix of mojibake can restore
        ("hidden_character", {"instruction": "\u200fכמה הם שניים ועוד שניים?"}),
        ("mojibake", {"reasoning": "â€œ4â€\ufffd and CafÃ\ufffd"}),
        ("template_marker", {"output": "<think>Two and two.</think>4"}),  # there is another reasoning already
        ("template_marker", {"reasoning": "", "output": "<think>Two and two are"}),
        ("template_marker", {"output": "4\n### Instruction:\nAnother"}),
    ],
)
def test_what_is_not_certain_is_left_to_the_user(write: Write, kind: str, texts: dict[str, str]) -> None:
    fix, data = fix_rows(write({**ROW, "instruction": "Another row?"}, {**ROW, **texts}), kind)
    assert (fix.rows, fix.left) == (0, 1)
    assert not data.changes


def test_the_first_of_the_duplicates_stays(write: Write) -> None:
    path = write(
        ROW, {**ROW, "sysflag": "test"}, ROW, {**ROW, "instruction": "Another?"}, ROW, {**ROW, "output": "four"}
    )
    fix, data = fix_rows(path, "duplicate")
    assert fix.deletes == (2, 4)
    assert [row.index for rows in data.batches() for row in rows] == [0, 1, 3, 5]


def test_leaked_rows_leave_train_and_the_test_stays(write: Write) -> None:
    path = write(
        ROW, {**ROW, "instruction": "Another?"}, {**ROW, "instruction": ROW["instruction"].upper(), "sysflag": "test"}
    )
    fix, data = fix_rows(path, "leakage")
    assert fix.deletes == (0,)
    assert [row.sysflag for rows in data.batches() for row in rows] == ["train", "test"]


def test_rows_that_changed_since_are_not_touched(write: Write) -> None:
    with open_editor(open_data(str(write(ROW, ROW, ROW)))) as editor:
        group = examine_data(editor.dataset).group("duplicate")
        assert group is not None
        editor.change(1, {"output": "four"})
        editor.delete([2])
        assert plan_fix(editor.dataset, group).rows == 0


def test_kinds_without_a_fix_say_so(write: Write) -> None:
    group = examine_data(open_data(str(write({**ROW, "output": ""})))).group("missing_output")
    assert group is not None
    with pytest.raises(UsageError, match="no safe fix"):
        plan_fix(open_data(str(write(ROW))), group)
    assert {kind.name for kind in FINDING_KINDS.values() if kind.fix} == {
        "leakage", "template_marker", "duplicate", "control_character", "hidden_character", "mojibake", "blank_edges",
    }  # fmt: skip


@given(st.text())
def test_only_what_is_named_is_taken_out(text: str) -> None:
    for fix_text in (remove_controls, remove_hidden):
        once = fix_text(text)
        assert fix_text(once) == once
    assert remove_controls(text) in (text, re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "", text))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Co", "Cn"]), min_size=1))
def test_sound_text_is_not_decoded_again(text: str) -> None:
    from ftfy.badness import is_bad

    if not is_bad(text):
        assert decode_garbled(text) == text


@given(st.text("あいう立山高さ、。カタログ漢字", min_size=4, max_size=30), st.sampled_from(["latin-1", "cp1252"]))
def test_garbled_japanese_is_restored_or_left(text: str, wrong: str) -> None:
    try:
        garbled = text.encode().decode(wrong)
    except UnicodeDecodeError:
        return
    assert decode_garbled(garbled) in (text, garbled)


def test_a_fix_finds_its_rows_again_in_a_source_that_changed(write: Write) -> None:
    rows = [{**ROW, "instruction": f"Question {n}?", "output": f" {n}"} for n in range(300)]
    path = write(*rows)
    fix_rows(path, "blank_edges")
    write(*rows[:100], *rows[101:])
    data = open_data(str(path))
    assert [row.output for some in data.batches() for row in some] == [str(n) for n in range(300) if n != 100]
    assert data.problem_count == 1
    write(*rows[100:102], {**ROW, "output": " new"})
    data = open_data(str(path))
    assert [row.output for some in data.batches() for row in some] == ["100", "101", " new"]
