"""`data show, search, edit, export`: what programs read, what is written, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.cli import main
from core.cli.data import with_default_command


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "rows.jsonl"
    rows = [
        {
            "instruction": f"q{i}",
            "input": "",
            "reasoning": "",
            "output": f"<think>t{i}</think>a{i}" if i % 2 else f"a{i}",
            "syslang": "",
            "sysflag": "",
        }
        for i in range(20)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


class Runs:
    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self.said = ""

    def __call__(self, *words: str, status: int = 0) -> list[dict[str, Any]]:
        with pytest.raises(SystemExit) as left:
            main(["data", *words, "--json"])
        out, self.said = self._capfd.readouterr()
        assert left.value.code == status, self.said
        return [json.loads(line) for line in out.splitlines()]

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """The rows that `data show` lists; what it says of the source is its last record."""
        *rows, about = self(*words)
        assert {"rows", "selected", "split", "other_splits", "notes", "not_used", "left_out", "problems"} == set(about)
        return rows


@pytest.fixture
def data(capfd: pytest.CaptureFixture[str]) -> Runs:
    return Runs(capfd)


def test_the_short_form_shows() -> None:
    assert with_default_command([]) == ["show"]
    assert with_default_command(["rows.csv", "--limit", "1"]) == ["show", "rows.csv", "--limit", "1"]
    assert with_default_command(["--json", "rows.csv"]) == ["--json", "show", "rows.csv"]
    assert with_default_command(["--limit", "1"]) == ["show", "--limit", "1"]
    assert with_default_command(["edit", "a"]) == ["edit", "a"]
    assert with_default_command(["--json", "export", "a", "b"]) == ["--json", "export", "a", "b"]
    assert with_default_command(["--help"]) == ["--help"]


def test_show(data: Runs, source: str) -> None:
    assert [row["index"] for row in data.rows(source, "--limit", "3")] == [0, 1, 2]
    assert [
        row["index"]
        for row in data.rows(
            "show", source, "--where", "row > 4", "--sort", "length", "--desc", "--offset", "1", "--limit", "2"
        )
    ] == [
        13,
        15,
    ]
    assert data("show", source, "--row", "7")[0]["instruction"] == "q7"
    assert [
        row["index"] for row in data.rows("show", source, "--search", "Q1", "--columns", "instruction", "--limit", "99")
    ] == [1, *range(10, 20)]
    assert data("show", source, "--row", "20", status=3)[0]["error"]["what"] == "there is no row 20"
    assert "Columns are" in data("show", source, "--where", "nothing = 1", status=3)[0]["error"]["do"]
    assert data("show", source, "--sort", "nothing", status=3)[0]["error"]["exit_code"] == 3


def test_search(data: Runs, source: str) -> None:
    found = data("search", source, "T1<", "--limit", "1")
    assert found == [{"row": 1, "found": {"output": "<think>t1</think>a1"}}]
    assert data("search", source, "t1", "--columns", "instruction") == []
    assert data("search", source, "", status=2)[0]["error"]["exit_code"] == 2


def test_edits_are_kept_and_can_be_undone(data: Runs, source: str) -> None:
    assert data("edit", source, "--row", "3", "--set", "output=new = old", "--set", "syslang=en")[0] == {
        "done": "row 3 changed",
        "rows": 1,
        "index": 3,
    }
    assert data("edit", source, "--add", '{"instruction": "by hand"}', "--row", "3")[0]["index"] == 20
    assert data("edit", source, "--duplicate", "--row", "20")[0]["index"] == 21
    assert data("edit", source, "--delete", "--row", "0")[0]["rows"] == 1
    assert [row["index"] for row in data.rows(source, "--limit", "5")] == [1, 2, 3, 20, 21]
    assert (
        data(source, "--row", "3")[0]["output"] == "new = old" and "edited: 1 changed, 2 added, 1 deleted" in data.said
    )
    assert data("edit", source, "--undo")[0]["index"] == 0
    assert [step["index"] for step in data("edit", source, "--log")] == [3, 20, 21]
    data("edit", source, "--redo")
    assert data("edit", source, "--redo", status=3)[0]["error"]["what"] == "there is nothing to redo"
    assert Path(source).read_text().count("by hand") == 0


def test_edits_of_all_rows_that_pass(data: Runs, source: str) -> None:
    assert data("edit", source, "--where", "row % 2 = 1", "--fill", "syslang=odd")[0]["rows"] == 10
    assert data("edit", source, "--all", "--extract-reasoning")[0]["rows"] == 10
    assert data(source, "--row", "3")[0] == {
        "instruction": "q3",
        "input": "",
        "reasoning": "t3",
        "output": "a3",
        "syslang": "odd",
        "sysflag": "",
        "index": 3,
    }
    split = data("edit", source, "--all", "--split-share", "0.25", "--seed", "7")[0]
    assert (split["test"], split["train"]) == (5, 15)
    assert len(data.rows(source, "--sysflag", "test", "--limit", "99")) == 5
    assert data("edit", source, "--search", "t1", "--drop")[0]["rows"] == 6


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--drop",),
        ("--fill", "syslang=x"),
        ("--set", "output=x"),
        ("--delete",),
        ("--row", "1", "--set", "answer=x"),
        ("--add", "[1]"),
        ("--undo", "--redo"),
        ("--row", "1", "--set", "output"),
    ],
)
def test_words_that_do_not_fit(data: Runs, source: str, words: tuple[str, ...]) -> None:
    assert data("edit", source, *words, status=2)[0]["error"]["do"]
    assert not Path(source + ".suiron").exists()


def test_export(data: Runs, source: str, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    data("edit", source, "--row", "19", "--set", "output=a much longer answer than any other")
    saved = data("export", source, str(out), "--sort", "length(output)", "--desc", "--where", "row > 9")[0]
    assert (saved["saved"], saved["rows"], saved["not_written"]) == (str(out), 10, {})
    assert [row["output"] for row in data.rows(str(out), "--limit", "1")] == ["a much longer answer than any other"]
    assert data("export", source, str(out), status=3)[0]["error"]["what"] == "the file already exists"
    aside = data("export", source, source, "--overwrite")[0]["journal"]
    assert (
        Path(aside).exists()
        and data(source, "--row", "19")[0]["output"] == "a much longer answer than any other"
        and "edited" not in data.said
    )


def test_names_of_columns(data: Runs, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("What is 3 + 4?,7\nWhat is 4 + 4?,8\n")
    assert "looks like a row" in data("show", str(path), status=3)[0]["error"]["what"]
    assert data("show", str(path), "--names", "a,a", status=2)[0]["error"]["where"] == "--names"
    named = ("--names", "instruction,output")
    assert [row["output"] for row in data.rows("show", str(path), *named)] == ["7", "8"]
    assert data("stats", str(path), *named)[0]["rows"] == 2
    data("doctor", str(path), *named, "--only", "too_long")
    assert data("export", str(path), str(tmp_path / "out.jsonl"), *named)[0]["rows"] == 2
    data("map", str(path))
    assert "looks like a row" in data.said
    data("map", str(path), *named, "--save")
    assert [row["output"] for row in data.rows(str(path))] == ["7", "8"]
    assert data("stats", str(path))[0]["rows"] == 2


def test_what_is_said_of_a_source(data: Runs, tmp_path: Path) -> None:
    rows = [{"instruction": f"q{i}", "output": "a"} for i in range(3)]
    (tmp_path / "train-00000-of-00002.jsonl").write_text("".join(json.dumps(row) + ",\n" for row in rows) + "no\n")
    (tmp_path / "test-00000-of-00001.jsonl").write_text(json.dumps(rows))
    *shown, about = data("show", str(tmp_path))
    assert len(shown) == 3 and (about["split"], about["other_splits"]) == ("train", ["test"])
    assert about["notes"] == ["the commas after its lines are read over"]
    assert [(kind["count"], kind["places"]) for kind in about["problems"]["kinds"]] == [
        (1, [{"row": 0, "file": "train-00001-of-00002"}]),
        (1, [{"row": 4, "file": ""}]),
    ]
    assert "1 row and 1 file could not be read" in data.said and "--split opens another: test" in data.said
