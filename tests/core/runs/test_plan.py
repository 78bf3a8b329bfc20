"""What a run will take, and the presets."""

from __future__ import annotations

import pytest

from core.base.errors import UsageError
from core.runs.facts_file import write_facts
from core.runs.plan import RunPace, plan_words, read_pace
from core.runs.presets import PRESETS, preset_spec
from core.runs.spec import PROJECTIONS, DataSection, ModelSection, check_run_spec
from tests.support.run_folders import ended_run, spec_of

DATA, MODEL = DataSection(source="rows.jsonl"), ModelSection(name="owner/model")


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_can_be_started(name: str) -> None:
    spec = preset_spec(name, DATA, MODEL)
    check_run_spec(spec)
    assert (spec.name, spec.data, spec.model) == (name, DATA, MODEL) and PRESETS[name].words.endswith(".")


def test_the_preset_of_the_seeds_is_theirs() -> None:
    spec = preset_spec("seeds", DATA, MODEL)
    lora, train = spec.lora, spec.train
    assert (lora.r, lora.alpha, lora.dropout, lora.bias, lora.use_rslora) == (16, 16, 0.0, "none", False)
    assert lora.target_modules == PROJECTIONS and len(PROJECTIONS) == 7 and lora.init_from == ""
    assert (train.seed, train.gradient_checkpointing, spec.prompt.max_seq_length) == (3442, True, 2048)
    assert spec.model.load_in_4bit and train.dtype == "auto"
    assert [(part.template, part.weight) for part in spec.prompt.mixture] == [
        ("alpaca", 0.15),
        ("alpaca-reasoning", 0.85),
    ]


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="seed") as caught:
        preset_spec("seed", DATA, MODEL)
    assert "seeds" in caught.value.do


def test_tokens_and_time_come_from_earlier_runs_alone() -> None:
    spec = spec_of()
    assert read_pace(spec) == RunPace() and plan_words(spec, 504, RunPace()) == "63 steps over 504 rows"
    run = ended_run(1)
    write_facts(run.path, {"tokens_per_epoch": 50_400, "rows_trained": 504})
    ended_run(2, spec_of(model="other", data="other"))
    pace = read_pace(spec)
    assert pace == RunPace(100.0, 300.0, run.id)
    assert plan_words(spec, 504, pace) == "63 steps over 504 rows · about 50,000 tokens · about 2 min 48 s"
