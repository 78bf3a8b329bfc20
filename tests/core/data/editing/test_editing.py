"""Edits, undo and redo against a plain list of rows; the same from rows in memory and from a mapped file, and again
after reopening."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data.dataset import DataSet
from core.data.editing import bulk_edits
from core.data.editing.editor import RowEditor, open_editor, with_edits
from core.data.filters import RowFilters
from core.data.source import open_data
from core.data.storage import column_files
from core.data.storage.row_store import EditCounts
from tests.support.data import Texts, made

START: list[Texts] = [
    ("q0", "", "", "<think>t0</think>a0", "English", "train"),
    ("q1", "i1", "r1", "a1", "Japanese", "train"),
    ("q2", "", "", "a2", "", ""),
    ("q3", "", "", "<think>t3</think>a3", "English", "test"),
    ("q4", "", "r4", "<think>t4</think>a4", "", ""),
    ("q5", "", "", "<think>t5", "", ""),
    ("q6", "", "立山", "a6", "", "x"),
    ("q1", "i1", "r1", "a1", "Japanese", "train"),
    ("q8", "", "t8", "<think>t8</think>\na8", "", ""),
]


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than two rows are many, and a column goes to disk early."""
    monkeypatch.setattr(bulk_edits, "FEW_ROWS", 2)
    monkeypatch.setattr(column_files, "_IN_MEMORY_BYTES", 100)


