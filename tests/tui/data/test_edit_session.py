"""Edits without a terminal: who may edit, what is kept, and what is undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.base.errors import DataError, SuironError, UsageError
from core.base.row import Row
from core.data.dataset import DataSet
from core.data.source import open_data
from core.quality.report import FindingGroup, pack_integers
from tests.support.rooms import row, write_rows
from tests.support.scripted_data import ScriptedData
from tui.data.dialogs.bulk import BulkChange
from tui.data.edit_session import EditSession


class ScriptedPort:
    """A screen that only remembers what it was told."""

    def __init__(self, dataset: Any) -> None:
        self.dataset: DataSet | None = dataset
        self.shown = 0
        self.folders: list[Path] = []

    def show_edited(self, dataset: DataSet) -> None:
        self.dataset = dataset
        self.shown += 1

    def show_journal_folder(self, folder: Path) -> None:
        self.folders.append(folder)

    def row(self, index: int) -> Row:
        assert self.dataset is not None
        return self.dataset.row(index)


@pytest.fixture
async def port(rows_file: Path) -> ScriptedPort:
    return ScriptedPort(open_data(str(rows_file)))


@pytest.fixture
async def session(port: ScriptedPort) -> AsyncIterator[EditSession]:
    session = EditSession(port)
    yield session
    await session.close()


async def test_a_field_is_changed_undone_and_redone(session: EditSession, port: ScriptedPort) -> None:
    result = await session.change_field(4, "output", "立山")
    assert result.row == 4 and "Row 4: output changed" in result.words and port.row(4).output == "立山"
    undone = await session.undo()
    assert undone.row == 4 and undone.words.startswith("Undone") and port.row(4).output == "5"
    redone = await session.redo()
    assert redone.row == 4 and redone.words.startswith("Redone") and port.row(4).output == "立山"
    assert (await session.redo()).words == "There is nothing to redo."
    assert port.shown == 4


async def test_nothing_to_undo_is_said(session: EditSession) -> None:
    result = await session.undo()
    assert result.words == "There is nothing to undo." and result.row is None


async def test_rows_are_added_duplicated_and_deleted(session: EditSession, port: ScriptedPort) -> None:
    added = await session.add_row(Row("いくつ", "", "", "42"), after=0)
    assert added.row == 450 and port.row(450).output == "42"
    copied = await session.duplicate_row(3)
    assert copied.row == 451 and port.row(451).instruction == port.row(3).instruction
    deleted = await session.delete_row(3, next_index=4)
    assert deleted.row == 4 and "Row 3 deleted" in deleted.words
    with pytest.raises(DataError, match="row"):
        await session.change_field(3, "output", "x")


@pytest.mark.parametrize(
    ("bulk", "words"),
    [
        (BulkChange("set", "sysflag", "held-out"), "sysflag set in 2 rows"),
        (BulkChange("set", "sysflag", ""), "sysflag emptied in 2 rows"),
        (BulkChange("drop"), "2 rows dropped"),
        (BulkChange("split", share=0.5, seed=1), "1 row is test now, 1 train"),
        (BulkChange("extract"), "Reasoning moved out of <think> in 0 of 2 rows"),
    ],
)
async def test_many_rows_are_changed_by_one_edit(
    session: EditSession, port: ScriptedPort, bulk: BulkChange, words: str
) -> None:
    result = await session.change_rows(bulk, np.asarray([1, 2], dtype=np.int64))
    assert words in result.words and result.row is None
    await session.undo()
    assert port.dataset is not None and not port.dataset.changes and len(port.dataset) == 450


async def test_a_fix_goes_to_its_first_row(tmp_path: Path) -> None:
    rows = [row(index) for index in range(12)]
    rows[5] |= {"output": "<think>so it is</think>six", "reasoning": ""}
    port = ScriptedPort(open_data(str(write_rows(tmp_path / "ill.jsonl", rows))))
    session = EditSession(port)
    group = FindingGroup("template_marker", "warning", "markers", "why", "do", pack_integers([5]), fix="move it out")
    result = await session.fix_rows(group)
    await session.close()
    assert result.row == 5 and "markers: 1 row fixed" in result.words
    assert (port.row(5).reasoning, port.row(5).output) == ("so it is", "six")


async def test_one_session_at_a_time_may_edit(session: EditSession, rows_file: Path) -> None:
    await session.change_field(0, "output", "mine")
    other = EditSession(ScriptedPort(open_data(str(rows_file))))
    with pytest.raises(SuironError):
        await other.change_field(0, "output", "theirs")
    assert session.is_open and not other.is_open
    await session.close()
    assert not session.is_open and session.journal_folder is None
    await other.change_field(0, "output", "theirs")
    await other.close()


async def test_edits_wait_for_each_other(session: EditSession, port: ScriptedPort) -> None:
    await asyncio.gather(*(session.change_field(index, "output", f"edit {index}") for index in range(5)))
    assert [port.row(index).output for index in range(5)] == [f"edit {index}" for index in range(5)]


async def test_a_source_that_is_still_imported_is_not_edited() -> None:
    session = EditSession(ScriptedPort(ScriptedData("big.jsonl", ready=False)))
    with pytest.raises(UsageError, match="still being imported"):
        await session.undo()


@pytest.mark.parametrize(
    ("error", "words"), [(OSError(28, "No space left on device"), "No space left"), (IndexError(), "no longer exists")]
)
async def test_what_cannot_be_kept_is_named_and_changes_nothing(
    session: EditSession, port: ScriptedPort, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    def fail(self: object, index: int, texts: object) -> bool:
        raise error

    monkeypatch.setattr("core.data.editing.editor.RowEditor.change", fail)
    with pytest.raises(DataError, match=words):
        await session.change_field(0, "output", "x")
    assert port.shown == 0


async def test_the_journal_is_named_where_it_is_not_beside_the_data(
    session: EditSession, port: ScriptedPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.data.sidecar._writable", lambda folder: False)
    await session.change_field(0, "output", "x")
    await session.change_field(1, "output", "x")
    assert port.folders == [session.journal_folder]


async def test_a_draft_belongs_to_its_row_field_and_text(session: EditSession) -> None:
    session.draft_of(3, "output", "now").write("half a sentence")
    assert session.draft_of(3, "output", "now").read() == "half a sentence"
    assert session.draft_of(3, "output", "other").read() is None and session.draft_of(4, "output", "now").read() is None
