"""Search through a data set: rows in memory and in an Arrow file give the same results, edited or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data.editing.editor import open_editor
from core.data.filters import RowFilters
from tests.support.data import Texts, made

SORTS = ("", "length", *COLUMNS, *(f"length({column})" for column in COLUMNS))
_text = st.text(st.sampled_from("aAbßẞk\u212aıIİſsé%_'\"\\(.*[あ山 \n\0\u0301"), max_size=5)
_rows: st.SearchStrategy[list[Texts]] = st.lists(
    st.tuples(_text, _text, _text, _text, _text, _text), min_size=1, max_size=12
)
_filters = st.builds(
    RowFilters,
    syslang=st.sampled_from(["", "", "a", "あ"]),
    sysflag=st.sampled_from(["", "", "a"]),
    text=_text,
    columns=st.sampled_from([(), ("output",), ("instruction", "syslang")]),
    sort=st.sampled_from(SORTS),
    descending=st.booleans(),
)


@given(rows=_rows, filters=_filters, edited=st.booleans())
@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_storages_answer_alike(tmp_path: Path, rows: list[Texts], filters: RowFilters, edited: bool) -> None:
    answers = []
    for mapped in (False, True):
        data = made(rows, mapped, tmp_path / "rows.jsonl", batch=3)
        if edited:
            with open_editor(data, tmp_path / f"edits-{len(os.listdir(tmp_path))}") as editor:
                editor.add({"instruction": "K a", "output": filters.text}, after=0)
                editor.change(len(rows) // 2, {"output": "あ"})
                editor.delete([len(rows) - 1])
                data = editor.dataset
        growing = list(data.search(filters))
        assert growing[-1].share == 1.0 and all(set(part.indices) <= set(growing[-1].indices) for part in growing)
        answers.append((growing[-1].page(0, 99), data.facets()))
    assert answers[0] == answers[1]


def test_text_and_order_are_what_python_says(tmp_path: Path) -> None:
    rows: list[Texts] = [
        (word, "", "", "x" * (len(word) % 3), "", "")
        for word in ("ab", "Ab", "aB", "山", "か", "", "z" * 9, "\u212a", "k")
    ]
    for mapped in (False, True):
        data = made(rows, mapped, tmp_path / "a")
        assert data.select(RowFilters(text="AB")).indices.tolist() == [0, 1, 2]
        assert data.select(RowFilters(text="k")).indices.tolist() == [8], "the Kelvin sign is no k"
        assert data.select(RowFilters(sort="instruction")).indices.tolist() == sorted(
            range(9), key=lambda i: rows[i][0]
        )
        for descending in (False, True):
            found = data.select(RowFilters(sort="length(output)", descending=descending)).indices.tolist()
            assert found == sorted(range(9), key=lambda i: len(rows[i][3]), reverse=descending), (
                "equal rows keep their order"
            )
        whole = data.select(RowFilters(sort="length", descending=True))
        assert whole.at(0) == 6 and whole.position(6) == 0 and whole.position(99) is None
        long = "ab" * 150
        assert made(
            [(f"{long}x", "", "", "", "", ""), (f"{long}Y", "", "", "", "", "")], mapped, tmp_path / "a"
        ).select(RowFilters(text=f"{long}y".upper())).indices.tolist() == [1]


@pytest.mark.parametrize(
    "wrong",
    [RowFilters(sort="nothing"), RowFilters(sort="length(nothing)"), RowFilters(text="a", columns=("nothing",))],
)
def test_what_cannot_be_asked_is_said(tmp_path: Path, wrong: RowFilters) -> None:
    with pytest.raises(DataError, match="nothing"):
        made([("a", "", "", "", "", "")], False, tmp_path / "a").select(wrong)


def test_hits_come_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.search.search_arrow._GROWTH_SECONDS", 0.0)
    growing = list(
        made([(f"q{i}", "", "", "", "", "") for i in range(100)], True, tmp_path / "a", batch=10).search(
            RowFilters(text="5")
        )
    )
    assert len(growing) == 11 and growing[0].page(0, 9)[0] == Row("q5", index=5) and growing[0].share == 0.1
    assert [part.share for part in growing] == sorted(part.share for part in growing) and len(growing[-1]) == 19


def test_text_search_imports_no_duckdb() -> None:
    code = """
import sys
from pathlib import Path
from tests.support.data import made
import core.data.filters
rows = [("q", "", "", "a", "", "")]
filters = core.data.filters.RowFilters(text="q", sort="length")
made(rows, False, Path("a")).select(filters)
assert not {"pyarrow", "numpy", "duckdb"} & set(sys.modules), "held"
made(rows, True, Path("a")).select(filters)
assert not {"duckdb", "pandas"} & set(sys.modules), "mapped"
"""
    root = Path(__file__).resolve().parents[4]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
