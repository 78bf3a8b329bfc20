"""The delimiter and the header of a table, and what to do where there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.base.errors import DataError, UsageError
from core.data import source as source_module
from core.data.column_names_file import parse_names
from core.data.formats.delimiters import likely_delimiter, looks_like_row, separator_line
from core.data.importing.column_choice import read_column_choice
from core.data.source import finish_import, open_data, open_early

NO_HEADER = "3に4を足すと？\t7\n4に4を足すと？\t8\n5に4を足すと？\t9\n"


@pytest.mark.parametrize(
    "names",
    [
        ["instruction", "output"],
        ["Question", "Model Answer (v2)"],
        ["質問", "思考過程", "回答"],
        ["どの質問", "回答"],
        ["分类", "备注", "难度"],
        ["", "instruction", "output"],
        ["id", "Unnamed: 0", "is_correct", "r1_solution_2"],
        ["prompt.text", "meta/source"],
    ],
)
def test_names_are_a_header(names: list[str]) -> None:
    assert not looks_like_row(names)


@pytest.mark.parametrize(
    "cells",
    [
        ["3に4を足すと？", "7"],
        ["What is the sum?", "seven"],
        ["instruction", "1,024"],
        ["0", "1"],
        ["富士山は高い。", "はい"],
        ["日本の首都はどこ", "東京"],
        ["中国的首都是哪里", "北京"],
        ["今天下雨了", "是"],
        ["犬を英語に訳してください", "dog"],
        ["안녕하세요", "네"],
        ["Write a poem about the sea and the sky", "Blue"],
        ["q", "https://example.org"],
        ["x" * 61, "y"],
        ["It is so. It stays.", "a"],
    ],
)
def test_numbers_sentences_and_long_texts_are_a_row(cells: list[str]) -> None:
    assert looks_like_row(cells)


@pytest.mark.parametrize(
    ("lines", "default", "delimiter"),
    [
        (["a,b", "1,2"], ",", ","),
        (["a\tb", "1, and\t2"], ",", "\t"),
        (["a;b", "1,5;2,5"], ",", ";"),
        (["a, or b;c", "1;2", "3;4"], ",", ";"),
        (["a,b", "1;5,2", "2;x;y,3"], ";", ","),
        (["only"], ",", ","),
        ([], "\t", "\t"),
    ],
)
def test_the_delimiter_makes_rows_equally_wide(lines: list[str], default: str, delimiter: str) -> None:
    assert likely_delimiter(lines, default) == delimiter


def test_the_line_with_which_excel_names_the_delimiter() -> None:
    assert separator_line("sep=;\r\n") == ";" and separator_line('"sep=\t"\n') == "\t"
    assert separator_line("separator\n") == separator_line("sep=;;\n") == ""


def test_a_table_without_a_header_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(NO_HEADER)
    with pytest.raises(DataError) as caught:
        open_data(str(path))
    assert "looks like a row, not names: 3に4を足すと？, 7" in caught.value.what
    assert "--names instruction,output" in caught.value.do
    assert read_column_choice(str(path)).lacks_names
    path.write_text("foo\tbar\n1\t2\n")
    with pytest.raises(DataError, match="its columns are: foo, bar"):
        open_data(str(path))


@pytest.mark.parametrize("first", ["", "Instruction\toutput\n", "0\t1\n"])
def test_names_that_are_given(tmp_path: Path, first: str) -> None:
    """A first line that repeats or numbers them is no row."""
    path = tmp_path / "a.tsv"
    path.write_text(first + NO_HEADER)
    data = open_data(str(path), names=("instruction", "output"))
    assert len(data) == 3 and (data.row(0).instruction, data.row(0).output) == ("3に4を足すと？", "7")
    assert data.fingerprint != open_data(str(path), names=("output", "instruction")).fingerprint


@pytest.mark.parametrize("in_memory", [True, False])
def test_saved_names_open_the_same_rows_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: bool
) -> None:
    if not in_memory:
        monkeypatch.setattr(source_module, "_SMALL", -1)
    path = tmp_path / "a.csv"
    path.write_text(NO_HEADER.replace("\t", ","))
    choice = read_column_choice(str(path), names=("question", "answer"))
    assert not choice.lacks_names and choice.names == ("question", "answer")
    choice.keep(choice.mapping)
    assert json.loads((tmp_path / "a.csv.suiron" / "names.json").read_bytes()) == {"names": ["question", "answer"]}
    for data in (open_data(str(path)), finish_import(open_early(str(path)))):
        assert [row.output for batch in data.batches() for row in batch] == ["7", "8", "9"]
        assert data.origin is not None and data.origin.files.names == ("question", "answer")
    (tmp_path / "a.csv.suiron" / "names.json").write_text("[")
    with pytest.raises(DataError, match="saved names of the columns cannot be read"):
        open_data(str(path))


def test_names_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(NO_HEADER)
    with pytest.raises(DataError, match="1 name for its columns, but its rows have 2 fields"):
        open_data(str(tmp_path / "a.tsv"), names=("instruction",))
    (tmp_path / "a.jsonl").write_text('{"instruction": "q", "output": "a"}')
    with pytest.raises(DataError, match="only a CSV or TSV file can lack them"):
        open_data(str(tmp_path / "a.jsonl"), names=("instruction", "output"))
    for words in ("a,,b", "a,a"):
        with pytest.raises(UsageError):
            parse_names(words)
    assert parse_names("") == () and parse_names(" a , b") == ("a", "b")


def test_a_short_table_without_known_names_may_lack_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("犬,dog\n猫,cat\n鳥,bird\n")
    with pytest.raises(DataError, match="If the first line is a row, name the columns: --names instruction,output"):
        open_data(str(tmp_path / "a.csv"))
