"""SQL conditions: they reach the rows and nothing else, end in words, and a newer query cancels an older one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from core.base.errors import DataError
from core.data.dataset import DataSet
from core.data.editing.editor import open_editor
from core.data.filters import RowFilters
from core.data.search import running_queries, sql
from core.data.search.running_queries import QueryInterrupted
from tests.support.data import Texts, made

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
    assert data.select(RowFilters(where=line)).indices.tolist() == wanted


def test_a_condition_with_everything_else(data: DataSet) -> None:
    found = data.select(
        RowFilters(syslang="English", text="IT", where="row > 1", sort="length(reasoning)", descending=True)
    )
    assert found.indices.tolist() == [8, 6, 4, 2]
    assert data.select(RowFilters(where="  ")).indices.tolist() == list(range(10))


def test_a_condition_sees_the_rows_as_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.data.editing.bulk_edits.FEW_ROWS", 2)
    for mapped in (False, True):
        with open_editor(made(ROWS, mapped, tmp_path / f"{mapped}.jsonl")) as editor:
            editor.change(2, {"output": "mended"})
            editor.delete([3])
            editor.fill(range(4, 8), "sysflag", "some")
            new = editor.add({"instruction": "new", "output": "mended"}, after=0)
            edited = editor.dataset
        assert edited.select(RowFilters(where="output = 'mended'")).indices.tolist() == [new, 2]
        assert edited.select(RowFilters(where="sysflag = 'some' OR row = 3")).indices.tolist() == [4, 5, 6, 7]
        assert len(edited.select(RowFilters(where="(SELECT count(*) FROM rows) = 10"))) == 10


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
        data.select(RowFilters(where=line.replace("{secret}", str(secret))))
    assert HOSTILE[line] in caught.value.what and caught.value.do and "\n" not in caught.value.what
    assert sorted(os.listdir(tmp_path)) == ["secret.csv"]


@pytest.mark.parametrize("line", ["len(range(900000000 + row)) > 0", "length(repeat(instruction, 900000000)) > 0"])
def test_a_condition_that_eats_memory_costs_itself(tmp_path: Path, line: str) -> None:
    data = made(ROWS, True, tmp_path / "rows.jsonl")
    with pytest.raises(DataError, match="more memory than is available"):
        data.select(RowFilters(where=line))


ENDLESS = "(WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t) > 1"


def test_a_condition_without_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = made(ROWS, False, tmp_path / "rows.jsonl")
    monkeypatch.setattr(sql, "SECONDS", 0.5)
    with pytest.raises(DataError, match="took more than"):
        data.select(RowFilters(where=ENDLESS))


def test_a_newer_question_ends_an_older(data: DataSet) -> None:
    ended: list[BaseException] = []
    watched = threading.Event()
    watch = running_queries.QueryTicket.watch

    def ask() -> None:
        try:
            data.select(RowFilters(where=ENDLESS))
        except BaseException as error:
            ended.append(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running_queries.QueryTicket, "watch", lambda ticket, end: (watch(ticket, end), watched.set()))
        thread = threading.Thread(target=ask)
        thread.start()
        assert watched.wait(10)
        data.interrupt()
        thread.join(10)
    assert [type(error) for error in ended] == [QueryInterrupted]
    assert len(data.select(RowFilters(text="q"))) == 10
    searching = data.search(RowFilters(text="q"))
    data.interrupt()
    with pytest.raises(QueryInterrupted):
        list(searching)
