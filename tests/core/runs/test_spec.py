from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import RunError
from core.runs.spec import DataSection, LoraSection, ModelSection, PromptSection, RunSpec, TrainSection, dump_spec, load_spec

SPEC = RunSpec(name="x", data=DataSection(source="owner/rows"), model=ModelSection(name="owner/model"))


def test_round_trip(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(dump_spec(SPEC))
    assert load_spec(tmp_path / "run.toml") == SPEC


def test_paths_count_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").touch()
    (tmp_path / "run.toml").write_text('[data]\nsource = "rows.jsonl"\n[model]\nname = "demo"\n')
    spec = load_spec(tmp_path / "run.toml")
    assert (spec.data.source, spec.model.name) == (str(tmp_path / "rows.jsonl"), "demo")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[data\n", "run.toml"),
        ('[data]\nsource = "x"\n', "model"),
        ('[data]\nsource = "x"\nsorce = "y"\n[model]\nname = "m"\n', "sorce"),
        ('[data]\nsource = 3\n[model]\nname = "m"\n', "source"),
        ('[data]\nsource = "x"\n[model]\nname = "m"\n[train]\nbatch_size = 0\n', "train.batch_size"),
        ('[data]\nsource = "x"\n[model]\nname = "m"\n[prompt]\nvanilla_share = 1.5\n', "prompt.vanilla_share"),
        ('[data]\nsource = "x"\n[model]\nname = "m"\n[train]\nlearning_rate = nan\n', "train.learning_rate"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(RunError) as caught:
        load_spec(path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.do


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        load_spec(tmp_path / "none.toml")


def test_defaults_are_those_of_the_practitioner() -> None:
    lora, prompt, train = LoraSection(), PromptSection(), TrainSection()
    assert (lora.r, lora.alpha, lora.dropout, lora.bias, lora.use_rslora, len(lora.target_modules)) == (16, 16, 0.0, "none", False, 7)
    assert (prompt.vanilla_share, prompt.max_seq_length, train.seed) == (0.15, 2048, 3442)


def test_names_that_are_no_paths_are_left_to_whoever_opens_them(tmp_path: Path) -> None:
    path, long = tmp_path / "run.toml", "a" * 300
    path.write_text(f'[data]\nsource = "{long}"\n[model]\nname = "b\\u0000"\n')
    assert (load_spec(path).data.source, load_spec(path).model.name) == (long, "b\0")
    path.write_text('[data]\nsource = ""\n[model]\nname = "demo"\n')  # an empty name would be the file's own folder
    with pytest.raises(RunError, match=r"data\.source"):
        load_spec(path)
