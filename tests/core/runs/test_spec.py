from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.base.errors import RunError
from core.runs.spec import (
    DataSection,
    LoraSection,
    MixturePart,
    ModelSection,
    PromptSection,
    RunSpec,
    TrainSection,
    dump_run_spec,
    load_run_spec,
    mixture_of_two,
)
from core.tokens.loss_mask import SectionWeights

SPEC = RunSpec(name="x", data=DataSection(source="owner/rows"), model=ModelSection(name="owner/model"))


def test_round_trip(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(dump_run_spec(SPEC))
    assert load_run_spec(tmp_path / "run.toml") == SPEC


def test_columns_are_a_table_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    columns = {"instruction": "q", "output": "a:answer", "reasoning": ""}
    path.write_bytes(
        dump_run_spec(msgspec.structs.replace(SPEC, data=DataSection(source="owner/rows", columns=columns)))
    )
    assert b'[data.columns]\ninstruction = "q"' in path.read_bytes() and load_run_spec(path).data.columns == columns
    assert b"columns" not in dump_run_spec(SPEC)


def test_paths_count_from_the_files_folder(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").touch()
    (tmp_path / "run.toml").write_text('[data]\nsource = "rows.jsonl"\n[model]\nname = "demo"\n')
    spec = load_run_spec(tmp_path / "run.toml")
    assert (spec.data.source, spec.model.name) == (str(tmp_path / "rows.jsonl"), "demo")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[data\n", "run.toml"),
        ('[data]\nsource = "x"\n', "model"),
        ('[data]\nsource = "x"\nsorce = "y"\n[model]\nname = "m"\n', "sorce"),
        ('[data]\nsource = 3\n[model]\nname = "m"\n', "source"),
        ('[data]\nsource = "x"\n[model]\nname = "m"\n[train]\nbatch_size = 0\n', "train.batch_size"),
        ('[data]\nsource = "x"\n[data.columns]\nquestion = "q"\n[model]\nname = "m"\n', "data.columns.question"),
        ('[data]\nsource = "x"\n[data.columns]\ninstruction = "q"\n[model]\nname = "m"\n', "data.columns.output"),
        ('[data]\nsource = "x"\n[model]\nname = "m"\n[prompt]\nvanilla_share = 1.5\n', "prompt.vanilla_share"),
        ('[data]\nsource = "x"\n[model]\nname = "m"\n[train]\nlearning_rate = nan\n', "train.learning_rate"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(RunError) as caught:
        load_run_spec(path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.do


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        load_run_spec(tmp_path / "none.toml")


def test_defaults_are_those_of_the_practitioner() -> None:
    lora, prompt, train = LoraSection(), PromptSection(), TrainSection()
    assert (lora.r, lora.alpha, lora.dropout, lora.bias, lora.use_rslora, len(lora.target_modules)) == (
        16,
        16,
        0.0,
        "none",
        False,
        7,
    )
    assert (prompt.vanilla_share, prompt.max_seq_length, train.seed) == (0.15, 2048, 3442)


def test_names_that_are_no_paths_are_left_to_whoever_opens_them(tmp_path: Path) -> None:
    path, long = tmp_path / "run.toml", "a" * 300
    path.write_text(f'[data]\nsource = "{long}"\n[model]\nname = "b\\u0000"\n')
    assert (load_run_spec(path).data.source, load_run_spec(path).model.name) == (long, "b\0")
    path.write_text('[data]\nsource = ""\n[model]\nname = "demo"\n')  # an empty name would be the file's own folder
    with pytest.raises(RunError, match=r"data\.source"):
        load_run_spec(path)


HEAD = '[data]\nsource = "x"\n[model]\nname = "m"\n'


def written(tmp_path: Path, prompt: str) -> PromptSection:
    path = tmp_path / "run.toml"
    path.write_text(f"{HEAD}[prompt]\n{prompt}", encoding="utf-8")
    spec = load_run_spec(path)
    path.write_bytes(dump_run_spec(spec))
    assert load_run_spec(path) == spec
    return spec.prompt


def test_a_mixture_is_a_list_with_weights(tmp_path: Path) -> None:
    prompt = written(
        tmp_path, '[[prompt.mixture]]\ntemplate = "a"\nweight = 1\n[[prompt.mixture]]\ntemplate = "b"\nweight = 3.0\n'
    )
    assert (
        prompt.mixture == (MixturePart(template="a", weight=1.0), MixturePart(template="b", weight=3.0))
        and prompt.vanilla_share == 0.25
    )
    assert written(tmp_path, '[[prompt.mixture]]\ntemplate = "a"\n').vanilla_share is None


def test_the_words_of_earlier_versions_are_a_mixture_of_two(tmp_path: Path) -> None:
    prompt = written(tmp_path, 'vanilla = "a"\nreasoning = "b"\nvanilla_share = 0.3\nseed = 7\n')
    assert prompt.mixture == mixture_of_two(0.3, "a", "b") and prompt.seed == 7
    assert written(tmp_path, "vanilla_share = 1\n").mixture == mixture_of_two(1.0)
    assert written(tmp_path, 'reasoning = "b"\n').mixture == mixture_of_two(0.15, "alpaca", "b")
    with pytest.raises(RunError, match=r"prompt\.mixture cannot be combined"):
        written(tmp_path, 'vanilla_share = 0.3\n[[prompt.mixture]]\ntemplate = "a"\n')


def test_weights_for_sections_and_what_happens_to_long_rows(tmp_path: Path) -> None:
    prompt = written(
        tmp_path, 'too_long = "cut_reasoning"\ndrop_empty_input = false\nloss_on = { reasoning = 0.25, end = 2 }\n'
    )
    assert prompt.loss_on == SectionWeights(reasoning=0.25, end=2.0)
    assert (prompt.too_long, prompt.drop_empty_input, PromptSection().drop_empty_input) == (
        "cut_reasoning",
        False,
        None,
    )
    assert written(tmp_path, 'loss_on = "response"\n').loss_on == "response"


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ('loss_on = "answer"\n', "loss_on"),
        ("loss_on = { end = 0 }\n", "prompt.loss_on.end"),
        ("loss_on = { reasonning = 1 }\n", "reasonning"),
        ('too_long = "cut"\n', "too_long"),
        ("mixture = []\n", "prompt.mixture"),
        ('mixture = [{template = "a"}, {template = "a"}]\n', "prompt.mixture"),
        ('mixture = [{template = "a", weight = -1}]\n', "prompt.mixture.weight"),
        ('mixture = [{template = "a", weight = 0}]\n', "prompt.mixture.weight"),
        ('mixture = [{templat = "a"}]\n', "templat"),
        ('mixture = [{template = ""}]\n', "prompt.mixture.template"),
    ],
)
def test_prompt_settings_out_of_range_are_named(tmp_path: Path, prompt: str, named: str) -> None:
    with pytest.raises(RunError) as caught:
        written(tmp_path, prompt)
    assert named in str(caught.value)
