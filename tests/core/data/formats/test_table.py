"""The table of formats: every entry can be loaded, and each name of a file leads to one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from core.data.formats.registry import (
    FILE_FORMATS,
    compression_of_file,
    format_named,
    format_of_file,
    readable_formats,
    writable_formats,
)


@pytest.mark.parametrize("file_format", FILE_FORMATS, ids=lambda file_format: file_format.name)
def test_every_entry_can_be_loaded(file_format) -> None:  # type: ignore[no-untyped-def]
    code = file_format.load()
    assert callable(code.read_files) and callable(code.open_early)
    assert format_named(file_format.name) is file_format
    assert (file_format.load_writer is None) == (not file_format.description)
    if file_format.load_writer is not None:
        assert callable(file_format.load_writer().open_writer)


def test_the_name_of_a_file_says_its_format() -> None:
    names = {
        "a.jsonl": "lines", "a.NDJSON": "lines", "x/a.json.gz": "json", "a.b.csv.zst": "csv", "a.tsv": "tsv",
        "a.parquet": "parquet", "a.arrow": "arrow", "a.feather": "arrow",
    }  # fmt: skip
    assert {name: found.name for name in names if (found := format_of_file(name)) is not None} == names
    assert not any(map(format_of_file, ("a", "", ".jsonl", "a.gz", ".jsonl.gz", "a.parquet.gz", "a.txt", "jsonl")))
    assert [compression_of_file(name) for name in ("a.jsonl.GZ", "a.csv.zst", "a.jsonl")] == ["gzip", "zstd", ""]


def test_no_suffix_is_claimed_twice_and_messages_name_them_all() -> None:
    suffixes = [suffix for file_format in FILE_FORMATS for suffix in file_format.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(file_format.suffixes[0][1:] in readable_formats() for file_format in FILE_FORMATS)
    assert writable_formats() == "jsonl, json, csv and tsv (each also as .gz or .zst), parquet, arrow, feather"


def test_the_table_imports_no_format() -> None:
    code = (
        "import sys, core.data.formats.registry\n"
        "print([name for name in sys.modules if name.startswith('core.data.formats.') or name in ('pyarrow', 'csv')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['core.data.formats.registry']"
