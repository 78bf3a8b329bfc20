"""The journal: on disk before an edit counts, whole after any cut or kill, one writer at a time, and words when it
cannot be written."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.child import ROOT
from core.base.errors import DataError
from core.base.row import Row
from core.data.editing.editor import open_editor, with_edits
from core.data.editing.journal import backup_path
from core.data.editing.row_list import pack_rows, rows_without, unpack_rows
from core.data.filters import RowFilters
from tests.support.data import Texts, made

ROWS: list[Texts] = [(f"q{i}", "", "", f"a{i}", "", "") for i in range(12)]


def rows(path: Path) -> list[Row]:
    return with_edits(made(ROWS, False, path)).select(RowFilters()).page(0, 999)


def test_a_journal_cut_anywhere_is_a_journal_of_fewer_edits(tmp_path: Path) -> None:
    root = tmp_path / "rows.jsonl"
    states = []
    with open_editor(made(ROWS, False, root)) as editor:
        journal = editor.where / "edits.jsonl"
        states.append((0, rows(root)))
        for work in (
            lambda: editor.change(3, {"output": "立山\n\u2028"}),
            lambda: editor.fill(range(2, 9), "sysflag", "test"),
            lambda: editor.add({"instruction": "new"}, after=3),
            editor.undo,
            lambda: editor.delete([0, 5, 11]),
            lambda: editor.duplicate(4),
            editor.undo,
            editor.redo,
        ):
            work()
            states.append((journal.stat().st_size, rows(root)))
    content = journal.read_bytes()
    assert len(content) == states[-1][0]
    copy = tmp_path / "copy.jsonl"
    cut = copy.with_name("copy.jsonl.suiron") / "edits.jsonl"
    cut.parent.mkdir()
    for size in range(len(content)):
        cut.write_bytes(content[:size])
        wanted = [state for length, state in states if length <= size][-1]
        assert rows(copy) == wanted, size
        if size % 7 == 0:  # and can be written on
            with open_editor(with_edits(made(ROWS, False, copy))) as editor:
                editor.change(1, {"output": "after"})
            assert rows(copy) == [
                Row(**{**{c: getattr(r, c) for c in r.__struct_fields__}, "output": "after"}) if r.index == 1 else r
                for r in wanted
            ]


WRITER = """
import sys
from pathlib import Path
from core.data.editing.editor import open_editor
from tests.support.data import made
rows = [(f"q{i}", "", "", f"a{i}", "", "") for i in range(12)]
with open_editor(made(rows, False, Path(sys.argv[1]))) as editor:
    for number in range(100000):
        editor.change(number % 12, {"output": f"edit {number}"})
        print(number, flush=True)
"""


def test_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    root = tmp_path / "rows.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    acknowledged = -1
    for after in (1, 40, 90):
        shutil.rmtree(root.with_name("rows.jsonl.suiron"), ignore_errors=True)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(root)], env=environment, stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                acknowledged = int(line)
                if acknowledged == after:
                    with pytest.raises(DataError, match="another Suiron"):
                        open_editor(made(ROWS, False, root))
                    assert len(rows(root)) == 12, "reading needs no right to write"
                    writer.send_signal(signal.SIGKILL)
                    break
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        found = {row.index: row.output for row in rows(root)}
        edits = [int(output.split()[1]) for output in found.values() if output.startswith("edit")]
        assert max(edits) in (acknowledged, acknowledged + 1), "written, and killed before it could say so"
        assert all(
            number % 12 == index
            for index, output in found.items()
            if output.startswith("edit")
            for number in [int(output.split()[1])]
        )
        with open_editor(made(ROWS, False, root)) as editor:
            assert editor.undoable == max(edits) + 1
            editor.undo()


def test_a_full_disk_takes_the_edit_and_nothing_else(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from core.data.editing.editor import open_editor, with_edits
from core.base.errors import DataError
import core.data.filters
from tests.support.data import made
rows = [(f"q{{i}}", "", "", f"a{{i}}", "", "") for i in range(12)]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
root = Path({str(tmp_path / "rows.jsonl")!r})
with open_editor(made(rows, False, root)) as editor:
    editor.change(0, {{"output": "kept"}})
    size = (editor.where / "edits.jsonl").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
    before = editor.dataset
    for work in (lambda: editor.change(1, {{"output": "x" * 100}}), lambda: editor.delete([2]), editor.undo):
        try:
            work()
        except DataError as error:
            print(error.what)
    assert editor.dataset is before and (editor.undoable, editor.redoable) == (1, 0)
    assert (editor.where / "edits.jsonl").stat().st_size == size
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    editor.change(1, {{"output": "later"}})
first = with_edits(made(rows, False, root)).select(core.data.filters.RowFilters()).page(0, 2)
assert [row.output for row in first] == ["kept", "later"]
"""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the disk is full: the edit is not saved") == 3