@pytest.fixture(params=[False, True], ids=["held", "mapped"])
def mapped(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def data(tmp_path: Path, mapped: bool) -> DataSet:
    return made(START, mapped, tmp_path / "rows.jsonl")


def shown(data: DataSet) -> list[Row]:
    return data.select(RowFilters()).page(0, 10_000)


def texts(data: DataSet) -> list[Texts]:
    return [tuple(getattr(row, column) for column in COLUMNS) for row in shown(data)]  # type: ignore[misc]


class Model:
    """What the editor should do, on a list."""

    def __init__(self, rows: list[Texts]) -> None:
        self.rows = [Row(*texts, index=index) for index, texts in enumerate(rows)]
        self.next = len(rows)
        self.past: list[list[Row]] = []
        self.future: list[list[Row]] = []

    def at(self, draw: int) -> int:
        return self.rows[draw % len(self.rows)].index

    def place(self, index: int) -> int:
        return next(place for place, row in enumerate(self.rows) if row.index == index)

    def some(self, draw: int) -> list[int]:
        return [row.index for place, row in enumerate(self.rows) if (draw >> (place % 12)) & 1]

    def become(self, rows: list[Row]) -> None:
        if rows != self.rows:
            self.past.append(self.rows)
            self.future.clear()
            self.rows = rows

    def set(self, indices: list[int], column: str, value: str) -> None:
        self.become([self._with(row, {column: value}) if row.index in indices else row for row in self.rows])

    def _with(self, row: Row, texts: dict[str, str]) -> Row:
        return Row(**{column: texts.get(column, getattr(row, column)) for column in COLUMNS}, index=row.index)

    def insert(self, texts: dict[str, str], after: int | None) -> None:
        place = len(self.rows) if after is None else self.place(after) + 1
        self.become([*self.rows[:place], Row(**{"instruction": "", **texts}, index=self.next), *self.rows[place:]])
        self.next += 1

    def extract(self, indices: list[int]) -> None:
        def moved(row: Row) -> Row:
            if row.index not in indices or not row.output.startswith("<think>") or "</think>" not in row.output:
                return row
            thought, _, answer = row.output.removeprefix("<think>").partition("</think>")
            return (
                self._with(row, {"reasoning": thought, "output": answer.strip()})
                if row.reasoning in ("", thought)
                else row
            )

        self.become([moved(row) for row in self.rows])

    def undo(self) -> None:
        if self.past:
            self.future.append(self.rows)
            self.rows = self.past.pop()

    def redo(self) -> None:
        if self.future:
            self.past.append(self.rows)
            self.rows = self.future.pop()


def both(editor: RowEditor, model: Model, move: tuple[Any, ...]) -> None:
    what, draw, text = move
    column = COLUMNS[draw % len(COLUMNS)]
    affected = [model.at(draw)] if what == "change" else model.some(draw) if what == "fill" else []
    other = {"instruction": "output", "output": "instruction"}.get(column)
    if other and not text and any(not getattr(row, other) for row in model.rows if row.index in affected):
        with pytest.raises(DataError, match="needs an instruction or an output"):
            editor.change(affected[0], {column: text}) if what == "change" else editor.fill(affected, column, text)
    elif what == "change":
        index = model.at(draw)
        editor.change(index, {column: text})
        model.set([index], column, text)
    elif what == "add":
        after = None if draw % 5 == 0 else model.at(draw)
        index = editor.add({"instruction": f"new {text}", "syslang": text}, after)
        assert index == model.next
        model.insert({"instruction": f"new {text}", "syslang": text}, after)
    elif what == "duplicate":
        index = model.at(draw)
        row = model.rows[model.place(index)]
        editor.duplicate(index)
        model.insert({name: getattr(row, name) for name in COLUMNS}, index)
    elif what == "delete" and len(model.rows) > 1:
        index = model.at(draw)
        editor.delete([index])
        model.become([row for row in model.rows if row.index != index])
    elif what == "delete_many" and 0 < len(model.some(draw)) < len(model.rows):
        indices = model.some(draw)
        assert editor.delete(indices) == len(indices)
        model.become([row for row in model.rows if row.index not in indices])
    elif what == "fill":
        indices = model.some(draw)
        different = sum(getattr(row, column) != text for row in model.rows if row.index in indices)
        assert editor.fill(indices, column, text) == different
        model.set(indices, column, text)
    elif what == "extract":
        indices, before = model.some(draw), model.rows
        count = editor.extract_reasoning(indices)
        model.extract(indices)
        assert count == sum(a != b for a, b in zip(before, model.rows, strict=True))
    elif what == "undo":
        assert (editor.undo() is not None) == bool(model.past)
        model.undo()
    elif what == "redo":
        assert (editor.redo() is not None) == bool(model.future)
        model.redo()


def same(data: DataSet, model: Model) -> None:
    rows = model.rows
    assert len(data) == len(rows) and shown(data) == rows
    assert [row for batch in data.batches() for row in batch] == rows
    assert data.facets() == {
        name: sorted(Counter(getattr(row, name) for row in rows).items(), key=lambda pair: (-pair[1], pair[0]))
        for name in ("syslang", "sysflag")
    }
    assert [row.index for row in data.select(RowFilters(text="T")).page(0, 999)] == [
        row.index for row in rows if any("t" in getattr(row, column).lower() for column in COLUMNS)
    ]
    by_length = data.select(RowFilters(sort="length(output)", descending=True))
    assert by_length.indices.tolist() == [
        row.index for row in sorted(rows, key=lambda row: len(row.output), reverse=True)
    ]
    by_text = data.select(RowFilters(sort="instruction"))
    assert by_text.indices.tolist() == [row.index for row in sorted(rows, key=lambda row: row.instruction)]
    assert data.empty_reasoning() == sum(not row.reasoning.strip() for row in rows)
    backwards = [row.index for row in reversed(rows)]
    arrow = [record for batch in data.record_batches(backwards) for record in batch.to_pylist()]
    assert [Row(**{**{c: r[c] for c in COLUMNS}, "index": r["row"]}) for r in arrow] == rows[::-1]
    assert sum(len(batch) for batch in data.record_batches()) == len(rows)
    there = {row.index: row for row in rows}
    assert data.highest >= max(there)
    source = dict(enumerate(Row(*texts, index=index) for index, texts in enumerate(START)))
    for index in range(data.highest + 1):
        if index in there:
            assert data.row(index) == there[index] and data.before(index) == source.get(index)
            assert data.changed(index) == (source.get(index) != there[index])
        else:
            with pytest.raises(IndexError):
                data.row(index)
    assert data.changes == EditCounts(
        sum(index in source and source[index] != row for index, row in there.items()),
        sum(index not in source for index in there),
        sum(index not in there for index in source),
    )


_moves = st.lists(
    st.tuples(
        st.sampled_from(
            ["change", "add", "duplicate", "delete", "delete_many", "fill", "extract", "undo", "undo", "redo"]
        ),
        st.integers(0, 1 << 12),
        st.sampled_from(["", "t", "<think>x</think>y", "立", "a\nb\t\"'", "é"]),
    ),
    max_size=12,
)


@given(moves=_moves, again=st.integers(0, 12))
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_edits_do_what_they_do_to_a_list(
    tmp_path: Path, mapped: bool, moves: list[tuple[Any, ...]], again: int
) -> None:
    shutil.rmtree(tmp_path / "rows.jsonl.suiron", ignore_errors=True)
    source = made(START, mapped, tmp_path / "rows.jsonl")
    model = Model(START)
    editor = open_editor(source)
    for number, move in enumerate(moves):
        if number == again:
            editor.close()
            editor = open_editor(made(START, mapped, tmp_path / "rows.jsonl"))
        both(editor, model, move)
        assert (editor.undoable, editor.redoable) == (len(model.past), len(model.future))
    editor.close()
    same(editor.dataset, model)
    fresh = with_edits(made(START, mapped, tmp_path / "rows.jsonl"))
    same(fresh, model)
    assert fresh.fingerprint == editor.dataset.fingerprint
    assert shown(source) == Model(START).rows, "the source stays as it is"


def test_undo_gives_the_fingerprint_back(data: DataSet) -> None:
    with open_editor(data) as editor:
        assert editor.dataset.fingerprint == data.fingerprint
        editor.change(1, {"output": "x"})
        one = editor.dataset.fingerprint
        editor.delete([2])
        assert len({data.fingerprint, one, editor.dataset.fingerprint}) == 3
        step = editor.undo()
        assert (
            step is not None and step.index == 2 and "row 2 deleted" in step.words and editor.dataset.fingerprint == one
        )
        editor.undo()
        assert editor.dataset.fingerprint == data.fingerprint and not editor.dataset.changes and editor.undo() is None


def test_undo_goes_back_past_what_is_kept_for_it(data: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.editing.applied_edits._COLUMN_UNDOS", 2)
    with open_editor(data) as editor:
        states = [shown(editor.dataset)]
        editor.add({"instruction": "new"}, after=2)
        states.append(shown(editor.dataset))
        for number in range(6):
            editor.fill(range(9), "sysflag", str(number))
            states.append(shown(editor.dataset))
        while states:
            assert shown(editor.dataset) == states.pop() and editor.undoable == len(states)
            editor.undo()
        for _ in range(7):
            editor.redo()
        assert {row.sysflag for row in shown(editor.dataset)} == {"5", ""} and editor.add(
            {"instruction": "newer"}
        ) == 10


def test_snapshots_never_change(data: DataSet) -> None:
    with open_editor(data) as editor:
        editor.change(0, {"output": "one"})
        first = editor.dataset
        before = shown(first)
        editor.change(0, {"output": "two"})
        editor.fill(range(9), "sysflag", "all")
        editor.delete(range(5))
        editor.add({"instruction": "new"}, 7)
        assert shown(first) == before and first.facets()["sysflag"] != editor.dataset.facets()["sysflag"]


def test_a_split_is_the_same_in_any_order_and_keeps_questions_together(tmp_path: Path) -> None:
    rows: list[Texts] = [(f"q{i % 150}", "", "", str(i), "", "") for i in range(300)]
    sides = []
    for number, (mapped, turned) in enumerate([(False, False), (True, False), (True, True)]):
        data = made(
            rows[::-1] if turned else rows,
            mapped,
            tmp_path / f"{number}.jsonl",
            columns=("instruction", "output"),
            batch=37,
        )
        assert "sysflag" not in data.columns
        with open_editor(data) as editor:
            test, train = editor.split(range(300), 0.2, 3442)
            assert (test, train) == (60, 240)
            found = editor.dataset
        assert found.columns == ("instruction", "output", "sysflag") and found.facets()["sysflag"] == [
            ("train", 240),
            ("test", 60),
        ]
        sides.append({(row.instruction, row.output): row.sysflag for row in shown(found)})
    assert sides[0] == sides[1] == sides[2]
    assert all(sides[0][f"q{i}", str(i)] == sides[0][f"q{i}", str(i + 150)] for i in range(150))
    with open_editor(made(rows, False, tmp_path / "other.jsonl")) as editor:
        editor.split(range(300), 0.2, 1)
        assert {(row.instruction, row.output): row.sysflag for row in shown(editor.dataset)} != sides[0]
        assert editor.split([], 0.5, 1) == (0, 0) and editor.split([1], 0, 1) == (0, 1)


def test_what_cannot_be_is_refused_and_changes_nothing(data: DataSet) -> None:
    with open_editor(data) as editor:
        for wrong in (
            lambda: editor.change(99, {"output": "x"}),
            lambda: editor.change(-1, {"output": "x"}),
            lambda: editor.change(0, {"answer": "x"}),
            lambda: editor.delete([1, 99]),
            lambda: editor.delete(range(100)),
            lambda: editor.delete(range(9)),
            lambda: editor.fill(range(100), "output", "x"),
            lambda: editor.fill([1], "nothing", "x"),
            lambda: editor.add({"instruction": " "}),
            lambda: editor.add({"instruction": "x"}, after=99),
            lambda: editor.duplicate(99),
            lambda: editor.split([1], 1.5, 1),
            lambda: editor.extract_reasoning([99]),
        ):
            with pytest.raises(DataError):
                wrong()
        assert editor.dataset.fingerprint == data.fingerprint and editor.undoable == 0
        assert not editor.change(0, {"output": START[0][3]}) and editor.fill([], "output", "") == 0
    assert not data.origin.files.root.with_name("rows.jsonl.suiron").exists(), "nothing was written"  # type: ignore[union-attr]


def test_lone_surrogates_become_what_rows_can_hold(data: DataSet) -> None:
    with open_editor(data) as editor:
        editor.change(0, {"output": "a\ud800b"})
        editor.fill(range(9), "sysflag", "\udfff")
        assert editor.dataset.row(0).output == "a\ufffdb" and editor.dataset.row(8).sysflag == "\ufffd"


def test_edits_follow_their_rows_when_the_source_changes(tmp_path: Path, mapped: bool) -> None:
    root = tmp_path / "rows.jsonl"
    rows: list[Texts] = [(f"q{i}", "", "", f"a{i}", "", "") for i in range(400)]
    with open_editor(made(rows, mapped, root, batch=50)) as editor:
        editor.change(5, {"output": "mended"})
        editor.change(6, {"output": "lost"})
        editor.add({"instruction": "between"}, after=7)
        editor.delete([9])
        editor.fill(range(10, 390), "sysflag", "train")
        editor.duplicate(395)
        editor.undo()
        assert (editor.undoable, editor.redoable) == (5, 1)
    newer = [("new", "", "", "new", "", ""), *(row for i, row in enumerate(rows) if i not in (6, 20, 21))]
    newer[4] = ("q3 changed", "", "", "a3", "", "")
    for _ in range(2):  # seen by who only reads, then by who edits
        data = with_edits(made(newer, mapped, root, key="newer", batch=50))
        assert len(data) == len(newer) and {row.instruction: row.output for row in shown(data)}["q5"] == "mended"
        assert [row.instruction for row in shown(data)][7:9] == ["q7", "between"] and "q9" not in {
            row.instruction for row in shown(data)
        }
        assert {row.instruction for row in shown(data) if row.sysflag == "train"} == {
            f"q{i}" for i in range(10, 390) if i not in (20, 21)
        }
        assert "lost" not in {row.output for row in shown(data)}
        assert data.problem_count == 2 and all("no longer fit" in problem.what for problem in data.problems)
        with open_editor(data) as editor:
            assert (editor.undoable, editor.redoable) == (5 - 1, 1)
            assert (
                editor.redo() is not None
                and shown(editor.dataset)[-6].instruction == "q395" == shown(editor.dataset)[-5].instruction
            )
            editor.undo()
    assert len(list(root.with_name("rows.jsonl.suiron").glob("edits-*.jsonl"))) == 1, "the journal as it was is kept"
    with open_editor(made(rows, mapped, root, batch=50)) as editor:  # the row comes back, and so does its edit
        assert {row.instruction: row.output for row in shown(editor.dataset)}["q6"] == "lost"


@given(
    edits=st.dictionaries(st.integers(0, 29), st.sampled_from(["delete", "x", "y"]), max_size=8),
    order=st.permutations(range(30)),
    cut=st.integers(0, 30),
)
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_edit_ever_meets_another_row(tmp_path: Path, edits: dict[int, str], order: list[int], cut: int) -> None:
    root = tmp_path / "rows.jsonl"
    shutil.rmtree(root.with_name("rows.jsonl.suiron"), ignore_errors=True)
    rows: list[Texts] = [(f"q{i}", "", "", f"a{i}", "", "") for i in range(30)]
    with open_editor(made(rows, False, root)) as editor:
        for index, what in edits.items():
            editor.delete([index]) if what == "delete" else editor.change(index, {"output": what})
    newer = [*(rows[i] for i in order[:cut]), ("other", "", "", "other", "", "")]
    data = with_edits(made(newer, False, root, key="newer"))
    wanted = [(f"q{i}", edits.get(i, f"a{i}")) for i in order[:cut] if edits.get(i) != "delete"]
    assert [(row.instruction, row.output) for row in shown(data)] == [*wanted, ("other", "other")]
    assert data.problem_count == len(set(edits) - set(order[:cut]))


def test_every_reader_sees_the_edits(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"instruction": f"q{i}", "output": f"a{i}"}) + "\n" for i in range(5)))
    with open_editor(open_data(str(path))) as editor:
        editor.change(2, {"output": "mended"})
        assert editor.beside and editor.where == tmp_path / "rows.jsonl.suiron"
    opened = open_data(str(path))
    assert opened.row(2).output == "mended" and opened.changed(2) and opened.before(2).output == "a2"  # type: ignore[union-attr]
    assert path.read_text().count("mended") == 0
