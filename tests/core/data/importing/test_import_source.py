"""The import in a process of its own: it can be watched and ended, and says what went wrong. The quick way gives what
the slow one gives."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.base import folders
from core.base.child import encode_line, environment
from core.base.errors import DataError
from core.base.row import Row
from core.data import source as source_module
from core.data.formats import json_lines_blocks
from core.data.importing import import_source
from core.data.importing.import_source import open_imported
from core.data.locate.source_files import locate_source
from core.data.source import finish_import, open_data, open_early

ROWS = [{"instruction": f"q{i} 立山", "output": f"a{i}", "extra": i} for i in range(3000)]


@pytest.fixture(autouse=True)
def nothing_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "_SMALL", -1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def kept() -> list[str]:
    folder = folders.cache() / "data"
    return sorted(file.suffix for file in folder.iterdir()) if folder.exists() else []


def test_a_child_imports_and_tells_how_far_it_is(path: Path) -> None:
    told: list[tuple[int, int]] = []
    data = finish_import(open_early(str(path)), lambda done, total: told.append((done, total)))
    assert (
        len(data) == 3000
        and data.row(2999) == Row("q2999 立山", output="a2999", index=2999)
        and data.extra == ("extra",)
    )
    assert told and all(0 <= done <= total for done, total in told) and kept() == [".arrow"]


def test_what_progress_raises_ends_the_child(path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        raise Stop

    with pytest.raises(Stop):
        finish_import(open_early(str(path)), stop)
    assert kept() in (
        [],
        [".arrow"],
        [".part"],
    )  # ended before, after or in the middle of it, never half a file under a whole one's name
    assert len(finish_import(open_early(str(path)))) == 3000


def test_a_child_that_is_killed_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.Popen

    def started(*arguments: Any, **named: Any) -> Any:
        child = real(*arguments, **named)
        child.send_signal(signal.SIGKILL)
        return child

    early = open_early(str(path))
    monkeypatch.setattr(subprocess, "Popen", started)
    with pytest.raises(DataError, match="ran out of memory, or was ended") as caught:
        finish_import(early)
    assert caught.value.where == str(path)


def test_errors_of_the_child_come_out_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"instruction": "q", "output": "a"}\n')
    early = open_early(str(path))
    path.write_text("no\nnor this\n")
    with pytest.raises(DataError, match="none of its 2 rows") as caught:
        finish_import(early)
    assert caught.value.where == str(path) and caught.value.do


def test_a_full_disk_in_the_child_is_said(path: Path) -> None:
    early = open_early(str(path))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the child inherits both
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limit[1]))
    try:
        with pytest.raises(DataError, match="disk is full") as caught:
            finish_import(early)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert "SUIRON_CACHE" in caught.value.do and kept() == []


def test_a_child_nobody_listens_to_ends(path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    code = """
        from core.base.child_main import answer_parent
        import core.data.formats.row_collector
        from core.data.importing.import_child import import_for_parent
        core.data.formats.row_collector.time.monotonic = iter(range(10**9)).__next__
        answer_parent(import_for_parent)
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], env=environment(), stdin=subprocess.PIPE, stdout=write
    )
    os.close(write)
    assert child.stdin is not None
    child.stdin.write(encode_line({"source": str(path), "split": "", "mapping": None}))
    child.stdin.flush()  # and stays open: it is the closed output that ends the child
    child.wait(timeout=60)
    child.stdin.close()
    assert child.returncode == 1 and kept() == []


def test_a_file_that_changes_between_is_imported_as_it_is(path: Path) -> None:
    early = open_early(str(path))
    with path.open("a") as file:
        file.write('{"instruction": "late", "output": "a"}\n')
    assert len(finish_import(early)) == 3001


def test_a_small_packed_file_that_unpacks_to_much_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gzip

    monkeypatch.setattr(source_module, "_SMALL", 2_000_000)
    monkeypatch.setattr(import_source, "_MAX_CHARS", 1000)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in ROWS).encode()))
    data = open_data(str(tmp_path / "rows.jsonl.gz"))
    assert len(data) == 3000 and kept() == [".arrow"]


