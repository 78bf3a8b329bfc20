"""Where an export may be written: what is replaced, what never is, and what is left beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.base.errors import RunError
from core.export.export_jobs import follow_export, start_export, usual_folder
from core.export.export_spec import ExportSpec, dump_export_spec
from core.runs.run_folder import RunFolder, create_job_folder
from core.runs.status_file import RunStatus
from tests.support.export_models import copied
from tests.support.export_runs import export_here, make_run, refused


def test_an_existing_target(run: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_here(run, out, "adapter", check=0)
    assert "--overwrite" in refused(run, out, "adapter", check=0).do
    export_here(run, out, "merged", overwrite=True, check=0)
    assert (out / "model.safetensors").is_file()
    assert not (out / "adapter_config.json").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    assert "no export has written: thesis.txt" in refused(run, other, "adapter", overwrite=True, check=0).what
    assert (other / "thesis.txt").read_text() == "mine"
    assert "not a folder" in refused(run, other / "thesis.txt", "adapter", check=0).what


def test_a_file_that_was_put_into_an_export_is_not_lost(run: RunFolder, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_here(run, out, "adapter", check=0)
    (out / "own-Q4_K_M.gguf").write_text("mine")
    assert "own-Q4_K_M.gguf" in refused(run, out, "adapter", overwrite=True, check=0).what
    (out / "own-Q4_K_M.gguf").unlink()
    export_here(run, out, "adapter", overwrite=True, check=0)


def test_folders_beside_the_target_are_the_users(run: RunFolder, tmp_path: Path) -> None:
    for name in ("out.old", "out.part"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("mine")
    export_here(run, tmp_path / "out", "adapter", check=0)
    export_here(run, tmp_path / "out", "adapter", check=0, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "out.old", "out.part"]
    assert (tmp_path / "out.old" / "thesis.txt").read_text() == "mine"
    assert (tmp_path / "out.part" / "thesis.txt").read_text() == "mine"


def test_a_run_is_never_the_target(run: RunFolder, tmp_path: Path) -> None:
    copy = copied(run.adapter, tmp_path / "copy")
    assert "no export has written" in refused(run, copy, "merged", overwrite=True, check=0).what
    assert (copy / "adapter_config.json").is_file()
    for out in (run.adapter, run.path / "merged"):
        assert "inside the folder of the runs" in refused(run, out, "merged", overwrite=True, check=0).what
    assert run.newest_adapter() == run.adapter


def test_what_a_killed_export_left_is_removed_by_the_next(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    killed = export_here(run, out, "adapter", check=0)
    killed.write_status(msgspec.structs.replace(killed.status(), state="failed", over=True))
    out.rename(tmp_path / "out.suiron.old")
    (tmp_path / "out.suiron.part").mkdir()
    monkeypatch.setattr("core.export.export_jobs.start_job", lambda *_: killed)
    start_export(run.id, "adapter", out=tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (out / "adapter_config.json").is_file()


def test_a_killed_export_is_called_one(run: RunFolder, tmp_path: Path) -> None:
    killed = export_here(run, tmp_path / "out", "adapter", check=0)
    status = msgspec.structs.replace(killed.status(), state="exporting", over=False, started=0.0, pid=0)
    killed.write_status(status)
    with pytest.raises(RunError, match="the export's process is gone"):
        list(follow_export(killed))


def test_two_exports_do_not_write_one_folder(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.runs.run_folder.RunFolder.status", lambda _: RunStatus(state="exporting"))
    export = ExportSpec(run=run.id, to="adapter", out=str(tmp_path / "out"))
    create_job_folder("export", dump_export_spec(export))
    with pytest.raises(RunError, match="another export writes"):
        start_export(run.id, "adapter", out=tmp_path / "out")


def test_a_name_in_japanese(base: Path, rows: Path, tmp_path: Path) -> None:
    run = make_run(base, rows, name="算数の推論 🧮")
    out = tmp_path / "書き出し"
    export_here(run, out, "ollama", check=0)
    assert "FROM ./tuned-Q8_0.gguf" in (out / "Modelfile").read_text("utf-8")
    assert "# 算数の推論 🧮: ollama" in (out / "README.md").read_text("utf-8")
    assert usual_folder(run.id, "merged", "").name.isascii()


def test_a_run_that_still_trains_is_exported_as_it_was_saved(run: RunFolder, tmp_path: Path) -> None:
    run.write_status(RunStatus(state="training", step=57, total=60))
    export_here(run, tmp_path / "out", "adapter", check=0)
    assert "| steps | 3 of 60 |" in (tmp_path / "out" / "README.md").read_text("utf-8")
