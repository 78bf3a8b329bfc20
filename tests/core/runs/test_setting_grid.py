"""Lists of values for settings: which runs they make, and which are refused before any is made."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import RunError, SuironError, UsageError
from core.runs.run_folder import create_run_folder
from core.runs.setting_grid import SettingValues, parse_setting_values, specs_of_grid
from core.runs.spec import DataSection, ModelSection, RunSpec

SPEC = RunSpec(name="seeds", data=DataSection(source="demo"), model=ModelSection(name="demo"))


def specs(*words: str, spec: RunSpec = SPEC, folder: Path = Path("/")) -> list[RunSpec]:
    return specs_of_grid(spec, [parse_setting_values(one) for one in words], folder)


def test_two_lists_make_a_run_for_each_pair_that_says_what_differs() -> None:
    runs = specs("train.learning_rate=1e-4,2e-4", "lora.r=8,16")
    assert [(run.train.learning_rate, run.lora.r) for run in runs] == [(1e-4, 8), (1e-4, 16), (2e-4, 8), (2e-4, 16)]
    assert runs[1].name == "seeds learning_rate-1e-4 r-16"
    assert "seeds-learning-rate-1e-4-r-16" in create_run_folder(runs[1]).id
    same = msgspec.structs.replace(runs[3], name=SPEC.name, lora=SPEC.lora, train=SPEC.train)
    assert same == SPEC


def test_a_long_name_makes_room_for_what_differs() -> None:
    spec = msgspec.structs.replace(SPEC, name="a run with a name that is very long")
    (run, _) = specs("train.learning_rate=1e-4,2e-4", spec=spec)
    assert run.name == "a run with a learning_rate-1e-4" and "-learning-rate-1e-4-" in create_run_folder(run).id


@pytest.mark.parametrize(
    ("words", "values"),
    [
        ("train.scheduler=linear,cosine", ["linear", "cosine"]),
        ("train.gradient_checkpointing=true,false", [True, False]),
        ("train.epochs=1, 2.5", [1.0, 2.5]),
        ("prompt.loss_on=all,response", ["all", "response"]),
    ],
)
def test_values_have_the_type_of_their_setting(words: str, values: list[object]) -> None:
    section, _, name = words.partition("=")[0].partition(".")
    assert [getattr(getattr(run, section), name) for run in specs(words)] == values


def test_paths_start_from_the_specifications_folder(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text("{}\n")
    runs = specs("data.source=a.jsonl,b.jsonl", folder=tmp_path)
    assert [run.data.source for run in runs] == [str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["train.learning_rate"], "a setting and its values"),
        (["train.learning_rate=1e-4,,2e-4"], "a setting and its values"),
        (["name=a,b"], "a setting and its values"),
        (["train.learning_rat=1e-4"], "is not a setting"),
        (["training.steps=1"], "is not a setting"),
        (["lora.target_modules=q_proj,k_proj"], "a list or a table itself"),
        (["lora.r=8,many"], "lora.r must be a whole number"),
        (["lora.r=8,-8"], "lora.r"),
        (["train.scheduler=linear,cosin"], "train.scheduler"),
        (["train.learning_rate=1e-4,0.0001"], "there twice"),
        (["lora.r=8", "lora.r=16"], "different settings"),
        (["lora.r=8", "lora.alpha=8", "train.seed=1"], "at most 2"),
        ([f"train.seed={','.join(map(str, range(101)))}"], "more than 100"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], what: str) -> None:
    with pytest.raises(SuironError) as caught:
        specs(*words)
    assert what in str(caught.value) and caught.value.do
    assert isinstance(caught.value, UsageError | RunError)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5, unique=True))
def test_each_value_makes_one_run_with_a_name_of_its_own(seeds: list[int]) -> None:
    runs = specs_of_grid(SPEC, [SettingValues("train.seed", tuple(map(str, seeds)))], Path("/"))
    assert [run.train.seed for run in runs] == seeds and len({run.name for run in runs}) == len(seeds)
