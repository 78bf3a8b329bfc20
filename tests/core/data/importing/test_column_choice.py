"""What a person sees before column_choice, and that the choice holds."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.base.errors import DataError
from core.base.row import FIELDS
from core.cli import main
from core.data.columns.mapping import ColumnPick
from core.data.importing import column_choice
from core.data.importing.column_choice import read_column_choice
from core.data.source import open_data

RECORD = {
    "problem": "What is 2+2?",
    "gemini_attempt": "Four.",
    "deepseek_attempt": "It is 4.",
    "id": 7,
    "steps": ["add", "say"],
}


@pytest.fixture(params=[".jsonl", ".json", ".parquet", ".csv"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"a{request.param}"
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([RECORD] * 5), path)
    elif path.suffix == ".csv":
        path.write_text(
            "problem,gemini_attempt,deepseek_attempt,id,steps\n"
            + 'What is 2+2?,Four.,It is 4.,7,"[""add"",""say""]"\n' * 5
        )
    else:
        rows = [json.dumps(RECORD)] * 5
        path.write_text("\n".join([*rows, ""]) if path.suffix == ".jsonl" else f"[{','.join(rows)}]")
    return path


def test_a_choice_is_shown_made_and_kept(path: Path) -> None:
    choice = read_column_choice(str(path))
    assert choice.names == tuple(RECORD) and len(choice.rows) == 5 and not choice.saved
    assert choice.mapping == open_data(str(path)).mapping and set(choice.mapping.unclear) == {"output"}
    said = [(pick.column, pick.how) for pick in choice.candidates("output")]
    assert said[:2] == [("deepseek_attempt", "text"), ("gemini_attempt", "text")] and said[-1] == ("", "text")
    mapping = choice.mapping.with_pick("output", ColumnPick("gemini_attempt")).with_pick(
        "reasoning", ColumnPick("steps", "first")
    )
    assert choice.read(mapping, 2) == [["What is 2+2?", "", "add", "Four.", "", "", "", "", ""]] * 2
    kept = choice.keep(mapping)
    again = read_column_choice(str(path))
    assert kept.is_file() and again.saved and again.mapping.by_hand and not again.mapping.unclear
    assert again.candidates("output")[0].column == "gemini_attempt"
    row = open_data(str(path)).row(4)
    assert (row.instruction, row.reasoning, row.output) == ("What is 2+2?", "add", "Four.")


def test_what_cannot_be_guessed_can_be_chosen(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"foo": "q", "bar": "a"}\n')
    with pytest.raises(DataError, match="its columns are: foo, bar"):
        open_data(str(path))
    choice = read_column_choice(str(path))
    assert choice.mapping.picks == {} and choice.read(choice.mapping) == ["instruction and output are missing or null"]
    assert [pick.column for pick in choice.candidates("output")] == ["", "foo", "bar"]
    choice.keep(choice.mapping.with_pick("instruction", ColumnPick("foo")).with_pick("output", ColumnPick("bar")))
    assert open_data(str(path)).row(0).output == "a"


def test_the_command(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def said(*words: str) -> list[dict[str, Any]]:
        with pytest.raises(SystemExit) as left:
            main(["data", "map", str(path), "--json", *words])
        assert left.value.code == (2 if words == ("--set", "output=gone") else 0)
        return [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    columns, marks, (*rows, about) = said()[:9], said()[9], said()[10:]
    assert (
        [line["column"] for line in columns] == list(FIELDS)
        and marks == {"marks": []}
        and columns[3]["unclear"]
        and columns[3]["source"]["column"] == "deepseek_attempt"
    )
    assert [row["output"] for row in rows] == ["It is 4."] * 3
    assert about["sample_rows"] == 5 and about["not_used"]["columns"] == {"gemini_attempt": 5, "id": 5, "steps": 5}
    changed = said("--set", "output=gemini_attempt", "--set", "reasoning=steps:first", "--set", "input=", "--save")
    assert (
        changed[10]["output"] == "Four." and changed[10]["reasoning"] == "add" and Path(changed[-1]["saved"]).is_file()
    )
    assert said()[3]["source"] == {"column": "gemini_attempt", "how": "text", "why": "chosen by hand"}
    assert "the source has no column gone" in said("--set", "output=gone")[0]["error"]["what"]


@pytest.mark.parametrize(("content", "says"), [(b"", "empty"), (b"\n\n", "no rows"), (b"no\n", "not JSON")])
def test_there_is_nothing_to_choose_from(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=says) as caught:
        read_column_choice(str(tmp_path / "a.jsonl"))
    assert caught.value.where == str(tmp_path / "a.jsonl")


def test_only_the_beginning_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"question": "q", "answer": "a"}\n' * 20_000 + '{"question": "q", "answer": "a", "late": 1}\n')
    assert (
        read_column_choice(str(path)).names == ("question", "answer") and len(read_column_choice(str(path)).rows) == 200
    )


def test_a_disk_that_is_full_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(column_choice, "save_mapping", full)
    choice = read_column_choice(str(path))
    with pytest.raises(DataError, match="No space left") as caught:
        choice.keep(choice.mapping)
    assert caught.value.where.endswith("mapping.json") and caught.value.do
