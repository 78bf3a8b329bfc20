"""The words of a run's prompts: to text and back, and what is wrong said with its key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import RunError
from core.runs.prompt_texts import LOSS_KEY, MIXTURE_KEY, TOO_LONG_KEY, prompt_texts, with_prompt_texts
from core.runs.spec import DataSection, MixturePart, ModelSection, PromptSection, RunSpec
from core.tokens.loss_mask import SectionWeights

SPEC = RunSpec(data=DataSection(source="demo"), model=ModelSection(name="demo"))


def test_the_defaults_read_as_a_person_writes_them() -> None:
    texts = prompt_texts(SPEC)
    assert texts == {MIXTURE_KEY: "alpaca 0.15, alpaca-reasoning 0.85", LOSS_KEY: "completion", TOO_LONG_KEY: "drop"}
    assert with_prompt_texts(SPEC, texts) == SPEC


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9._-]{0,8}", fullmatch=True), st.integers(1, 999), min_size=1, max_size=5
    ),
    st.sampled_from(["completion", "all", "response"])
    | st.builds(SectionWeights, prompt=st.sampled_from([0.0, 0.25]), end=st.sampled_from([0.5, 2.0])),
    st.sampled_from(["drop", "cut_reasoning", "cut_end"]),
)
def test_what_is_written_is_read_again(weights: dict[str, int], loss: object, too_long: object) -> None:
    mixture = tuple(MixturePart(template=name, weight=weight / 100) for name, weight in weights.items())
    spec = RunSpec(
        data=SPEC.data, model=SPEC.model, prompt=PromptSection(mixture=mixture, loss_on=loss, too_long=too_long)
    )  # type: ignore[arg-type]
    assert with_prompt_texts(SPEC, prompt_texts(spec)) == spec


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (MIXTURE_KEY, ""),
        (MIXTURE_KEY, "alpaca 0"),
        (MIXTURE_KEY, "alpaca -1"),
        (MIXTURE_KEY, "alpaca many"),
        (MIXTURE_KEY, "alpaca 1, alpaca 2"),
        (LOSS_KEY, "everything"),
        (LOSS_KEY, "reasoning 1, end 0"),
        (LOSS_KEY, "reasoning nan"),
        (TOO_LONG_KEY, "keep"),
    ],
)
def test_what_cannot_be_read_names_its_key(key: str, text: str) -> None:
    with pytest.raises(RunError) as caught:
        with_prompt_texts(SPEC, {key: text})
    assert caught.value.where == key and caught.value.do
