"""Questions: held and mapped rows answer alike, a condition reaches the rows and nothing else, a newer question ends an
older."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.base.row import COLUMNS, Row
from core.data.dataset import DataSet
from core.data.editing.editor import open_editor
from core.data.filters import Filters
from core.data.search import sql
from core.data.search.row_query import Interrupted
from tests.support.data import Texts, made

SORTS = ("", "length", *COLUMNS, *(f"length({column})" for column in COLUMNS))
_text = st.text(st.sampled_from("aAbßẞk\u212aıIİſsé%_'\"\\(.*[あ山 \n\0\u0301"), max_size=5)
_rows: st.SearchStrategy[list[Texts]] = st.lists(
    st.tuples(_text, _text, _text, _text, _text, _text), min_size=1, max_size=12
)
_filters = st.builds(
    Filters,
    syslang=st.sampled_from(["", "", "a", "あ"]),
    sysflag=st.sampled_from(["", "", "a"]),
    text=_text,
    columns=st.sampled_from([(), ("output",), ("instruction", "syslang")]),
    sort=st.sampled_from(SORTS),
    descending=st.booleans(),
)


@given(rows=_rows, filters=_filters, edited=st.booleans())
@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_storages_answer_alike(tmp_path: Path, rows: list[Texts], filters: Filters, edited: bool) -> None:
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
        assert data.select(Filters(text="AB")).indices.tolist() == [0, 1, 2]
        assert data.select(Filters(text="k")).indices.tolist() == [8], "the Kelvin sign is no k"
        assert data.select(Filters(sort="instruction")).indices.tolist() == sorted(range(9), key=lambda i: rows[i][0])
        for descending in (False, True):
            found = data.select(Filters(sort="length(output)", descending=descending)).indices.tolist()
            assert found == sorted(range(9), key=lambda i: len(rows[i][3]), reverse=descending), (
                "equal rows keep their order"
            )
        whole = data.select(Filters(sort="length", descending=True))
        assert whole.at(0) == 6 and whole.position(6) == 0 and whole.position(99) is None
        long = "ab" * 150
        assert made(
            [(f"{long}x", "", "", "", "", ""), (f"{long}Y", "", "", "", "", "")], mapped, tmp_path / "a"
        ).select(Filters(text=f"{long}y".upper())).indices.tolist() == [1]


@pytest.mark.parametrize(
    "wrong", [Filters(sort="nothing"), Filters(sort="length(nothing)"), Filters(text="a", columns=("nothing",))]
)
def test_what_cannot_be_asked_is_said(tmp_path: Path, wrong: Filters) -> None:
    with pytest.raises(DataError, match="nothing"):
        made([("a", "", "", "", "", "")], False, tmp_path / "a").select(wrong)


# -- conditions --

ROWS: list[Texts] = [(f"q{i}", "", "r" * i, f"it's {i}", ("English", "日本語")[i % 2], "") for i in range(10)]


@pytest.fixture(scope="module", params=[False, True], ids=["held", "mapped"])
def data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return made(ROWS, request.param, tmp_path_factory.mktemp("where") / "rows.jsonl")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("length(reasoning) > 7", [8, 9]),
        ("row IN (3, 5) -- a remark", [3, 5]),
        ("syslang = '日本語' AND row < 4", [1, 3]),
        ("length(reasoning) > (SELECT avg(length(reasoning)) FROM rows)", [5, 6, 7, 8, 9]),
        ("output LIKE 'it''s 7'", [7]),
        ("regexp_matches(instruction, 'Q[12]', 'i')", [1, 2]),
        ("NULL", []),
    ],
)
def test_a_condition(data: DataSet, line: str, wanted: list[int]) -> None:
    assert data.select(Filters(where=line)).indices.tolist() == wanted


def test_a_condition_with_everything_else(data: DataSet) -> None:
    found = data.select(
        Filters(syslang="English", text="IT", where="row > 1", sort="length(reasoning)", descending=True)
    )
    assert found.indices.tolist() == [8, 6, 4, 2]
    assert data.select(Filters(where="  ")).indices.tolist() == list(range(10))


def test_a_condition_sees_the_rows_as_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.editing.bulk_edits.FEW_ROWS", 2)
    for mapped in (False, True):
        with open_editor(made(ROWS, mapped, tmp_path / f"{mapped}.jsonl")) as editor:
            editor.change(2, {"output": "mended"})
            editor.delete([3])
            editor.fill(range(4, 8), "sysflag", "some")
            new = editor.add({"instruction": "new", "output": "mended"}, after=0)
            edited = editor.dataset
        assert edited.select(Filters(where="output = 'mended'")).indices.tolist() == [new, 2]
        assert edited.select(Filters(where="sysflag = 'some' OR row = 3")).indices.tolist() == [4, 5, 6, 7]
        assert len(edited.select(Filters(where="(SELECT count(*) FROM rows) = 10"))) == 10


HOSTILE = {
    "1=1); DROP VIEW rows; --": "syntax error",
    "1=1 UNION SELECT 5": "modifiers",
    "true; SELECT 1": "",
    "true LIMIT 1": "modifiers",
    "true, false": "single expression",
    "SELECT true": "syntax error",
    "COPY rows TO '{secret}.out'": "",
    "ATTACH '{secret}.db'": "",
    "PRAGMA version": "",
    "SET memory_limit = '9GB'": "",
    "EXISTS (FROM read_csv('{secret}'))": "disabled by configuration",
    "EXISTS (FROM '{secret}')": "disabled by configuration",
    "EXISTS (FROM read_text('/etc/passwd'))": "disabled by configuration",
    "EXISTS (FROM glob('/etc/*'))": "disabled by configuration",
    "EXISTS (FROM read_parquet('https://example.invalid/a'))": "",
    "EXISTS (FROM whole)": "does not exist",
    "EXISTS (FROM query('DROP VIEW rows'))": "SELECT",
    "getenv('HOME') = ''": "does not exist",
    "instruktion = 'a'": "instruction",
    "(row = 1": "syntax error",
    "row = 1)": "syntax error",
    "output = 'x": "unterminated",
    "count(*) > 1": "aggregates",
    "instruction": "BOOL",
    "row = ?": "parameter",
    "-- nothing": "",
    "(" * 3000 + "true" + ")" * 3000: "depth",
    "length(repeat('x', 1000000000000)) > 0": "",
}


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_condition_on_the_rows_ends_in_words(tmp_path: Path, line: str) -> None:
    data = made(ROWS, True, tmp_path / "rows.jsonl")
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with pytest.raises(DataError) as caught:
        data.select(Filters(where=line.replace("{secret}", str(secret))))
    assert HOSTILE[line] in caught.value.what and caught.value.do and "\n" not in caught.value.what
    assert sorted(os.listdir(tmp_path)) == ["secret.csv"]


@pytest.mark.parametrize("line", ["len(range(900000000 + row)) > 0", "length(repeat(instruction, 900000000)) > 0"])
def test_a_condition_that_eats_memory_costs_itself(tmp_path: Path, line: str) -> None:
    data = made(ROWS, True, tmp_path / "rows.jsonl")
    with pytest.raises(DataError, match="more memory than there is"):
        data.select(Filters(where=line))


ENDLESS = "(WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t) > 1"


def test_a_condition_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made(ROWS, False, tmp_path / "rows.jsonl")
    monkeypatch.setattr(sql, "SECONDS", 0.5)
    with pytest.raises(DataError, match="not answered within"):
        data.select(Filters(where=ENDLESS))


def test_a_newer_question_ends_an_older(data: DataSet) -> None:
    ended: list[BaseException] = []
    watched = threading.Event()
    watch = sql.Ticket.watch

    def ask() -> None:
        try:
            data.select(Filters(where=ENDLESS))
        except BaseException as error:
            ended.append(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sql.Ticket, "watch", lambda ticket, end: (watch(ticket, end), watched.set()))
        thread = threading.Thread(target=ask)
        thread.start()
        assert watched.wait(10)
        data.interrupt()
        thread.join(10)
    assert [type(error) for error in ended] == [Interrupted]
    assert len(data.select(Filters(text="q"))) == 10
    searching = data.search(Filters(text="q"))
    data.interrupt()
    with pytest.raises(Interrupted):
        list(searching)


def test_hits_come_before_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.search.search_arrow._GROWTH_SECONDS", 0.0)
    growing = list(
        made([(f"q{i}", "", "", "", "", "") for i in range(100)], True, tmp_path / "a", batch=10).search(
            Filters(text="5")
        )
    )
    assert len(growing) == 11 and growing[0].page(0, 9)[0] == Row("q5", index=5) and growing[0].share == 0.1
    assert [part.share for part in growing] == sorted(part.share for part in growing) and len(growing[-1]) == 19


def test_text_search_imports_no_duckdb() -> None:
    code = """
import sys
from pathlib import Path
from tests.support.data import made
from core.data.filters import Filters
rows = [("q", "", "", "a", "", "")]
made(rows, False, Path("a")).select(Filters(text="q", sort="length"))
assert not {"pyarrow", "numpy", "duckdb"} & set(sys.modules), "held"
made(rows, True, Path("a")).select(Filters(text="q", sort="length"))
assert not {"duckdb", "pandas"} & set(sys.modules), "mapped"
"""
    root = Path(__file__).resolve().parents[4]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