# -- the quick way --


def test_the_quick_way_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, taken = json_lines_blocks.ArrowBlockReader.read, []

    def read(quick: json_lines_blocks.ArrowBlockReader, block: bytes) -> Any:
        batches = real(quick, block)
        taken.append(batches is not None)
        return batches

    monkeypatch.setattr(json_lines_blocks.ArrowBlockReader, "read", read)
    monkeypatch.setattr("core.data.formats.text_decoding.BLOCK", 8192)
    monkeypatch.setattr("core.data.formats.json_lines.SAMPLE_CHARS", 8192)
    path.write_text("".join(json.dumps({key: row[key] for key in ("instruction", "output")}) + "\n" for row in ROWS))
    assert len(open_data(str(path))) == 3000
    assert len(taken) > 10 and all(taken)


_edges = st.sampled_from(["", " ", "\u3000", "\x1f", "\u2003 ", "あ", "。", "\n", "\x00", "}", "{"])
_text = st.text(st.characters(codec="utf-8"), max_size=8) | _edges
_plain = st.none() | st.integers() | st.floats() | st.booleans()
_value = _text | _plain | st.lists(st.integers(), max_size=2) | st.dictionaries(_text, _text, max_size=2)
_record = st.fixed_dictionaries(
    {"instruction": _text, "output": _text},
    optional={"reasoning": _text | st.none(), "x": _value, "sysflag": _value, "more": _value},
)
_odd = st.sampled_from(
    [
        b"",
        b"  ",
        b"{}",
        b"[]",
        b'{"instruction":"a"} {"output":"b"}',
        b'{"instruction":"a","instruction":"b","output":"c"}',
        b'{"instruction":"\\ud800","output":"b"}',
        b'{"instruction":"a\tb","output":"b"}',
        b'{"instruction":"\xff","output":"b"}',
        b'{"instruction":"a","output":"b","x":Inf}',
        b'{"instruction":"a","output":"b","x":-Infinity}',
        b'{"instruction":"a","output":"b","x":01}',
        b'{"instruction":"a","output":"b","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"instruction":"a","output":',
        b'"b"}',
        b'{"instruction":"a","output":"b"}\r',
        b' {"instruction":"a","output":"b"}',
        b'{"instruction":"a","output":"b"} x',
        b'{"instruction":1,"output":2.50}',
        b'\xef\xbb\xbf{"instruction":"a","output":"b"}',
        b'{"instruction":"a","output":"b","x":1e999}',
        b"{",
    ]
)
_line = st.one_of(_record.map(lambda record: json.dumps(record, ensure_ascii=False).encode()), _odd)


@given(
    start=st.lists(_record, min_size=1, max_size=3),
    rest=st.lists(_line, max_size=30),
    size=st.sampled_from([40, 400, 4000]),
    end=st.booleans(),
)
@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_quick_way_gives_what_the_slow_one_gives(
    tmp_path: Path, start: list[dict[str, Any]], rest: list[bytes], size: int, end: bool
) -> None:
    lines = [b'{"instruction":"first","output":"row"}', *(json.dumps(record).encode() for record in start), *rest]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n" * end)
    found = locate_source(str(path))
    answers = []
    for quick in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("core.data.formats.text_decoding.BLOCK", size)
            patch.setattr("core.data.formats.json_lines.SAMPLE_CHARS", size)
            if not quick:
                patch.setattr(json_lines_blocks.ArrowBlockReader, "read", lambda *_: None)
                patch.setattr("core.data.formats.json_lines.BlockDecoder.read", lambda *_: False)
            patch.setenv("SUIRON_CACHE", str(tmp_path / f"cache-{quick}"))
            for old in (tmp_path / f"cache-{quick}" / "data").glob("*"):
                old.unlink()
            rows, facts, _ = open_imported(found, None, None)
            answers.append(([rows.row(i) for i in range(len(rows))], facts))
    assert answers[0] == answers[1]
