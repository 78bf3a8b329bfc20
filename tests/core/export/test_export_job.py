"""Exports of a tiny run: what is written, what is asked, what is refused, and that nothing half-made is left."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from core.base import folders
from core.base.errors import ModelError, RunError
from core.export.export_jobs import exports_of, find_training_run, read_export, start_export, usual_folder
from core.export.export_result import ExportResult, read_result
from core.export.export_spec import ExportSpec, check_export_spec, dump_export_spec, load_export_spec
from core.runs.run_folder import RunFolder
from tests.support.export_models import copied, make_model
from tests.support.export_runs import QUESTIONS, export_here, make_rows, make_run, refused


def result_of(job: RunFolder) -> ExportResult:
    result = read_result(job.path)
    assert result is not None
    return result


def nothing_is_left(out: Path) -> bool:
    return not out.exists() and not list(out.parent.glob(f"{out.name}*"))


@pytest.mark.parametrize(
    ("to", "type", "files"),
    [
        ("merged", "f32", {"model.safetensors", "config.json", "tokenizer.json", "README.md"}),
        ("gguf", "f32", {"tiny-one-F32.gguf", "README.md"}),
        ("adapter", "", {"adapter_config.json", "adapter_model.safetensors", "README.md"}),
    ],
)
def test_what_is_written_answers_as_the_run(
    run: RunFolder, tmp_path: Path, to: str, type: str, files: set[str]
) -> None:
    out = tmp_path / "out"
    job = export_here(run, out, to, type=type)
    result = result_of(job)
    assert files <= set(result.files)
    assert result.agreements["exported"].equal == QUESTIONS
    assert (result.agreements["exported"].mean_kl or 0) < 1e-6
    assert result.words == f"{QUESTIONS} of {QUESTIONS} answers equal"
    status = job.status()
    assert (status.state, status.message, status.step) == ("finished", result.words, status.total)
    assert result.texts == result.texts_equal == (0 if to == "adapter" else 1000)
    assert result.questions_from == f"{QUESTIONS} rows held out"
    assert not list(tmp_path.glob("out.*"))
    assert read_export(job).line == result.words
    assert exports_of(run.id) == [job] or job.id in [found.id for found in exports_of(run.id)]


def test_16_bit_shows_how_many_answers_differ(run: RunFolder, tmp_path: Path) -> None:
    result = result_of(export_here(run, tmp_path / "out", "merged", type="bf16"))
    agreement = result.agreements["exported"]
    assert result.type == "bf16"
    assert (agreement.first_difference is None) == (agreement.equal == agreement.asked)
    assert 0 < (agreement.mean_kl or 0) <= (agreement.largest_kl or 0) < 1
    assert agreement.words in result.words
    assert result.peak_bytes > 0


def test_an_ollama_folder_has_a_modelfile_of_the_runs_template(run: RunFolder, tmp_path: Path) -> None:
    job = export_here(run, tmp_path / "out", "ollama", check=0)
    result = result_of(job)
    text = (tmp_path / "out" / "Modelfile").read_text("utf-8")
    assert "FROM ./tiny-one-Q8_0.gguf" in text
    assert "### Reasoning:" in text
    assert 'PARAMETER stop "### Instruction:"' in text
    assert 'LICENSE """The licence\'s words.' in text
    assert result.commands[0] == "ollama create tiny-one -f Modelfile"
    assert result.words == "written, not asked: no question was wanted"


def test_the_adapter_for_vllm_has_its_command(run: RunFolder, base: Path, tmp_path: Path) -> None:
    result = result_of(export_here(run, tmp_path / "out", "vllm", check=0))
    expected = f"vllm serve {base.name} --enable-lora --lora-modules tiny-one=. --max-lora-rank 8"
    assert result.commands == (expected,)
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == base.name


def test_the_card_has_the_facts_and_no_path_of_this_machine(base: Path, rows: Path, tmp_path: Path) -> None:
    run = make_run(base, rows, edits={"changed": 2, "added": 0}, reasoning_teacher="big|model", data_revision="abc")
    results = run.path / "results"
    results.mkdir()
    (results / "evaluation.json").write_text(json.dumps({"exact": 0.5, "answers": [1, 2]}))
    export_here(run, tmp_path / "out", "merged", type="f32")
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    for words in (
        f'base_model: "{base.name}"',
        'license: "apache-2.0"',
        "rows-1",
        "2 changed",
        "big\\|model",
        "| revision | abc |",
        "alpaca-reasoning (0.85)",
        '"completion"',
        "| exact | 0.5 |",
        f"{QUESTIONS} of {QUESTIONS} answers equal",
        "1000 of 1000 texts",
        "vllm serve .",
        "by the template `alpaca-reasoning`",
        "    ### Instruction:\n    {question}\n",
        run.id,
    ):
        assert words in card
    assert str(tmp_path) not in card
    assert str(base.parent) not in card
    mark = json.loads((tmp_path / "out" / "suiron.json").read_text())
    assert mark["files"]["README.md"] == len(card.encode())
    assert str(base.parent) not in json.dumps(mark)


