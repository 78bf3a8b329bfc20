"""Every setting of run.toml as a field of a form."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import RunError
from core.runs.spec import DataSection, LoraSection, ModelSection, RunSpec, SamplesSection, TrainSection
from core.runs.spec_fields import field_of, parse_value, setting_values, spec_fields, value_text, with_setting_values

SPEC = RunSpec(data=DataSection(source="demo"), model=ModelSection(name="demo"))


def test_every_field_is_there_with_a_line_of_help() -> None:
    content = msgspec.to_builtins(SPEC)
    keys = {f"{name}.{key}" for name, section in content.items() if isinstance(section, dict) for key in section}
    assert {field.key for field in spec_fields()} == keys | {"name"}
    assert all(field.help.endswith(".") and "\n" not in field.help for field in spec_fields())
    groups = [field.group for field in spec_fields()]
    assert list(dict.fromkeys(groups)) == [
        "run",
        "data",
        "model",
        "prompt",
        "lora",
        "train",
        "validation",
        "samples",
        "report",
    ]
    assert len(dict.fromkeys(groups)) == len(
        [group for group, other in zip(groups, ["", *groups], strict=False) if group != other]
    )


@given(
    st.floats(1e-9, 0.9),
    st.integers(1, 10**6),
    st.booleans(),
    st.sampled_from(["", "echo done; say 終わり"]),
    st.floats(0, 0.99),
    st.one_of(st.integers(1, 100), st.lists(st.one_of(st.integers(0, 99), st.text()), min_size=1).map(tuple)),
)
def test_settings_survive_as_texts(
    rate: float, r: int, rslora: bool, command: str, dropout: float, questions: int | tuple[int | str, ...]
) -> None:
    spec = msgspec.structs.replace(
        SPEC,
        data=DataSection(source="a b.jsonl", columns={"instruction": "q", "output": "a:last"}, names=("x", "y")),
        lora=LoraSection(r=r, use_rslora=rslora, dropout=dropout),
        train=TrainSection(learning_rate=rate, on_end=command),
        samples=SamplesSection(questions=questions),
    )
    assert with_setting_values(SPEC, setting_values(spec)) == spec


@pytest.mark.parametrize(
    ("key", "text", "what"),
    [
        ("train.steps", "many", "must be a whole number"),
        ("train.steps", "1.5", "must be a whole number"),
        ("train.learning_rate", "nan", "must be a number"),
        ("lora.use_rslora", "perhaps", "must be true or false"),
        ("train.dtype", "int3", "must be one of auto"),
        ("train.report_to", "wandb, tensorbord", "must be of tensorboard"),
        ("data.columns", "output", "must be pairs"),
        ("samples.questions", "Why?", "must be a number, or a list like"),
        ("samples.questions", "[1.5]", "must be a number, or a list like"),
    ],
)
def test_what_cannot_be_read_names_its_field(key: str, text: str, what: str) -> None:
    with pytest.raises(RunError) as caught:
        with_setting_values(SPEC, {key: text})
    assert what in caught.value.what and caught.value.where == key


def test_what_may_be_unset_is_empty() -> None:
    assert parse_value(field_of("prompt.drop_empty_input"), "") is None
    assert value_text(None) == "" and value_text(0.1 + 0.2) == "0.30000000000000004"
    assert with_setting_values(SPEC, {"nothing": "1"}) == SPEC
