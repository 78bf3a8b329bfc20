"""`prompts` as programs meet it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import core
from core.base import folders
from core.base.chat_history import history_to_json
from core.base.command_output import CommandOutput
from core.base.row import Row
from core.cli import prompts
from core.cli.prompts import check, show
from core.data.not_used import NotUsed
from core.examples.preview import RowPreviewer
from core.examples.run_mixture import bound_mixture
from core.examples.run_rows import open_rows
from core.runs.spec import DataSection, MixturePart, ModelSection, PromptSection, RunSpec, dump_run_spec
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.tokenizer import TextTokenizer
from tests.support.chat_models import write_model
from tests.support.listed_rows import ListedRows
from tests.support.tiny_model import END, make_tiny_model

ROWS = [
    {
        "instruction": f"What is {n} + 1?",
        "input": "",
        "reasoning": f"One more than {n}.",
        "output": str(n + 1),
        "sysflag": "test" if n > 7 else "train",
    }
    for n in range(10)
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("cli") / "model")


def run(*words: str) -> tuple[int, str, str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(core.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "core", "prompts", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def rows_file(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_list_tells_bad_files_beside_good_ones(tmp_path: Path) -> None:
    own = folders.config() / "templates"
    own.mkdir(parents=True)
    (own / "bad.yaml").write_text("name: bad\nversons: 1\n")
    status, out, said = run("list", "--json")
    listed = {line["name"]: line for line in map(json.loads, out.splitlines())}
    assert (
        status == 0
        and listed["alpaca-reasoning-languages"]["languages"] == ["default", "ja", "zh"]
        and listed["chat"]["chat"] == {"reasoning": "auto"}
    )
    assert "versons" in listed["bad"]["error"]["what"] and listed["bad"]["origin"] == "yours"
    status, out, said = run("list")
    assert status == 0 and "cannot be used" in out and "did you mean versions?" in said


def test_show_says_text_tokens_sections_and_prompts(tmp_path: Path, model: Path) -> None:
    path = rows_file(tmp_path, ROWS)
    status, out, _ = run("show", str(path), "--row", "4", "--model", str(model), "--json")
    shown = json.loads(out)
    assert status == 0 and shown["text"].endswith("### Reasoning:\nOne more than 4.\n\n### Response:\n5")
    tokens = shown["tokens"]
    assert "".join(token["text"] for token in tokens) == shown["text"] + END
    assert "".join(token["text"] for token in tokens if token["section"] == "reasoning") == "One more than 4."
    assert [token["learnt"] for token in tokens] == [label != -100 for label in shown["labels"]]
    assert shown["prompts"]["with_its_reasoning"] + "5" == shown["text"]
    assert all(shown["ids"][: len(ids)] == ids for ids in shown["prompt_ids"].values())
    status, out, _ = run("show", str(path), "--row", "4", "--template", "alpaca")
    assert status == 0 and "### Response:\n5\n" in out and "-- asked" in out
    status, _, said = run("show", str(path), "--row", "99")
    assert status == 3 and "Rows run from 0 to 9" in said
    status, _, said = run("show", str(path), "--template", "alpacca")
    assert status == 2 and "did you mean alpaca?" in said


def test_show_says_what_the_screen_shows_also_of_a_row_that_is_too_long(tmp_path: Path, model: Path) -> None:
    long = {**ROWS[0], "reasoning": "One more, and so on. " * 60}
    source = rows_file(tmp_path, [*ROWS, long])
    spec = RunSpec(
        data=DataSection(source=str(source)),
        model=ModelSection(name=str(model)),
        prompt=PromptSection(max_seq_length=700),
    )
    tokenizer, row = TextTokenizer.from_folder(model), open_rows(spec.data).row(10)
    path = tmp_path / "run.toml"
    path.write_bytes(dump_run_spec(spec))
    for too_long in ("drop", "cut_reasoning", "cut_end"):
        prompt = replace(spec.prompt, too_long=too_long)
        wanted = RowPreviewer(tokenizer).preview(row, TEXT_TEMPLATES["alpaca-reasoning"], prompt)
        words = ("--spec", str(path), "--template", "alpaca-reasoning", "--too-long", too_long)
        status, out, said = run("show", str(source), "--row", "10", *words, "--json")
        shown = json.loads(out)
        assert status == 0 and (shown["fate"], shown["why"], shown["ids"]) == (wanted.outcome, wanted.why, wanted.ids)
        assert (
            shown["text"] == "".join(text for _, text in wanted.texts)
            and shown["tokens_before"] == wanted.full_length > 700
        )
        assert [shown["spans"][-1]["end"], sum(label != -100 for label in shown["labels"])] == [
            sum(pair) for pair in zip(*wanted.section_counts(), strict=True)
        ]
        assert f"This row is {wanted.outcome}" in said
    status, out, _ = run("show", str(source), "--row", "4", "--spec", str(path), "--json")
    drawn = bound_mixture(spec.prompt, str(source), tokenizer).template_for(open_rows(spec.data).row(4))
    assert status == 0 and drawn is not None and json.loads(out)["template"] == drawn.name


def test_check_counts_hashes_and_refuses(tmp_path: Path, model: Path) -> None:
    spec = RunSpec(data=DataSection(source=str(rows_file(tmp_path, ROWS))), model=ModelSection(name=str(model)))
    path = tmp_path / "run.toml"
    path.write_bytes(dump_run_spec(spec))
    status, out, _ = run("check", str(path), "--json")
    facts = json.loads(out)
    assert status == 0 and facts["rows_trained"] == 8 and facts["faults"] == [] and len(facts["encoded_hash"]) == 32
    status, out, _ = run("check", str(path))
    assert status == 0 and facts["encoded_hash"] in out and "10 rows, 8 to train on" in out
    path.write_bytes(
        dump_run_spec(
            replace(spec, prompt=PromptSection(max_seq_length=facts["longest_row_tokens"] - 3, too_long="cut_end"))
        )
    )
    status, out, said = run("check", str(path))
    assert status == 0 and "teach a model to think without" in said
    rows_file(tmp_path, [*ROWS, {**ROWS[3], "sysflag": "test"}])
    path.write_bytes(dump_run_spec(spec))
    status, out, said = run("check", str(path), "--json")
    assert (
        status == 5
        and "held-out rows are in the training text: 1, 10 as 3" in said
        and json.loads(out.splitlines()[0])["checks"]["leaks"] == 1
    )


class ContextRows(ListedRows):
    """Rows with context, as an open data set."""

    name, split, other_splits = "rows", "", ()
    problem_count, problems, problem_kinds, notes = 0, (), (), ()
    not_used, not_used_words = NotUsed(), ""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__(rows)
        self.rows, self.highest = rows, len(rows) - 1

    def __len__(self) -> int:
        return len(self.rows)

    def row(self, index: int) -> Row:
        return self.rows[index]


def run_here(*words: str, capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], str]:
    """The JSON record and the notes of a `prompts` command in this process."""
    parser = argparse.ArgumentParser()
    prompts.add_arguments(parser)
    arguments = parser.parse_args([*words, "--json"])
    assert prompts.run(arguments, CommandOutput(json=True)) == 0
    printed = capsys.readouterr()
    return json.loads(printed.out.splitlines()[0]), printed.err


def test_check_and_show_say_what_becomes_of_a_context(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history = history_to_json([{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Yes?"}])
    rows = [
        Row("What is 1 + 1?", output="2", index=0),
        Row("What is 2 + 1?", output="3", system="Be brief.", index=1),
        Row("What is 3 + 1?", output="4", history=history, index=2),
    ]
    for task in (show, check):
        monkeypatch.setattr(task, "open_rows", lambda data: ContextRows(rows))
    monkeypatch.setattr(check, "data_facts", lambda data: {})
    gemma = str(write_model(tmp_path / "model", "gemma"))
    spec = RunSpec(
        data=DataSection(source="rows", train_flag=""),
        model=ModelSection(name=gemma),
        prompt=PromptSection(mixture=(MixturePart("chat-plain", 1.0),)),
    )
    path = tmp_path / "run.toml"
    path.write_bytes(dump_run_spec(spec))
    record, _ = run_here("check", str(path), capsys=capsys)
    [(why, tally)] = record["left_out"]["reasons"].items()
    assert tally["rows"] == [1] and record["rows_trained"] == 2
    assert "System role not supported" in why and record["context"]["rows"] == 1
    record, notes = run_here("show", "rows", "--row", "1", "--model", gemma, "--template", "chat-plain", capsys=capsys)
    assert (record["fate"], record["prompts"]) == ("left out", {}) and "System role not supported" in notes
    record, _ = run_here("show", "rows", "--row", "2", "--model", gemma, "--template", "chat-plain", capsys=capsys)
    assert record["ids"][: len(record["prompt_ids"]["without_more"])] == record["prompt_ids"]["without_more"]
    assert record["prompts"]["without_more"].startswith("<bos><start_of_turn>user\nHello.<end_of_turn>\n")
    record, _ = run_here("show", "rows", "--row", "1", "--template", "alpaca", capsys=capsys)
    assert "the system prompt is put into the Input" in record["warnings"]
    assert record["text"].startswith(record["prompts"]["without_more"]) and "System: Be brief." in record["text"]


def test_check_of_a_source_that_is_mostly_unreadable_says_so_first(tmp_path: Path, model: Path) -> None:
    source = rows_file(tmp_path, ROWS[:2])
    source.write_text(source.read_text() + "\nno\n{\n'a'")
    path = tmp_path / "run.toml"
    spec = RunSpec(data=DataSection(source=str(source)), model=ModelSection(name=str(model)))
    path.write_bytes(dump_run_spec(spec))
    status, out, said = run("check", str(path))
    assert status == 3 and out.startswith("CANNOT BE READ: 3 rows cannot be read, beside 2 rows that can: ")
    assert "(3, 5)" in out and "no fault in these" in out and "data show --problems" in said
    status, out, _ = run("check", str(path), "--json")
    facts, error = map(json.loads, out.splitlines())
    assert status == 3 and error["error"]["exit_code"] == 3 and facts["rows_unusable_in_source"] == 3
    assert sum(kind["count"] for kind in facts["source"]["problems"]["kinds"]) == 3


def test_names_of_a_table_without_a_header(tmp_path: Path, model: Path) -> None:
    source = tmp_path / "rows.tsv"
    source.write_text("What is 1 + 1?\t2\nWhat is 2 + 2?\t4\n")
    status, out, _ = run("show", str(source), "--names", "instruction,output", "--row", "1", "--template", "alpaca")
    assert status == 0 and "What is 2 + 2?" in out
    data = DataSection(source=str(source), names=("instruction", "output"))
    path = tmp_path / "run.toml"
    path.write_bytes(dump_run_spec(RunSpec(data=data, model=ModelSection(name=str(model)))))
    status, out, _ = run("check", str(path))
    assert status == 0 and "2 rows, 2 to train on" in out
    status, out, _ = run("show", str(source), "--spec", str(path), "--row", "0", "--template", "alpaca")
    assert status == 0 and "What is 1 + 1?" in out
    status, _, said = run("show", str(source), "--template", "alpaca")
    assert status == 3 and "looks like a row, not names" in said