def test_lines_that_cannot_be_read_are_named_and_left_out(tmp_path: Path) -> None:
    root = tmp_path / "rows.jsonl"
    with open_editor(made(ROWS, False, root)) as editor:
        editor.change(1, {"output": "one"})
        editor.change(2, {"output": "two"})
        journal = editor.where / "edits.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(
        lines[0]
        + lines[1]
        + b'{"op":"change","row":\n'
        + b'{"op":"change","row":99,"set":{"output":"x"}}\n\xff\n'
        + lines[2]
    )
    data = with_edits(made(ROWS, False, root))
    assert (data.row(1).output, data.row(2).output) == ("one", "two")
    assert [problem.row for problem in data.problems] == [3, 5, 99] and data.problem_count == 3
    with open_editor(data) as editor:
        editor.change(4, {"output": "four"})
        while editor.undo():
            pass
    assert rows(root) == made(ROWS, False, root).select(RowFilters()).page(0, 99)
    journal.write_bytes(b"".join(lines[1:]))
    data = with_edits(made(ROWS, False, root))
    assert not data.changes and data.problem_count == 2, "who knows which rows these were"
    journal.write_bytes(lines[0].replace(b'"version":1', b'"version":2') + lines[1])
    with pytest.raises(DataError, match="newer Suiron"):
        with_edits(made(ROWS, False, root))


def test_where_nothing_can_be_written_beside_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "rows.jsonl"
    monkeypatch.setattr("core.data.sidecar._writable", lambda _: False)  # a superuser may write everywhere
    with open_editor(made(ROWS, False, root)) as editor:
        editor.change(1, {"output": "x"})
        assert not editor.beside and editor.where.is_relative_to(os.environ["SUIRON_HOME"])
    assert with_edits(made(ROWS, False, root)).row(1).output == "x" and os.listdir(tmp_path) == []


def test_a_journal_that_was_put_aside_takes_no_more_edits(tmp_path: Path) -> None:
    root = tmp_path / "rows.jsonl"
    with open_editor(made(ROWS, False, root)) as editor:
        editor.change(1, {"output": "x"})
        journal = editor.where / "edits.jsonl"
        os.rename(journal, backup_path(journal))
        with pytest.raises(DataError, match="moved or removed"):
            editor.change(2, {"output": "y"})
        assert editor.dataset.row(2).output == "a2"


@given(
    indices=st.lists(st.integers(0, 5000), unique=True).map(sorted),
    others=st.lists(st.integers(0, 5000), unique=True).map(sorted),
)
def test_lists_of_rows_come_back(indices: list[int], others: list[int]) -> None:
    assert list(unpack_rows(pack_rows(indices))) == indices
    assert list(rows_without(unpack_rows(pack_rows(indices)), others)) == [
        index for index in indices if index not in set(others)
    ]


def test_many_rows_are_packed() -> None:
    import numpy as np

    for many in (
        np.arange(0, 1_000_000),
        np.arange(7, 1_000_000, 10),
        np.array(sorted(random.Random(3442).sample(range(1_000_000), 100_000))),
    ):
        packed = pack_rows(many)
        assert len(str(packed)) < 200_000 and np.array_equal(unpack_rows(packed), many)
    for damaged in ("", "AAAA", "no base64 é"):
        with pytest.raises(ValueError):
            unpack_rows(damaged)
