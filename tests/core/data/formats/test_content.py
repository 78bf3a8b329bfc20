"""What a file holds decides how it is read, not what it is called; what is read over is said once."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.base.errors import DataError
from core.data import source as source_module
from core.data.dataset import DataSet
from core.data.formats.content import content_of
from core.data.formats.json_shape import json_shape
from core.data.source import finish_import, open_data, open_early

ROWS = [{"instruction": f"q{i} 富士山", "output": f"a{i}"} for i in range(4)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
TABLE = "instruction,output\n" + "".join(f"{row['instruction']},{row['output']}\n" for row in ROWS)
ARRAY = json.dumps(ROWS, indent=1)
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0a1b\nsize 123456789\n"


def texts(data: DataSet) -> list[dict[str, str]]:
    return [{"instruction": row.instruction, "output": row.output} for batch in data.batches() for row in batch]


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS), sink)
    return sink.getvalue().to_pybytes()


def arrow() -> bytes:
    table = pa.Table.from_pylist(ROWS)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("array.jsonl", ARRAY, "read as one JSON document"),
        ("array_on_one_line.jsonl", json.dumps(ROWS), "read as one JSON document"),
        ("array.csv", ARRAY, "read as one JSON document"),
        ("lines.json", LINES, "read as JSON Lines"),
        ("lines.csv", LINES, "read as JSON Lines"),
        ("lines.txt", LINES, "read as JSON Lines, by its content"),
        ("lines", LINES, "read as JSON Lines, by its content"),
        ("table.json", TABLE, "read as CSV"),
        ("table.jsonl", TABLE, "read as CSV"),
        ("table.txt", TABLE, "read as CSV, by its content"),
        ("table.tsv", TABLE, ""),
        ("tabs.csv", TABLE.replace(",", "\t"), ""),
        ("semicolons.csv", TABLE.replace(",", ";"), ""),
        ("bars.csv", TABLE.replace(",", "|"), ""),
        ("separator.csv", "sep=;\r\n" + TABLE.replace(",", ";"), ""),
        ("mark.csv", "\ufeff" + TABLE, ""),
        ("pretty.jsonl", "\n".join(json.dumps(row, indent=2) for row in ROWS), "one after the other"),
        ("joined.jsonl", "".join(map(json.dumps, ROWS)), "one after the other"),
        ("some_joined.jsonl", LINES.replace('a1"}\n{', 'a1"}{'), "several objects stand on one line"),
        ("commas.jsonl", LINES.replace("}\n", "},\n"), "commas"),
        ("commas_crlf.jsonl", LINES.replace("}\n", "},\r\n"), "commas"),
        ("commas.json", LINES.replace("}\n", "},\n"), "commas"),
        ("comments.jsonl", "// mine\n" + LINES.replace("}\n", "}\n# theirs\n"), "comments"),
        ("blank.jsonl", "\n" + LINES.replace("}\n", "}\n\n"), ""),
        ("arrays.jsonl", json.dumps(ROWS[:2]) + "\n" + json.dumps(ROWS[2:]), "read as one JSON document"),
        ("comma_at_end.json", ARRAY[:-1].rstrip() + ",\n]", ""),
        ("rows.jsonl", parquet(), "read as Parquet"),
        ("rows.json", arrow(), "read as Arrow"),
        ("rows.bin", parquet(), "read as Parquet, by its content"),
        ("packed.jsonl", gzip.compress(LINES.encode()), ""),
        ("packed.txt", gzip.compress(ARRAY.encode()), "read as one JSON document"),
        ("plain.jsonl", LINES, ""),
        ("plain.json", ARRAY, ""),
        ("plain.csv", TABLE, ""),
    ],
    # Bytes have gaps and times in them: as names they would differ from process to process.
    ids=lambda value: value if isinstance(value, str) and "\n" not in value and len(value) < 50 else "content",
)
def test_the_content_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str | bytes, note: str, in_memory: bool
) -> None:
    if not in_memory:
        monkeypatch.setattr(source_module, "_SMALL", -1)
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for data in (open_data(str(path)), finish_import(open_early(str(path)))):
        assert texts(data) == ROWS and data.problem_count == 0
        assert (note in " ".join(data.notes)) if note else data.notes == []


@pytest.mark.parametrize(
    ("name", "content", "what", "do"),
    [
        ("a.jsonl", POINTER, "Git LFS pointer to a file of 123.5 MB", "git lfs pull"),
        ("a.parquet", POINTER, "Git LFS pointer", "git lfs pull"),
        ("a.json", "/annex/objects/SHA256E-s12--0a1b.json\n", "git-annex pointer", "git annex get"),
        ("a.csv", "<!DOCTYPE html>\n<html><body>Sign in</body></html>", "HTML page", "raw"),
        ("a.jsonl", "Entry not found", "server's answer (Entry not found)", "Download"),
        ("a.json", "", "the file is empty", "at least one row"),
        ("a.jsonl.gz", gzip.compress(b""), "the file is empty", "at least one row"),
        ("a.jsonl", b"BZh91AY&SY\x00\x00", "bzip2", "bunzip2"),
        ("a.jsonl", b"\x80\x04\x95\x00", "pickle", "JSON Lines"),
        ("a.csv", b"\0" * 257 + b"ustar" + b"\0" * 300, "tar archive", "tar -xf"),
        ("a.parquet", "words", "not a complete Parquet", "again"),
        ("a.parquet.gz", gzip.compress(parquet()), "compressed once more", "gunzip"),
        ("a.jsonl", "{'instruction': 'q', 'output': 'a'}\n" * 2, "Python dictionary", "json.dumps"),
    ],
)
def test_what_is_no_data_is_named(tmp_path: Path, name: str, content: str | bytes, what: str, do: str) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for open_source in (open_data, open_early):
        with pytest.raises(DataError) as caught:
            open_source(str(path))
        assert what in caught.value.what and do in caught.value.do and caught.value.where == str(path)


@pytest.mark.parametrize(
    ("name", "member", "what"),
    [("a.zip", "train.jsonl", "zip archive of train.jsonl"), ("a.jsonl", "train.jsonl", "zip archive"),
     ("a.xlsx", "xl/workbook.xml", "Excel workbook")],
)  # fmt: skip
def test_archives_are_named_with_what_is_in_them(tmp_path: Path, name: str, member: str, what: str) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr(member, LINES)
    with pytest.raises(DataError, match=what):
        open_data(str(tmp_path / name))


@pytest.mark.parametrize("content", ["Hello there, friend.\nThis, is prose.\n", "one\ntwo\n", "a, b\n"])
def test_prose_is_no_table(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(DataError, match=r"files ending in \.txt are not known"):
        open_data(str(tmp_path / "a.txt"))


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ('[{"role": "user", "content": "q"}]\n[{"role": "user", "content": "q"}]\n', "lines"),
        ('[1]\n{"a": 1}\n', "lines"),
        ('[{"a": 1}]\n[{"a": 2}]\n', "array"),
        ('[\n{"a": 1}]', "array"),
        ('{"a": 1}\n{"a": 2}\n', "lines"),
        ('{"a": 1},\n{"a": 2},\n', "lines"),
        ('{"a": "cut\n{"a": 2}\n', "lines"),
        ('{"a": 1}', "object"),
        ('{"a": 1} {"a": 2}', "values"),
        ('{\n  "a": 1\n}', "object"),
        ("{not json\nno\n", None),
        ("words", None),
    ],
)
def test_the_shape_of_json(text: str, shape: str | None) -> None:
    assert json_shape(text.encode(), complete=True) == shape


def test_a_line_longer_than_what_is_looked_at(tmp_path: Path) -> None:
    long = {"instruction": "q" * 200_000, "output": "a"}
    (tmp_path / "a.jsonl").write_text(json.dumps(long) + "\n" + json.dumps(long))
    assert content_of(tmp_path / "a.jsonl").format is None
    assert len(open_data(str(tmp_path / "a.jsonl"))) == 2
    (tmp_path / "a.json").write_text((json.dumps(long) + "\n") * 9)
    assert len(open_data(str(tmp_path / "a.json"))) == 9