def test_a_4_bit_run_shows_both_ways_and_writes_the_nearer(base: Path, rows: Path, tmp_path: Path) -> None:
    run = make_run(base, rows, four_bit=True)
    result = result_of(export_here(run, tmp_path / "auto", "merged", type="f32"))
    assert list(result.agreements) == ["exported", "original", "dequantised"]
    assert result.base_weights == "dequantised"
    assert (result.agreements["exported"].mean_kl or 1) < (result.agreements["original"].mean_kl or 0)
    card = (tmp_path / "auto" / "README.md").read_text("utf-8")
    assert "merged into the original weights" in card
    assert "unpacked from 4 bit" in card
    result = result_of(export_here(run, tmp_path / "named", "merged", base="original", check=2))
    assert result.base_weights == "original"
    assert "dequantised" in result.agreements


def test_the_backend_tells_of_runs_of_earlier_versions(base: Path, rows: Path, tmp_path: Path) -> None:
    run = make_run(base, rows, four_bit=None, backend="Unsloth, 4-bit, on a GPU: CUDA is available")
    result = result_of(export_here(run, tmp_path / "out", "merged", base="dequantised", check=0))
    assert result.base_weights == "dequantised"


def test_trained_rows_are_asked_where_none_is_held_out(base: Path, tmp_path: Path) -> None:
    run = make_run(base, make_rows(tmp_path / "rows.jsonl", ("train",)))
    result = result_of(export_here(run, tmp_path / "out", "adapter"))
    assert "trained on" in result.questions_from


