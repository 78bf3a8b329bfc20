"""What is wrong is named by file and row, and the good rows stay."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.base.errors import DataError
from core.data import source as source_module
from core.data.filters import RowFilters
from core.data.formats.text_encoding import guess_encoding
from core.data.problems import MAX_KEPT
from core.data.source import finish_import, open_data, open_early

GOOD = '{"instruction": "q", "output": "a"}'
JAPANESE = "富士山の高さはどのくらいですか。推論の過程も書いてください。"
CHINESE = "小明有五个苹果，他吃了两个，还剩几个？请写出推理过程。"


@pytest.fixture(params=["held", "mapped"], autouse=True)
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "mapped":
        monkeypatch.setattr(source_module, "_SMALL", -1)


def problems(path: Path) -> list[tuple[int, str]]:
    data = open_data(str(path))
    assert data.problem_count == len(data.problems)
    return [(problem.row, problem.what) for problem in data.problems]


def failure(source: object, split: str = "") -> DataError:
    with pytest.raises(DataError) as caught:
        open_data(str(source), split)
    error = caught.value
    assert error.what and error.where and error.do
    assert not error.what.endswith(".") and not error.do.endswith(".")
    return error


def test_bad_lines_are_named_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        GOOD.encode(),
        b"{not json",
        b"",
        b"[1, 2]",
        b'"text"',
        b"7",
        b'{"instruction": "\xff", "output": "a"}',
        b'{"instruction": "q"}',
        b'{"instruction": "q", "output": null}',
        b'{"instruction": " ", "output": ""}',
        b'{"instruction": "", "output": "only an answer"}',
        b"[" * 100_000,
        b'{"instruction": "q", "output": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        GOOD.encode()[:-3],
    ]
    path.write_bytes(b"\r\n".join(lines))
    data = open_data(str(path))
    assert len(data) == 2
    found = {problem.row: problem.what for problem in data.problems}
    assert list(found) == [2, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14]
    assert "not JSON" in found[2] and "a list" in found[4] and "a text" in found[5] and "a number" in found[6]
    assert "byte 18" in found[7] and "0xFF" in found[7]
    assert found[8] == found[9] == "output is missing or null" and "both empty" in found[10]
    assert "nested" in found[12] and "nested" in found[13] and "not JSON" in found[14]


def test_problems_are_capped_and_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("no\n" * 3000 + GOOD)
    data = open_data(str(tmp_path / "a.jsonl"))
    assert (len(data.problems), data.problem_count, len(data)) == (MAX_KEPT, 3000, 1)


def test_bad_csv_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        b'instruction,output\n"two\nlines",a\ntoo,many,fields\nfew\n\n"",""\nbad \xe3\x81 bytes,a\n'
        b'last,"good, row"\n"open quote,a\nswallowed,b\n'
    )
    data = open_data(str(path))
    assert [(row.instruction, row.output) for row in data.select(RowFilters()).page(0, 9)] == [
        ("two\nlines", "a"),
        ("last", "good, row"),
        ("swallowed", "b"),
    ]
    found = {problem.row: problem.what for problem in data.problems}
    assert list(found) == [4, 5, 7, 8, 10]
    assert found[4] == "3 fields where the header has 2" and "1 field where" in found[5] and "both empty" in found[7]
    assert "not UTF-8" in found[8] and "not closed" in found[10]


def test_a_broken_array_keeps_what_came_before(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(f'[\n{GOOD},\n"no object",\n{GOOD},\n{{"instruction": oops')
    data = open_data(str(path))
    assert len(data) == 2
    assert [problem.row for problem in data.problems] == [2, 4] and "line 5" in data.problems[1].what
    path.write_bytes(b'[{"instruction": "q", "output": "\xff"}, ' + GOOD.encode() + b"]")
    assert problems(path)[0][0] == 1 and "not UTF-8" in problems(path)[0][1]


def test_bad_parquet_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    broken = pa.Array.from_buffers(pa.string(), 4, pa.array([b"ok", b"\xff\xfe", b"x", b""]).buffers())
    pq.write_table(pa.table({"instruction": broken, "output": ["a", "b", None, " "]}), path)
    assert [row for row, _ in problems(path)] == [2, 2, 3, 4] and len(open_data(str(path))) == 1


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".json"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marked_encodings_are_read(tmp_path: Path, ending: str, encoding: str) -> None:
    row = {"instruction": JAPANESE, "output": CHINESE}
    text = (
        json.dumps([row] if ending == ".json" else row, ensure_ascii=False)
        if ending != ".csv"
        else f"instruction,output\n{JAPANESE},{CHINESE}"
    )
    (tmp_path / f"a{ending}").write_bytes(text.encode(encoding))
    only = open_data(str(tmp_path / f"a{ending}")).row(0)
    assert (only.instruction, only.output) == (JAPANESE, CHINESE)


@pytest.mark.parametrize(
    ("text", "encoding", "name"),
    [
        (JAPANESE, "cp932", "CP932"),
        (JAPANESE, "euc_jp", "EUC-JP"),
        (CHINESE, "gb18030", "GB18030"),
        ("Le café d'à côté et la gare sont là", "cp1252", "CP1252"),
    ],
)
def test_other_encodings_are_recognised(tmp_path: Path, text: str, encoding: str, name: str) -> None:
    assert guess_encoding(text.encode(encoding)) == name
    line = json.dumps({"instruction": text, "output": text}, ensure_ascii=False).encode(encoding)
    (tmp_path / "a.jsonl").write_bytes(line + b"\n" + line)
    (tmp_path / "b.jsonl").write_bytes(line + b"\n" + GOOD.encode())
    (tmp_path / "a.csv").write_bytes(f"instruction,output,{text}\n{text},2,3\n".encode(encoding))
    for file, rows in (("a.jsonl", 2), ("b.jsonl", 2), ("a.csv", 1)):
        data = open_data(str(tmp_path / file))
        assert len(data) == rows and data.row(0).instruction == text and not data.problems
        assert data.notes == [f"read as {name}, in which it is written instead of UTF-8"]


def test_an_encoding_that_is_not_certain_is_named_and_not_read(tmp_path: Path) -> None:
    polish = "Zażółć gęślą jaźń, nie wiem co to jest"
    line = json.dumps({"instruction": polish, "output": polish}, ensure_ascii=False).encode("cp1250")
    (tmp_path / "a.jsonl").write_bytes(line + b"\n" + line)
    error = failure(tmp_path / "a.jsonl")
    assert "0x" in error.what and "iconv -f" in error.do
    (tmp_path / "a.csv").write_bytes(f"instruction,output,{polish}\n1,2,3\n".encode("cp1250"))
    assert "header" in failure(tmp_path / "a.csv").what


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_without_a_mark(tmp_path: Path, encoding: str) -> None:
    row = json.dumps({"instruction": JAPANESE, "output": "a"}, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_bytes(row.encode(encoding))
    data = open_data(str(tmp_path / "a.jsonl"))
    assert data.row(0).instruction == JAPANESE and "UTF-" in data.notes[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.jsonl", b"", "empty"),
        ("blank.jsonl", b"\n\n", "no rows"),
        ("none.json", b"[]", "no rows"),
        ("head.csv", b"instruction,output\n", "no rows"),
        ("columns.csv", b"foo,bar\n1,2\n", "foo, bar"),
        (
            "columns.jsonl",
            b'{"foo": 1, "instruction": 2}\n',
            "output cannot be found; its columns are: foo, instruction",
        ),
        ("two.csv", b"question,answer,answer\n1,2,3\n", "answer, answer"),
        ("bad.parquet", b"PAR1 no", "not a complete Parquet"),
        ("rows.xlsx", b"PK", ".xlsx are not known"),
        ("rows", b"x", "no suffix"),
        ("all_bad.jsonl", b"no\nno\n", "none of its 2 rows"),
        ("broken.json", b'{"instruction": "q", ', "not JSON"),
    ],
)
def test_sources_without_rows(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    error = failure(tmp_path / name)
    assert says in error.what and error.where == str(tmp_path / name)


def test_places_without_data(tmp_path: Path) -> None:
    assert "no such file" in failure(tmp_path / "missing.jsonl").what
    assert "no such file" in failure("data/rows.jsonl").what
    assert "no data in the folder" in failure(tmp_path).what
    assert "csv" in failure(tmp_path).do and "null byte" in failure("\0").what
    os.mkfifo(tmp_path / "pipe.jsonl")
    assert "not a regular file" in failure(tmp_path / "pipe.jsonl").what
    (tmp_path / "a.jsonl").write_text(GOOD)
    assert "no split train" in failure(tmp_path / "a.jsonl", "train").what


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jsonl").write_text(GOOD)

    def refuse(*_: object) -> None:  # root, who runs tests in containers, is refused nothing by the mode
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "open", refuse)
    error = failure(tmp_path / "a.jsonl")
    assert "Permission denied" in error.what and "who may read" in error.do


def test_saved_data_set_that_points_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../../secret.arrow"}]}))
    assert "outside" in failure(tmp_path).what
    (tmp_path / "state.json").write_text("{")
    assert "cannot be read" in failure(tmp_path).what


def test_a_shard_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "part-01.jsonl").write_text(GOOD)
    (tmp_path / "part-02.jsonl").write_bytes(pa.Codec("zstd").compress(GOOD.encode() * 99, asbytes=True)[:12])
    (tmp_path / "part-03.jsonl").write_text(GOOD)
    data = open_data(str(tmp_path))
    assert len(data) == 2 and [(problem.file, problem.row) for problem in data.problems] == [("part-02.jsonl", 0)]
    assert "zstd" in data.problems[0].what


def test_a_csv_shard_with_another_header(tmp_path: Path) -> None:
    (tmp_path / "part-01.csv").write_text("instruction,output\nq1,a1\n")
    (tmp_path / "part-02.csv").write_text("foo,bar\n1,2\n")
    data = open_data(str(tmp_path))
    assert len(data) == 1 and data.problems[0].file == "part-02.csv" and data.problem_count == 1


def test_a_parquet_shard_of_another_schema(tmp_path: Path) -> None:
    pq.write_table(pa.table({"instruction": ["q1"], "output": ["a1"]}), tmp_path / "part-01.parquet")
    pq.write_table(pa.table({"foo": [1], "bar": [2]}), tmp_path / "part-02.parquet")
    pq.write_table(pa.table({"output": [5], "instruction": ["q3"]}), tmp_path / "part-03.parquet")
    early = open_early(str(tmp_path))
    assert [row.instruction for row in early.select(RowFilters()).page(0, 9)] == [
        "q1",
        "(row 2: the file lacks a column that the others have)",
        "q3",
    ]
    for data in (open_data(str(tmp_path)), finish_import(early)):
        assert [(row.instruction, row.output) for row in data.select(RowFilters()).page(0, 9)] == [
            ("q1", "a1"),
            ("q3", "5"),
        ]
        assert [(problem.file, problem.row) for problem in data.problems] == [("part-02.parquet", 0)]


def test_mixed_encodings(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    line = json.dumps({"instruction": JAPANESE, "output": "a"}, ensure_ascii=False)
    path.write_bytes(b"\n".join(line.encode(encoding) for encoding in ("utf-8", "cp932", "utf-8", "euc_jp")))
    assert [row for row, _ in problems(path)] == [2, 4] and len(open_data(str(path))) == 2


def test_duplicate_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("instruction,note,output,note\nq,1,a,2\n")
    assert open_data(str(tmp_path / "a.csv")).row(0).output == "a"
    values, names = [pa.array([value]) for value in ("q", "1", "a", "2")], ["instruction", "note", "output", "note"]
    pq.write_table(pa.Table.from_arrays(values, names=names), tmp_path / "a.parquet")
    assert open_data(str(tmp_path / "a.parquet")).row(0).output == "a"
    assert open_early(str(tmp_path / "a.parquet")).row(0).output == "a"
    pq.write_table(
        pa.Table.from_arrays([pa.array([v]) for v in ("q", "1", "a")], names=["instruction", "output", "output"]),
        tmp_path / "b.parquet",
    )
    assert "output, output" in failure(tmp_path / "b.parquet").what


def test_nested_values_where_text_is_expected(tmp_path: Path) -> None:
    rows = [{"instruction": "q", "output": text} for text in ("a", ["a", {"b": None}], "c", {"d": 1, "e": 2}, *"fghi")]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = open_data(str(tmp_path / "a.jsonl"))
    assert [data.row(index).output for index in range(len(data))] == ["a", "c", *"fghi"]
    assert [(problem.row, problem.what) for problem in data.problems] == [
        (2, "output: it is a list of 2, not a text"),
        (4, "output: it is an object (d, e), not a text"),
    ]


def test_a_stray_quote_in_csv(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('instruction,output\nq1,a1\nq2,a "stray" quote\n5" disk,a3\nq4,"open\nq5,a5\n')
    data = open_data(str(path))
    assert [row.instruction for row in data.select(RowFilters()).page(0, 9)][:3] == [
        "q1",
        "q2",
        '5" disk',
    ] and data.row(1).output == 'a "stray" quote'


def test_a_folder_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert "Permission denied" in failure(tmp_path).what


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('"q 5,5', "text follows a closing quote"),  # swallows what follows, up to the next quote
        ('q 5,"5', "text follows a closing quote"),
        ('"a "stray" one",5', "text follows a closing quote"),
    ],
)
def test_a_wrong_quote_in_csv_costs_its_own_line_alone(tmp_path: Path, line: str, words: str) -> None:
    lines = [f'"q {number}",{number}' for number in range(10)]
    lines[5] = line
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["instruction,output", *lines]) + "\n")
    data = open_data(str(path))
    assert [row.output for row in data.select(RowFilters()).page(0, 20)] == [
        str(number) for number in range(10) if number != 5
    ]
    assert [problem.row for problem in data.problems] == [7] and words in data.problems[0].what


def test_a_quote_that_is_never_closed_costs_its_own_line_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    lines = ["instruction,output", *(f"q {number},{number}" for number in range(300))]
    lines[11] = '"q 10,10'
    path.write_text("\n".join(lines) + "\n")
    for longest in (50_000, 20):
        monkeypatch.setattr("core.data.formats.delimited._LONGEST_ROW", longest)
        path.touch()
        data = open_data(str(path))
        assert len(data) == 299 and data.row(10).output == "11"
        assert [problem.row for problem in data.problems] == [12] and "not closed" in data.problems[0].what


def test_bad_bytes_in_a_line_that_a_wrong_quote_had_swallowed(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'instruction,output\n"open,a\nq1,a1\nbad \xe3\x81,a2\nq3,a3\n')
    data = open_data(str(path))
    assert [row.output for row in data.select(RowFilters()).page(0, 9)] == ["a1", "a3"]
    assert [problem.row for problem in data.problems] == [2, 4]
