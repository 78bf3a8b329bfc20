"""What a name points to: decided once, in the same way for every working directory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from core.data.locate.source_name import resolve_source_name
from core.data.source import open_data
from core.examples.run_rows import data_section, open_rows
from core.runs.spec import DataSection, ModelSection, RunSpec, dump_run_spec, load_run_spec
from core.session import Session, load_session, save_session
from tui.common.run_settings import session_spec


@pytest.fixture
def shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two files of rows in the folder `shards`."""
    folder = tmp_path / "work" / "shards"
    folder.mkdir(parents=True)
    for number in range(2):
        row = {"instruction": f"q{number}", "reasoning": "t", "output": "a"}
        (folder / f"part-{number:02}.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.chdir(folder.parent)
    return folder


def test_every_kind_of_name(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(shards.parent))
    (shards / "a[1].jsonl").write_text("{}\n")
    (shards.parent / "demo").mkdir()
    (shards.parent / "owner" / "name").mkdir(parents=True)
    for text, kind, address in (
        ("demo", "demo", "demo"),
        ("shards", "path", str(shards)),
        ("./shards/", "path", str(shards)),
        ("~/shards/part-00.jsonl", "path", str(shards / "part-00.jsonl")),
        ("shards/*.jsonl", "pattern", str(shards / "*.jsonl")),
        ("~/shards/part-0?.jsonl", "pattern", str(shards / "part-0?.jsonl")),
        ("shards/a[1].jsonl", "path", str(shards / "a[1].jsonl")),
        ("owner/name", "path", str(shards.parent / "owner" / "name")),
        ("owner/other", "hub", "owner/other"),
        ("owner/other:config@main", "hub", "owner/other:config@main"),
        ("owner/rows.jsonl", "missing", "owner/rows.jsonl"),
        ("nothing", "missing", "nothing"),
        ("", "missing", ""),
        ("x" * 300, "missing", "x" * 300),
        ("a\0b", "missing", "a\0b"),
    ):
        target = resolve_source_name(text)
        assert (target.kind, target.address) == (kind, address), text
    assert resolve_source_name("part-*.jsonl", shards).address == str(shards / "part-*.jsonl")


def test_a_pattern_that_is_open_can_be_trained_on_from_anywhere(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_data("shards/*.jsonl")
    session = Session(data="shards/*.jsonl", model="demo")
    sections = [data_section(dataset), session_spec(session)[0].data, session_spec(session, dataset)[0].data]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)  # a run works in a folder of its own
    for section in sections:
        spec_file = elsewhere / "run.toml"
        spec_file.write_bytes(dump_run_spec(RunSpec(data=section, model=ModelSection(name="demo"))))
        rows = open_rows(load_run_spec(spec_file).data)
        assert len(rows) == 2 and rows.row(1).instruction == "q1"
        assert rows.fingerprint == dataset.fingerprint


def test_a_specification_names_a_pattern_from_its_own_folder(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec_file = shards.parent / "spec.toml"
    spec_file.write_bytes(
        dump_run_spec(RunSpec(data=DataSection(source="shards/*.jsonl"), model=ModelSection(name="demo")))
    )
    monkeypatch.chdir(tmp_path)
    assert len(open_rows(load_run_spec(spec_file).data)) == 2


def test_a_name_longer_than_any_file_system_takes_is_only_a_name(tmp_path: Path) -> None:
    name = "m" * 300
    save_session(Session(data=name, model=name))
    session = load_session()
    spec, trouble = session_spec(session)
    assert trouble is None and (spec.data.source, spec.model.name) == (name, name)
    spec_file = tmp_path / "run.toml"
    spec_file.write_bytes(dump_run_spec(spec))
    assert load_run_spec(spec_file).model.name == name
    assert os.path.exists(spec_file)
