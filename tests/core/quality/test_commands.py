"""`data doctor` and `data stats` as scripts use them: exit codes, only JSON on standard output, fixes that can be
undone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.base.child import environment
from core.base.plural import counted
from core.data.source import open_data
from core.runs.spec import DataSection, MixturePart, ModelSection, PromptSection, RunSpec, dump_run_spec

ROW = {
    "instruction": "How many apples are two and two?",
    "reasoning": "Two and two are 4.",
    "output": "4",
    "syslang": "English",
}
Write = Callable[..., Path]


def run(*words: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "core", "data", *words], env=environment(), capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def findings(out: str) -> list[dict[str, Any]]:
    """The kinds of findings that the doctor prints; its last record is about the source."""
    *kinds, about = lines(out)
    assert {"rows", "not_used", "left_out", "problems"} <= set(about)
    return [line for line in kinds if "kind" in line]


@pytest.mark.parametrize(
    ("rows", "code", "kinds"),
    [
        ([ROW], 0, []),
        ([{**ROW, "output": " 4"}], 0, ["blank_edges"]),
        ([ROW, ROW, {**ROW, "instruction": "Another?", "output": "4 "}], 8, ["duplicate", "blank_edges"]),
        (
            [
                ROW,
                {**ROW, "instruction": "Another?", "output": "4\x00"},
                {**ROW, "instruction": "Which fruit is red?", "reasoning": "It is an apple.", "output": ""},
            ],
            7,
            ["missing_output", "control_character"],
        ),
    ],
)
def test_the_exit_code_says_how_bad_it_is(
    write: Write, rows: list[dict[str, str]], code: int, kinds: list[str]
) -> None:
    status, out, note = run("doctor", str(write(*rows)), "--json")
    assert status == code, note
    assert [line["kind"] for line in findings(out)] == kinds
    assert f"{counted(len(rows), 'row')} checked" in note


def test_findings_as_text_and_one_kind_alone(write: Write) -> None:
    path = str(write(ROW, ROW, {**ROW, "output": "", "instruction": "\x1b[2J"}))
    status, out, _ = run("doctor", path)
    assert status == 7
    assert "missing_output" in out and "rows 1 like 0" in out and "\x1b" not in out
    status, out, _ = run("doctor", path, "--json", "--only", "duplicate")
    assert (status, [(line["kind"], line["rows"], line["others"], line["count"]) for line in findings(out)]) == (
        8,
        [("duplicate", [1], [0], 1)],
    )


def test_findings_as_json_have_reasons_rows_and_fields(write: Write) -> None:
    path = write(ROW, {**ROW, "instruction": " Another? ", "output": "", "reasoning": ROW["reasoning"] + " "})
    status, out, _ = run("doctor", str(path), "--json")
    found = {line["kind"]: line for line in findings(out)}
    assert status == 7 and {"missing_output", "blank_edges"} <= set(found)
    edges = found["blank_edges"]
    assert (edges["severity"], edges["count"], edges["rows"]) == ("hint", 1, [1])
    assert edges["columns"] == [["instruction", "reasoning"]]
    assert all(line["title"] and line["why"] and line["do"] for line in found.values())


def test_a_fix_is_an_edit(write: Write) -> None:
    path = write(ROW, ROW, {**ROW, "instruction": " Another? "}, ROW)
    source = path.read_bytes()
    status, out, note = run("doctor", str(path), "--fix", "duplicate", "blank_edges")
    assert (status, out) == (0, "")
    assert "can be undone" in note
    assert [row.instruction for rows in open_data(str(path)).batches() for row in rows] == [
        ROW["instruction"],
        "Another?",
    ]
    assert path.read_bytes() == source
    assert run("edit", str(path), "--undo")[0] == run("edit", str(path), "--undo")[0] == 0
    assert len(open_data(str(path))) == 4


def test_lengths_with_a_model(write: Write, tokenizer_folder: Path) -> None:
    path = str(write(ROW, {**ROW, "instruction": "Why?!" * 100}))
    status, out, note = run("doctor", path, "--json", "--model", str(tokenizer_folder), "--max-length", "800")
    assert (status, [(line["kind"], line["rows"]) for line in findings(out)]) == (7, [("too_long", [1])]), note
    status, out, _ = run("stats", path, "--json", "--model", str(tokenizer_folder), "--max-length", "800")
    (found,) = lines(out)
    assert (status, found["rows"], found["unit"], found["max_length"]["rows_left_out"]) == (0, 2, "tokens", 1)
    assert found["columns"]["instruction"] == {"rows": 2, "mean": 266.0, "p50": 32, "p95": 500, "p99": 500, "max": 500}
    assert found["keeps"]["100%"] == found["whole"]["max"] > 800
    status, out, note = run("stats", path)
    assert status == 0 and "length in characters" in out and "█" in out and "no model is chosen" in note


def test_rows_are_judged_as_a_run_would_train_them(write: Write, tokenizer_folder: Path, tmp_path: Path) -> None:
    path = str(write(ROW, {**ROW, "instruction": "Why?", "reasoning": ""}))
    spec = tmp_path / "run.toml"
    mixture = (MixturePart(template="alpaca-reasoning"), MixturePart(template="alpaca-reasoning-languages"))
    prompt = PromptSection(mixture=mixture, max_seq_length=800)
    spec.write_bytes(
        dump_run_spec(
            RunSpec(data=DataSection(source=path), model=ModelSection(name=str(tokenizer_folder)), prompt=prompt)
        )
    )
    status, out, _ = run("stats", path, "--json", "--spec", str(spec))
    (found,) = lines(out)
    assert status == 0 and found["unit"] == "tokens" and found["max_length"]["tokens"] == 800
    assert sum(found["templates"].values()) == 1 == found["no_template"] and list(found["templates"]) == [
        part.template for part in mixture
    ]
    status, out, _ = run("stats", path, "--json", "--spec", str(spec), "--mixture", "alpaca 1", "--max-length", "900")
    (found,) = lines(out)
    assert (found["templates"], found["without_reasoning"], found["max_length"]["tokens"]) == ({"alpaca": 2}, 1, 900)
    _, out, _ = run("stats", path, "--mixture", "alpaca-reasoning 1")
    assert "1 row has no reasoning" in out
    assert run("doctor", path, "--spec", str(spec), "--max-length", "100", "--only", "too_long")[0] == 7


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("doctor", "/nowhere.jsonl"), 3),
        (("stats", "/nowhere.jsonl"), 3),
        (("doctor", "demo", "--only", "nothing"), 2),
        (("doctor", "demo", "--fix", "too_long"), 2),
        (("stats", "demo", "--max-length", "0"), 2),
        (("stats", "demo", "--mixture", "alpaca much"), 2),
        (("doctor", "demo", "--mixture", "alpacca"), 2),
        (("doctor", "demo", "--spec", "/nowhere.toml"), 5),
        (("doctor", "demo", "--model", "/nowhere"), 4),
    ],
)
def test_what_a_user_can_get_wrong(words: tuple[str, ...], code: int) -> None:
    status, out, note = run(*words)
    assert (status, out) == (code, "")
    assert note.startswith("Suiron: ")


def test_the_help_tells_the_exit_codes() -> None:
    status, out, _ = run("doctor", "--help")
    assert status == 0
    assert "7 errors were found" in out and "8 warnings" in out
    assert os.linesep in out


def test_rows_that_cannot_be_read_come_first_and_fail_the_check(write: Write) -> None:
    path = write(ROW, ROW)
    path.write_text(path.read_text().replace("\n", "\nno\n", 1) + "neither")
    status, out, note = run("doctor", str(path))
    assert status == 7 and out.startswith("2 rows of the source could not be read: 2 × not JSON")
    assert "2 rows not read" in note
    status, out, _ = run("doctor", str(path), "--json", "--only", "too_long")
    first, about = lines(out)
    assert about["problems"]["count"] == 2 and about["rows"] == 2
    assert status == 7 and first["unreadable"] == 2
    assert first["problems"][0]["count"] == 2 and [place["row"] for place in first["problems"][0]["places"]] == [2, 4]
