"""`export`: one real job, followed and told; what is asked before an upload and before something is replaced."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from core.base.command_output import CommandOutput
from core.base.errors import ModelError, RunError, SuironError, UsageError
from core.cli import build_parser
from core.cli import export as command
from core.runs.run_folder import RunFolder
from tests.support.export_models import make_model
from tests.support.export_runs import make_rows, make_run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("cli") / "model", "qwen2", dtype="bfloat16")


@pytest.fixture
def run(model: Path, tmp_path: Path) -> RunFolder:
    return make_run(model, make_rows(tmp_path / "rows.jsonl"))


def call(*words: str, as_json: bool = False) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    arguments = build_parser().parse_args(["export", *words, *(["--json"] if as_json else [])])
    code = command.run(arguments, CommandOutput(as_json, out, err))
    return code, out.getvalue(), err.getvalue()


class Terminal(io.StringIO):
    """Standard input that a person types into."""

    def isatty(self) -> bool:
        return True


def test_a_real_export_is_followed_and_told(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    out = tmp_path / "out"
    code, text, notes = call("last", "--to", "gguf", "--type", "f32", "--check", "2", "--out", str(out))
    assert code == 0
    assert "2 of 2 answers equal" in text
    assert "1000 of 1000 texts have the same token ids" in text
    assert "llama-server -m tiny-one-F32.gguf" in text
    assert "checking: asking what was written" in notes
    assert (out / "tiny-one-F32.gguf").is_file()
    with pytest.raises(RunError, match="exists already"):
        call("last", "--to", "gguf", "--out", str(out))


def test_a_failure_has_three_parts(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (run.path / "run.toml").write_text((run.path / "run.toml").read_text().replace("/model", "/gone"))
    with pytest.raises(SuironError) as caught:
        call(run.id, "--to", "merged", "--check", "0", "--out", str(tmp_path / "out"), as_json=True)
    assert "gone" in caught.value.where
    assert caught.value.do
    assert not (tmp_path / "out").exists()


@pytest.fixture
def exported(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """`start_export` exports in this process; the options of each start."""
    from tests.support.export_runs import export_here

    started: list[dict[str, Any]] = []

    def start(name: str, to: str, **options: Any) -> RunFolder:
        started.append({"to": to, **options})
        settings = {key: options[key] for key in ("type", "overwrite", "check", "base")}
        return export_here(run, options["out"], to, **settings)

    monkeypatch.setattr(command, "start_export", start)
    return started


def test_an_existing_target_is_asked_about_on_a_terminal(
    exported: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("last", "--to", "adapter", "--check", "0", "--out", str(tmp_path / "out"))
    assert call(*words)[0] == 0
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(RunError, match="exists already"):
        call(*words)
    monkeypatch.setattr("sys.stdin", Terminal("yes\n"))
    code, _, notes = call(*words)
    assert code == 0
    assert "Replace it? [y/N]" in notes
    assert [start["overwrite"] for start in exported] == [False, False, True]


def test_an_upload_is_listed_and_asked_first(
    exported: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    def upload(folder: Path, plan: Any) -> str:
        sent.append(plan)
        return "https://hub/owner/name"

    monkeypatch.setattr(command, "upload", upload)
    words = ("last", "--to", "adapter", "--check", "0", "--upload", "owner/name", "--out")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageError, match="no terminal"):
        call(*words, str(tmp_path / "a"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(ModelError, match="no token"):
        call(*words, str(tmp_path / "a"), "--yes")
    assert not exported
    monkeypatch.setenv("HF_TOKEN", "hf_given")
    monkeypatch.setattr("sys.stdin", Terminal("no\n"))
    _, _, notes = call(*words, str(tmp_path / "b"))
    assert "adapter_model.safetensors" in notes
    assert "Nothing was uploaded" in notes
    assert not sent
    code, text, _ = call(*words, str(tmp_path / "c"), "--yes", as_json=True)
    assert code == 0
    assert json.loads(text.splitlines()[-1])["uploaded"] == "owner/name"
    assert sent[0].private
    assert "suiron.json" not in [name for name, _ in sent[0].files]


def test_options_of_an_upload_need_one(run: RunFolder) -> None:
    with pytest.raises(UsageError, match="nothing is uploaded"):
        call("last", "--to", "adapter", "--public")