def test_other_programs_are_named_where_they_are(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "llama-quantize"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    result = result_of(export_here(run, tmp_path / "out", "gguf", check=0))
    assert "llama-quantize tiny-one-F16.gguf tiny-one-Q4_K_M.gguf Q4_K_M" in result.commands


def test_q4_0_is_written_with_a_warning(run: RunFolder, tmp_path: Path) -> None:
    result = result_of(export_here(run, tmp_path / "out", "gguf", type="q4_0", check=0))
    assert any("q4_0" in remark for remark in result.remarks)


def test_what_was_written_stays_where_asking_fails(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("CUDA out of memory")

    monkeypatch.setattr("core.export.exported_models.load_folder", fail)
    job = export_here(run, tmp_path / "out", "merged")
    assert job.status().state == "finished"
    assert "written, not asked: asking it failed (the GPU ran out of memory" in job.status().message
    assert "was not asked" in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_a_model_that_does_not_fit_is_written_and_not_asked(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.export.exported_models.available_bytes", lambda _: 1000)
    result = result_of(export_here(run, tmp_path / "out", "gguf"))
    assert "does not fit" in result.not_checked
    assert result.texts_equal == 1000


def test_an_adapter_on_packed_weights_is_exported_and_not_merged(base: Path, rows: Path, tmp_path: Path) -> None:
    import numpy as np
    from safetensors.numpy import load_file, save_file

    model = copied(base, tmp_path / "model")
    run = make_run(model, rows)
    save_file({"a.weight": np.zeros((4, 1), np.uint8)}, model / "model.safetensors")
    facts = json.loads((run.path / "facts.json").read_text())
    from core.models.fingerprint import model_fingerprint

    (run.path / "facts.json").write_text(json.dumps(facts | {"model_fingerprint": model_fingerprint(model)}))
    mark = json.loads((run.adapter / "suiron.json").read_text())
    (run.adapter / "suiron.json").write_text(json.dumps(mark | {"base_fingerprint": model_fingerprint(model)}))
    result = result_of(export_here(run, tmp_path / "out", "vllm", check=0))
    assert load_file(tmp_path / "out" / "adapter_model.safetensors")
    assert result.files["adapter_model.safetensors"] > 0
    assert "packed" in refused(run, tmp_path / "merged", "merged").what


# -- what is refused --


def test_a_run_without_an_adapter(base: Path, rows: Path, tmp_path: Path) -> None:
    run = make_run(base, rows, adapter=False)
    assert "no adapter" in refused(run, tmp_path / "out", "merged").what
    assert nothing_is_left(tmp_path / "out")
    with pytest.raises(RunError, match="no adapter"):
        start_export(run.id, "merged")
    with pytest.raises(RunError, match="no run has saved an adapter"):
        find_training_run("last")


def test_a_base_that_is_gone_or_another_one(rows: Path, base: Path, tmp_path: Path) -> None:
    model = copied(base, tmp_path / "model")
    run = make_run(model, rows)
    make_model(tmp_path / "changed", "qwen2", dtype="bfloat16", rms_norm_eps=1e-5)
    (model / "config.json").write_bytes((tmp_path / "changed" / "config.json").read_bytes())
    assert "another revision" in refused(run, tmp_path / "out", "merged").what
    model.rename(tmp_path / "elsewhere")
    assert isinstance(refused(run, tmp_path / "out", "merged"), ModelError)
    assert nothing_is_left(tmp_path / "out")


def test_no_disk(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.models.export.disk_and_memory._SLACK_BYTES", 1 << 60)
    assert "GiB are free" in refused(run, tmp_path / "out", "merged").what
    assert nothing_is_left(tmp_path / "out")


def test_a_disk_that_fills_up_leaves_nothing(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.models.export.safetensors_writing.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        export_here(run, tmp_path / "out", "merged")
    assert nothing_is_left(tmp_path / "out")


def test_a_tokenizer_that_gguf_cannot_hold_is_refused_before_the_weights(
    base: Path, rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = copied(base, tmp_path / "model")
    definition = json.loads((model / "tokenizer.json").read_text("utf-8"))
    definition["normalizer"] = {"type": "Lowercase"}
    (model / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    run = make_run(model, rows)
    monkeypatch.setattr("core.export.export_writing.write_gguf", None)
    assert "GGUF cannot hold" in refused(run, tmp_path / "out", "gguf").what
    assert nothing_is_left(tmp_path / "out")


def test_a_cancelled_export_leaves_nothing(run: RunFolder, tmp_path: Path) -> None:
    job = export_here(run, tmp_path / "out", "merged", before=lambda job: job.request("stop"))
    assert job.status().state == "stopped"
    assert "nothing was written" in job.status().message
    assert nothing_is_left(tmp_path / "out")
    assert read_result(job.path) is None


def test_an_export_cancelled_while_it_writes_leaves_nothing(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.export import export_job

    seen: list[str] = []
    own = export_job.ExportJob._on_tensor

    def cancel_at_the_third(self: export_job.ExportJob, name: str, done: int, total: int) -> None:
        seen.append(name)
        if done == 3:
            self._job.run.request("discard")
        own(self, name, done, total)

    monkeypatch.setattr(export_job.ExportJob, "_on_tensor", cancel_at_the_third)
    job = export_here(run, tmp_path / "out", "gguf")
    assert len(seen) == 4
    assert job.status().state == "stopped"
    assert nothing_is_left(tmp_path / "out")


def test_other_requests_are_refused(run: RunFolder, tmp_path: Path) -> None:
    job = export_here(run, tmp_path / "out", "adapter", check=0, before=lambda job: job.request("rate", 0.5))
    assert next(event.kind for event in job.events()[0]) == "refused"
    assert job.status().state == "finished"


def test_a_base_to_merge_into_needs_a_4_bit_run(run: RunFolder, tmp_path: Path) -> None:
    assert "4 bit" in refused(run, tmp_path / "out", "merged", base="dequantised").what


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"to": "merged", "type": "q8_0"}, "f16, bf16, f32"),
        ({"to": "vllm", "type": "f16"}, "as it was trained"),
        ({"to": "gguf", "check": -1}, "questions"),
        ({"to": "gguf", "out": "relative"}, "absolute"),
    ],
)
def test_specifications_that_make_no_sense(settings: dict[str, object], word: str) -> None:

    spec = msgspec.convert({"run": "a", "out": "/out", **settings}, ExportSpec)
    with pytest.raises(RunError) as caught:
        check_export_spec(spec)
    assert word in str(caught.value)


def test_a_specification_is_read_back(tmp_path: Path) -> None:
    spec = ExportSpec(run="a", to="gguf", out="/out", type="q8_0", overwrite=True, check=3)
    path = tmp_path / "run.toml"
    path.write_bytes(dump_export_spec(spec))
    assert load_export_spec(path) == spec
    path.write_text('kind = "train"\n')
    with pytest.raises(RunError, match="no export"):
        load_export_spec(path)


def test_the_usual_folder_is_below_home(run: RunFolder) -> None:
    assert usual_folder(run.id, "gguf", "f16") == folders.home() / "exports" / f"{run.id}-gguf-f16"
    assert find_training_run("last").id == run.id
