from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.prompts.splitter import Splitter
from core.prompts.templates import TEMPLATES, Template, get_template
from core.row import Row

VANILLA = """Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.

### Instruction:
{}

### Input:
{}

### Response:
{}"""  # noqa: E501

REASONING = """Below is an instruction that describes a task, paired with an input that provides further context. You should write a response that appropriately completes the request.
To improve quality of response, you should perform validation before writing. You should create REASONING for validation in advance, and improve the response if necessary.

### Instruction:
{}

### Input:
{}

### Reasoning:
{}

### Response:
{}"""  # noqa: E501

words = st.text(st.sampled_from("ab {}0\n#あ%\\"), max_size=12) | st.sampled_from(["{}", "{0}", "{output}", "{instruction}", "### Input:\n\n\n"])
rows = st.builds(Row, instruction=words, input=words, reasoning=words, output=words)


def whole(template: Template, row: Row, drop: bool = False) -> str:
    return "".join(segment.text for segment in template.segments(row, drop))


def filled(pattern: str, *values: str) -> str:
    parts = pattern.split("{}")
    return parts[0] + "".join(value + part for value, part in zip(values, parts[1:], strict=True))


@given(rows)
def test_both_templates_to_the_byte_whatever_the_row_says(row: Row) -> None:
    vanilla, reasoning = TEMPLATES["alpaca"], TEMPLATES["alpaca-reasoning"]
    assert whole(vanilla, row) == filled(VANILLA, row.instruction, row.input, row.output)
    assert whole(reasoning, row) == filled(REASONING, row.instruction, row.input, row.reasoning, row.output)
    assert vanilla.prompt(row.instruction, row.input) == filled(VANILLA, row.instruction, row.input, "")
    until = REASONING[: REASONING.index("{}\n\n### Response")]
    assert reasoning.prompt(row.instruction, row.input) == filled(until, row.instruction, row.input)
    assert reasoning.answer_prompt(row.instruction, row.input, row.reasoning) == filled(REASONING, row.instruction, row.input, row.reasoning, "")
    assert vanilla.answer_prompt(row.instruction, row.input, row.reasoning) == vanilla.prompt(row.instruction, row.input)


@given(rows, st.sampled_from(sorted(TEMPLATES)), st.booleans())
def test_segments_follow_the_prompts(row: Row, name: str, drop: bool) -> None:
    template = TEMPLATES[name]
    segments = template.segments(row, drop)
    assert segments[0].text == template.prompt(row.instruction, row.input, drop)
    assert whole(template, row, drop) == template.answer_prompt(row.instruction, row.input, row.reasoning, drop) + row.output
    between = ["reasoning", "marker"] if template.has_reasoning else []
    assert [segment.kind for segment in segments] == ["prompt", *between, "response"]


def test_an_empty_input_is_dropped_with_its_heading_and_nothing_else() -> None:
    for template in TEMPLATES.values():
        question = "Sum {}.\n\n### Input:\n\n\nx"
        kept, dropped = template.prompt(question, ""), template.prompt(question, "", drop_empty_input=True)
        assert kept.count("### Input:\n\n\n") == 2
        assert "".join(kept.rsplit("### Input:\n\n\n", 1)) == dropped
        assert template.prompt("a", "b", drop_empty_input=True) == template.prompt("a", "b")
    assert TEMPLATES["alpaca"].prompt("a", "", drop_empty_input=True).endswith("### Instruction:\na\n\n### Response:\n")


def test_a_splitter_reads_back_what_the_template_trains() -> None:
    row = Row("Add.", "3 4", "Three and four.\n\nThat is seven.\n", "\n7\n")
    for template in TEMPLATES.values():
        splitter = Splitter(template.markers, template.start)
        splitter.feed(whole(template, row).removeprefix(template.prompt(row.instruction, row.input)))
        splitter.close()
        assert (splitter.reasoning, splitter.response, splitter.ending) == (row.reasoning if template.has_reasoning else "", row.output, "complete")


def test_an_unknown_name_is_told_which_there_are() -> None:
    with pytest.raises(UsageError, match="alpaca, alpaca-reasoning"):
        get_template("alpacca")
    assert get_template("alpaca").name == "alpaca"


@pytest.mark.parametrize(
    "pattern", ["{instruction} {input}", "{input} {instruction} {output}", "{instruction} {input} {output}.", "{instruction} {output}"]
)
def test_a_pattern_with_wrong_slots_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="slots"):
        msgspec.structs.replace(TEMPLATES["alpaca"], pattern=pattern, input_block="{input}")
