"""An encoding is read where the text itself says which it is, and never where that is not certain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data import source as source_module
from core.data.formats.text_encoding import judge_encoding
from core.data.source import finish_import, open_data, open_early

TEXTS = {
    "Japanese": "富士山の高さはどのくらいですか。推論の過程も書いてください。カタカナもあります。",
    "Chinese": "小明有五个苹果，他吃了两个，还剩几个？请写出推理过程。这是一个关于数学的问题。",
    "Taiwan": "小明有五個蘋果，他吃了兩個，還剩幾個？請寫出推理過程。這是一個關於數學的問題。",
    "Korean": "사과가 다섯 개 있습니다. 두 개를 먹었습니다. 몇 개가 남았을까요? 이 문제를 풀어 보세요.",
    "Russian": "У Миши было пять яблок, он съел два. Сколько яблок осталось? Напиши рассуждение.",
    "French": "Le café d'à côté est fermé, où est-ce que les élèves vont déjeuner ?",
    "German": "Die Straße ist nicht für Fußgänger, und das Mädchen läuft über die Brücke.",
    "English": "It’s the user’s “question” – and that is what we don’t know.",
    "Czech": "Příliš žluťoučký kůň úpěl ďábelské ódy, a je to v pořádku.",
    "Polish": "Zażółć gęślą jaźń, nie wiem co to jest, ale w tym roku.",
    "Turkish": "Bugün hava çok güzel ve şehir kalabalık değil, ışık var.",
    "Greek": "Το σπίτι είναι μεγάλο και όμορφο, πού είναι η πόρτα;",
}


def lines(text: str, encoding: str, count: int = 3) -> bytes:
    return (json.dumps({"instruction": text, "output": text}, ensure_ascii=False) + "\n").encode(encoding) * count


@pytest.mark.parametrize(
    ("language", "encoding", "label"),
    [
        ("Japanese", "cp932", "CP932"),
        ("Japanese", "euc_jp", "EUC-JP"),
        ("Chinese", "gb18030", "GB18030"),
        ("Taiwan", "big5", "BIG5"),
        ("Korean", "euc_kr", "EUC-KR"),
        ("Russian", "cp1251", "CP1251"),
        ("Russian", "koi8_r", "KOI8-R"),
        ("French", "cp1252", "CP1252"),
        ("French", "latin-1", "CP1252"),
        ("German", "cp1252", "CP1252"),
        ("English", "cp1252", "CP1252"),
    ],
)
def test_what_reads_like_its_language_is_certain(language: str, encoding: str, label: str) -> None:
    found = judge_encoding([lines(TEXTS[language], encoding)])
    assert found is not None and (found.label, found.is_certain) == (label, True)


@pytest.mark.parametrize(
    ("language", "encoding"),
    [("Czech", "cp1250"), ("Polish", "cp1250"), ("Turkish", "cp1254"), ("Greek", "cp1253"), ("Russian", "cp866"),
     ("French", "mac_roman"), ("German", "cp437"), ("Russian", "iso8859_5")],
)  # fmt: skip
def test_what_does_not_is_never_read(language: str, encoding: str) -> None:
    found = judge_encoding([lines(TEXTS[language], encoding)])
    assert found is None or not found.is_certain


@given(st.text(), st.integers(0, 40), st.integers(0, 40))
def test_utf_8_is_never_taken_for_another(text: str, start: int, stop: int) -> None:
    content = text.encode("utf-8", "replace")
    assert judge_encoding([content]) is None
    cut = content[start : max(start, len(content) - stop)]
    assert judge_encoding([content, cut]) is None


@pytest.mark.parametrize("encoding", ["cp932", "gb18030", "cp1252", "utf-16"])
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_long_beginning_in_ascii(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, in_memory: bool
) -> None:
    """The rest of the file is looked at, too."""
    if not in_memory:
        monkeypatch.setattr(source_module, "_SMALL", -1)
    text = {"cp932": "Japanese", "gb18030": "Chinese"}.get(encoding, "French")
    ascii_rows = json.dumps({"instruction": "q" * 100, "output": "a"}) + "\n"
    other = json.dumps({"instruction": TEXTS[text], "output": "a"}, ensure_ascii=False) + "\n"
    path = tmp_path / "a.jsonl"
    path.write_bytes((ascii_rows * 1000 + other * 400).encode(encoding))
    for data in (open_data(str(path)), finish_import(open_early(str(path)))):
        assert len(data) == 1400 and data.row(1399).instruction == TEXTS[text] and not data.problem_count
        assert len(data.notes) == 1 and "read as" in data.notes[0]


def test_a_damaged_line_in_a_known_encoding_is_a_problem_of_its_own(tmp_path: Path) -> None:
    good = lines(TEXTS["Japanese"], "cp932", 150)
    path = tmp_path / "a.jsonl"
    path.write_bytes(good + b'{"instruction": "\x81", "output": "a"}\n' + good)
    data = open_data(str(path))
    assert len(data) == 300 and data.row(299).instruction == TEXTS["Japanese"]
    assert [problem.row for problem in data.problems] == [151]


def test_a_file_with_some_lines_of_utf_8_is_no_single_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines(TEXTS["Japanese"], "cp932") + lines(TEXTS["Japanese"], "utf-8"))
    data = open_data(str(path))
    assert len(data) == 3 and [problem.row for problem in data.problems] == [1, 2, 3] and data.notes == []


def test_a_header_without_kana_is_judged_by_the_rows_below_it(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"質問,回答\n{TEXTS['Japanese']},七です。\n".encode("cp932"))
    assert open_data(str(path)).row(0).output == "七です。"
