"""Keys that come twice in one record, and halves of characters, are counted with their rows, however a line is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.formats.repeated_keys import RECORD_JSON, RepeatingRecord, block_repeats_keys
from core.data.formats.row_collector import HALF_CHARACTER
from core.data.source import open_data

REPEATED = "several values of output, of which the last is used"
EXTRAS = ["", ', "id": 7', ', "meta": {"output": "x", "k": [1]}', ', "note": "\\"output\\": is in it"', ', "é": 1']
name = st.sampled_from(["a", "b", "ab", "x y", "é", "答え", "output", "output_b", "tput"])
text = st.sampled_from(["", "x", '"a":', '": ', "\n", "\\", '"output"'])
nested = st.recursive(text | st.none(), lambda inner: st.dictionaries(name, inner, max_size=2), max_leaves=4)


def line(number: int, extra: str = "", again: str = "") -> str:
    return f'{{"instruction": "q {number}", "output": "a {number}"{extra}{again}}}\n'


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_repeated_keys_are_counted_and_the_last_is_used(tmp_path: Path, extra: str, suffix: str) -> None:
    wrong = {2, 9_000, 11_000}
    lines = [line(n, extra, ', "output": "last"' if n in wrong else "") for n in range(1, 12_001)]
    path = tmp_path / f"a{suffix}"
    path.write_text("".join(lines) if suffix == ".jsonl" else f"[{','.join(lines)}]")
    data = open_data(str(path))
    assert len(data) == len(lines) and not data.problems
    assert set(data.not_used.parts[REPEATED].rows) == wrong
    assert [data.row(n - 1).output for n in (1, *sorted(wrong))] == ["a 1", "last", "last", "last"]


def test_a_key_that_comes_twice_beside_one_that_is_missing(tmp_path: Path) -> None:
    lines = [line(n, ', "id": 7') for n in range(1, 9_001)]
    lines[8_000] = line(8_001, ', "output": "last"')  # as many keys as the others have
    (tmp_path / "a.jsonl").write_text("".join(lines))
    assert open_data(str(tmp_path / "a.jsonl")).not_used.parts[REPEATED].rows == [8_001]


@pytest.mark.parametrize("half", ["\\ud83d", "\\ude00", "\\uD83Dx"])
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_halves_of_characters_are_counted(tmp_path: Path, half: str, suffix: str) -> None:
    lines = [line(n) for n in range(1, 9_001)]
    lines[3] = line(4, f', "input": "x{half} y"')
    lines[8_500] = lines[8_500].replace("a 8501", f"a{half}")
    lines[8_600] = lines[8_600].replace("a 8601", "\\ud83d\\ude00\\ufffd")
    path = tmp_path / f"a{suffix}"
    path.write_text("".join(lines) if suffix == ".jsonl" else f"[{','.join(lines)}]")
    data = open_data(str(path))
    assert data.not_used.parts[HALF_CHARACTER].rows == [4, 8_501] and not data.problems
    assert data.row(3).input == "x\ufffd" + half[6:] + " y" and data.row(8_600).output == "😀\ufffd"
    assert "2 rows have half of a character (a lone surrogate), which is read as U+FFFD" in data.not_used.words()


@given(st.lists(st.lists(st.tuples(name, nested), max_size=4), min_size=1, max_size=5), st.booleans(), st.booleans())
def test_a_block_is_refused_exactly_where_a_line_repeats_a_key(
    rows: list[list[tuple[str, Any]]], escaped: bool, spaced: bool
) -> None:
    def written(pairs: list[tuple[str, Any]]) -> str:
        colon = " : " if spaced else ":"
        write = json.JSONEncoder(ensure_ascii=escaped, separators=(",", colon)).encode
        members = (f"{write(key)}{colon}{write(value)}" for key, value in pairs)
        return "{" + ", ".join(members) + "}\n"

    rows = [pairs for pairs in rows if pairs] or [[("a", "x")]]
    names = sorted({key for pairs in rows for key, _ in pairs})
    repeats = any(len({key for key, _ in pairs}) < len(pairs) for pairs in rows)
    filled = {key: sum(any(key == k and v is not None for k, v in pairs) for pairs in rows) for key in names}
    block = "".join(map(written, rows)).encode()
    assert block_repeats_keys(block, filled) == repeats


def test_an_object_knows_what_it_has_several_times() -> None:
    record = RECORD_JSON.decode('{"b": 1, "a": {"c": 1, "c": 2}, "b": 2, "b": 3}')
    assert isinstance(record, RepeatingRecord) and record.repeated == ("b",) and record == {"b": "3", "a": {"c": "2"}}
    assert type(RECORD_JSON.decode('{"b": 1, "a": 2}')) is dict
