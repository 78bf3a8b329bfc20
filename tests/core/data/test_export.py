"""What is saved, read back, is what was shown; a save that fails leaves the old file whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.base.child import ROOT
from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data.editing.editor import open_editor
from core.data.export import save_rows
from core.data.filters import RowFilters
from core.data.source import open_data
from tests.support.data import Texts, made

ENDINGS = ("jsonl", "csv", "tsv", "parquet", "jsonl.gz", "csv.zst", "tsv.gz", "JSONL.ZST")
ROWS: list[Texts] = [(f"q{i}", "", f"why {i}", f"a{i}", "English", "train") for i in range(20)]
_number = count()

_hostile = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("\ufeff\n\r\t,;\"'\\\0\x1b\x85\u2028\u202e<>{}[]立山😀"),
    ),
    max_size=12,
)
_asked = _hostile.map("q".__add__)
_rows = st.lists(st.tuples(_asked, _hostile, _hostile, _hostile, _hostile, _hostile), min_size=1, max_size=8)


def texts(rows: list[Row]) -> list[tuple[str, ...]]:
    return [tuple(getattr(row, column) for column in COLUMNS) for row in rows]


@given(rows=_rows, ending=st.sampled_from(ENDINGS), mapped=st.booleans(), descending=st.booleans())
@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_read_back_is_what_was_shown(
    tmp_path: Path, rows: list[Texts], ending: str, mapped: bool, descending: bool
) -> None:
    data = made(rows, mapped, tmp_path / "rows.jsonl")
    selection = data.select(RowFilters(sort="length", descending=descending))
    path = tmp_path / f"out-{next(_number)}.{ending}"
    assert save_rows(data, path, selection) == len(rows)
    back = open_data(str(path))
    assert texts(back.select(RowFilters()).page(0, 99)) == texts(selection.page(0, 99)) and not back.problems


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("mapped", [False, True], ids=["held", "mapped"])
def test_rows_by_hand_and_order_are_saved(tmp_path: Path, mapped: bool, ending: str) -> None:
    with open_editor(made(ROWS, mapped, tmp_path / "rows.jsonl")) as editor:
        editor.change(3, {"output": "<think>kept</think>as it stands"})
        editor.delete([5, 6])
        editor.add({"instruction": "new", "output": "x"}, after=3)
        data = editor.dataset
    path = tmp_path / f"out.{ending}"
    told: list[tuple[int, int]] = []
    saved = save_rows(data, path, progress=lambda done, total: told.append((done, total)))
    assert saved == 19 and saved.aside is None and told[-1] == (19, 19)
    assert texts(open_data(str(path)).select(RowFilters()).page(0, 99)) == texts(data.select(RowFilters()).page(0, 99))
    chosen = data.select(RowFilters(where="row % 7 = 0", sort="instruction", descending=True))
    assert save_rows(data, path, chosen) == len(chosen) == 3
    assert texts(open_data(str(path)).select(RowFilters()).page(0, 99)) == texts(chosen.page(0, 99))
    assert sorted(os.listdir(tmp_path)) == [path.name, "rows.jsonl.suiron"]


@pytest.mark.parametrize("name", ["rows.xlsx", "rows", "rows.parquet.gz", "folder.jsonl", "missing/rows.jsonl"])
def test_where_nothing_can_be_saved(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    data = made(ROWS, False, tmp_path / "source.jsonl")
    with pytest.raises(DataError) as caught:
        save_rows(data, tmp_path / name)
    assert caught.value.do and os.listdir(tmp_path) == ["folder.jsonl"]
    with pytest.raises(DataError, match="no rows"):
        save_rows(data, tmp_path / "empty.jsonl", data.select(RowFilters(text="nowhere")))


def test_a_save_that_is_cancelled_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")

    class Cancelled(Exception):
        pass

    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        save_rows(made(ROWS, True, tmp_path / "rows.jsonl"), path, progress=cancel)
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("ending", ["jsonl", "csv.gz", "parquet", "tsv.zst"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, ending: str) -> None:
    """A real limit on file sizes, in a process of its own: the write itself fails, in the middle of the file."""
    path = tmp_path / f"out.{ending}"
    path.write_text("old")
    code = f"""
import random, resource, signal
from pathlib import Path
import core.data.export
from core.base.errors import DataError
from tests.support.data import made
draw = random.Random(3442)
rows = [("q", "", "", draw.randbytes(200).hex(), "", "") for i in range(5000)]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    core.data.export.save_rows(made(rows, True, Path("rows.jsonl"), batch=500), {str(path)!r})
except DataError as error:
    print(error.what, "|", error.do)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        cwd=tmp_path,
    )
    assert done.stdout.startswith("the disk is full"), done.stderr
    assert path.read_text() == "old" and os.listdir(tmp_path) == [path.name]


def test_saving_onto_the_source_puts_its_journal_aside(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    save_rows(made(ROWS, False, tmp_path / "x.jsonl"), path)
    path.chmod(0o640)
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    with open_editor(open_data(str(path))) as editor:
        editor.add({"instruction": "new", "output": "x"}, after=3)
        editor.change(5, {"output": "mended"})
        data = editor.dataset
    saved = save_rows(data, link)
    assert (
        saved.aside is not None and saved.aside.exists() and link.is_symlink() and path.stat().st_mode & 0o777 == 0o640
    )
    again = open_data(str(path))
    assert texts(again.select(RowFilters()).page(0, 99)) == texts(data.select(RowFilters()).page(0, 99)), (
        "no edit is made twice"
    )
    assert not again.changes and not again.problems
    assert save_rows(again, path).aside is None


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_infinite_numbers_are_saved(tmp_path: Path, suffix: str) -> None:
    table = pa.table({"instruction": ["q", "r"], "output": ["a", "b"], "score": [float("inf"), float("-inf")]})
    pq.write_table(table, tmp_path / "a.parquet")
    saved = save_rows(open_data(str(tmp_path / "a.parquet")), tmp_path / f"out{suffix}")
    assert saved is not None
    if suffix == ".parquet":
        assert pq.read_table(tmp_path / "out.parquet").column("score").to_pylist() == [float("inf"), float("-inf")]
    else:
        lines = (tmp_path / "out.jsonl").read_text().splitlines()
        assert [json.loads(line)["score"] for line in lines] == ["Infinity", "-Infinity"]
