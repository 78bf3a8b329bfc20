"""The command line as programs meet it: exit codes, JSON alone on standard output, and no traceback for what a person
can cause."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import core
from core.runs.run_folder import create_run_folder
from core.runs.spec import DataSection, ModelSection, RunSpec


def run(*words: str | bytes, stdout: str | None = None, **variables: str) -> tuple[int, str, str]:
    environment = {**os.environ, **variables, "PYTHONPATH": str(Path(core.__file__).parents[1])}
    with open(stdout or os.devnull, "w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "core", *words],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out if stdout else subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    assert b"Traceback" not in done.stderr
    assert b"\x1b" not in done.stderr
    return done.returncode, (done.stdout or b"").decode(), done.stderr.decode()


def test_wrong_words_are_json_too() -> None:
    status, out, said = run("data", "--json", "--limit", "many")
    assert status == 2
    assert json.loads(out)["error"]["exit_code"] == 2
    assert "--limit" in said


@pytest.mark.parametrize("command", [("runs",), ("serve",)])
def test_a_home_that_cannot_be_used_is_one_clear_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    status, _, said = run(*command, SUIRON_HOME=str(tmp_path / "file" / "home"))
    assert status == 1
    assert said.count("\n") == 1
    assert "SUIRON_HOME" in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_full_disk_beneath_standard_output_is_said(more: tuple[str, ...]) -> None:
    status, _, said = run("data", "demo", *more, stdout="/dev/full")
    assert status == 1
    assert "No space left" in said


def test_a_name_that_is_no_utf8_is_told_as_json(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\x1b[31m.csv"
    Path(os.fsdecode(path)).write_text("foo\n1\n")
    status, out, _ = run("data", path, "--json")
    assert status == 3
    assert os.fsencode(json.loads(out)["error"]["where"]) == path


def test_what_could_not_be_read_names_file_and_row_and_long_values_stay_short(tmp_path: Path) -> None:
    rest = {"input": "", "reasoning": "", "sysflag": ""}
    rows = [{"instruction": "a", "output": "b", "syslang": f"{number} " + "x" * 5000, **rest} for number in range(50)]
    path = tmp_path / "rows.jsonl"
    path.write_text("[1]\n" + "".join(json.dumps(row) + "\n" for row in rows))
    status, out, said = run("data", str(path), "--limit", "1")
    assert status == 0
    assert "rows.jsonl: 1 row could not be read" in said
    assert "the first at 1 (not an object but a list)" in said
    assert "and 30 more" in said
    assert len(said) < 2500
    assert len(out) < 300


def test_a_damaged_run_does_not_hide_the_others() -> None:
    spec = RunSpec(data=DataSection(source="demo"), model=ModelSection(name="demo"))
    damaged, other = create_run_folder(spec), create_run_folder(spec)
    (damaged.path / "status.json").write_bytes(b'{"state": "\xff')
    status, out, _ = run("runs", "--json")
    assert status == 0
    found = {line["run"]: line for line in map(json.loads, out.splitlines())}
    assert "cannot be read" in found[damaged.id]["error"]["what"]
    assert found[other.id]["status"]["state"] == "starting"


def test_the_hubs_address_is_shown_without_its_password() -> None:
    from core.cli.doctor import _without_credentials

    assert _without_credentials("https://me:secret@hub.example:8080/mirror") == "https://hub.example:8080/mirror"
    assert _without_credentials("https://huggingface.co") == "https://huggingface.co"
