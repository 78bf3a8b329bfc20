from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import UsageError
from core.base.languages import east_asian_language, language_code
from core.base.row import Row
from core.splitter.splitter import THINK, Splitter
from core.templates.by_name import TEXT_TEMPLATES, get_template
from core.templates.template import Template, TemplateVersion

VANILLA = """Below is an instruction that describes a task, paired with an input that provides further context. \
Write a response that appropriately completes the request.

### Instruction:
{}

### Input:
{}

### Response:
{}"""

REASONING = """Below is an instruction that describes a task, paired with an input that provides further context. \
You should write a response that appropriately completes the request.
To improve quality of response, you should perform validation before writing. You should create REASONING for \
validation in advance, and improve the response if necessary.

### Instruction:
{}

### Input:
{}

### Reasoning:
{}

### Response:
{}"""

words = st.text(st.sampled_from("ab {}0\n#あ%\\"), max_size=12) | st.sampled_from(
    ["{}", "{0}", "{output}", "{instruction}", "### Input:\n\n\n"]
)
rows = st.builds(Row, instruction=words, input=words, reasoning=words, output=words)


def whole(template: Template, row: Row, drop: bool = False) -> str:
    return "".join(segment.text for segment in template.segments(row, drop))


def filled(pattern: str, *values: str) -> str:
    parts = pattern.split("{}")
    return parts[0] + "".join(value + part for value, part in zip(values, parts[1:], strict=True))


@given(rows)
def test_both_templates_to_the_byte_whatever_the_row_says(row: Row) -> None:
    vanilla, reasoning = TEXT_TEMPLATES["alpaca"], TEXT_TEMPLATES["alpaca-reasoning"]
    assert whole(vanilla, row) == filled(VANILLA, row.instruction, row.input, row.output)
    assert whole(reasoning, row) == filled(REASONING, row.instruction, row.input, row.reasoning, row.output)
    assert vanilla.prompt(row.instruction, row.input) == filled(VANILLA, row.instruction, row.input, "")
    until = REASONING[: REASONING.index("{}\n\n### Response")]
    assert reasoning.prompt(row.instruction, row.input) == filled(until, row.instruction, row.input)
    assert reasoning.answer_prompt(row.instruction, row.input, row.reasoning) == filled(
        REASONING, row.instruction, row.input, row.reasoning, ""
    )
    assert vanilla.answer_prompt(row.instruction, row.input, row.reasoning) == vanilla.prompt(
        row.instruction, row.input
    )


@given(rows, st.sampled_from(sorted(TEXT_TEMPLATES)), st.booleans())
def test_segments_follow_the_prompts(row: Row, name: str, drop: bool) -> None:
    template = TEXT_TEMPLATES[name]
    segments = template.segments(row, drop)
    assert segments[0].text == template.prompt(row.instruction, row.input, drop)
    assert (
        whole(template, row, drop)
        == template.answer_prompt(row.instruction, row.input, row.reasoning, drop) + row.output
    )
    between = ["reasoning", "marker"] if template.has_reasoning else []
    assert [segment.kind for segment in segments] == ["prompt", *between, "response"]


def test_an_empty_input_is_dropped_with_its_heading_and_nothing_else() -> None:
    for template in TEXT_TEMPLATES.values():
        question = "Sum {}.\n\n### Input:\n\n\nx"
        kept, dropped = template.prompt(question, ""), template.prompt(question, "", drop_empty_input=True)
        assert kept.count("### Input:\n\n\n") == 2
        assert "".join(kept.rsplit("### Input:\n\n\n", 1)) == dropped
        assert template.prompt("a", "b", drop_empty_input=True) == template.prompt("a", "b")
    assert (
        TEXT_TEMPLATES["alpaca"]
        .prompt("a", "", drop_empty_input=True)
        .endswith("### Instruction:\na\n\n### Response:\n")
    )


def test_a_splitter_reads_back_what_the_template_trains() -> None:
    row = Row("Add.", "3 4", "Three and four.\n\nThat is seven.\n", "\n7\n")
    for template in TEXT_TEMPLATES.values():
        splitter = Splitter(template.markers, template.start)
        splitter.feed(whole(template, row).removeprefix(template.prompt(row.instruction, row.input)))
        splitter.close()
        assert (splitter.reasoning, splitter.response, splitter.ending) == (
            row.reasoning if template.has_reasoning else "",
            row.output,
            "complete",
        )


def test_an_unknown_name_is_told_which_there_are() -> None:
    with pytest.raises(UsageError, match="alpaca, alpaca-reasoning") as caught:
        get_template("alpacca")
    assert "did you mean alpaca?" in caught.value.what
    assert get_template("alpaca").name == "alpaca"


def test_the_alpaca_texts_are_those_of_the_paper_trail() -> None:
    """The published texts with `{}` for every value, as they stood in the code that people trained with."""
    known = {
        "alpaca": "e26605d69cd3c9efa0c4aed65b733b71bb32a17ca27bab21b198501cb0f01303",
        "alpaca-reasoning": "cf0941e8ed3e5bab1633af498f642e05828dfd11223b099f16fb84fbd33159fd",
    }
    for name, digest in known.items():
        for template in (TEXT_TEMPLATES[name], TEXT_TEMPLATES[f"{name}-languages"]):
            text = template.pattern
            for slot in ("instruction", "input", "reasoning", "output"):
                text = text.replace(f"{{{slot}}}", "{}")
            assert hashlib.sha256(text.encode()).hexdigest() == digest
        assert list(TEXT_TEMPLATES[name].versions) == ["default"]


@pytest.mark.parametrize(
    ("language", "heading"),
    [
        ("Japanese", "### 応答:"),
        ("ja", "### 応答:"),
        ("日本語", "### 応答:"),
        ("ja_JP", "### 応答:"),
        ("中文", "### 回答:"),
        ("zh-CN", "### 回答:"),
        ("", "### Response:"),
        ("English", "### Response:"),
        ("Klingon", "### Response:"),
    ],
)
def test_the_version_is_that_of_the_language(language: str, heading: str) -> None:
    row = Row("問", "入", "考", "答", syslang=language)
    for name in ("alpaca-languages", "alpaca-reasoning-languages"):
        assert heading in whole(TEXT_TEMPLATES[name], row)
        assert heading in TEXT_TEMPLATES[name].answer_prompt("a", "b", "c", language=language)
    assert "### Response:" in whole(TEXT_TEMPLATES["alpaca"], row)


def test_an_answer_in_any_version_is_read_back() -> None:
    template = TEXT_TEMPLATES["alpaca-reasoning-languages"]
    for language in ("English", "Japanese", "Chinese"):
        row = Row("Add.", "", "Three.\n\nSeven.", "7", syslang=language)
        splitter = Splitter(template.markers, template.start)
        splitter.feed(whole(template, row).removeprefix(template.prompt(row.instruction, row.input, language=language)))
        splitter.close()
        assert (splitter.reasoning, splitter.response) == (row.reasoning, "7")


def test_the_three_prompts_follow_each_other() -> None:
    row = Row("Add.", "3 4", "Three and four.", "7", syslang="ja")
    template = TEXT_TEMPLATES["alpaca-reasoning-languages"]
    asked = template.prompt("Add.", "3 4", language="ja")
    begun = template.continue_prompt("Add.", "3 4", "Three", language="ja")
    given = template.answer_prompt("Add.", "3 4", row.reasoning, language="ja")
    assert (
        asked.endswith("### 推論:\n") and begun == asked + "Three" and given == f"{asked}{row.reasoning}\n\n### 応答:\n"
    )
    assert whole(template, row) == given + "7"
    with pytest.raises(UsageError, match="no reasoning to continue"):
        TEXT_TEMPLATES["alpaca"].continue_prompt("Add.", "", "Three")


def test_names_of_languages() -> None:
    assert {language_code(name) for name in ("ja", "JP", "Japanese", " 日本語 ", "ja-JP", "ja_jp")} == {"ja"}
    assert (language_code("zh_Hant"), language_code("zh-TW"), language_code("zh-CN"), language_code("Toki  Pona")) == (
        "zh-hant",
        "zh-hant",
        "zh",
        "toki pona",
    )


@pytest.mark.parametrize(
    "pattern",
    [
        "{instruction} {input}",
        "{input} {instruction} {output}",
        "{instruction} {input} {output}.",
        "{instruction} {output}",
        "{instruction} {input} {output}{output}",
    ],
)
def test_a_text_with_wrong_placeholders_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="placeholders"):
        TemplateVersion(pattern, "{input}", TEXT_TEMPLATES["alpaca"].markers)


def test_versions_that_do_not_fit_each_other_are_refused() -> None:
    vanilla, reasoning = (
        TEXT_TEMPLATES["alpaca"].versions["default"],
        TEXT_TEMPLATES["alpaca-reasoning"].versions["default"],
    )
    with pytest.raises(UsageError, match="some have none"):
        Template("x", {"default": vanilla, "ja": reasoning})
    with pytest.raises(UsageError, match="no version for other languages"):
        Template("x", {"ja": vanilla})
    with pytest.raises(UsageError, match="headings and some are tags"):
        Template("x", {"default": vanilla, "ja": msgspec.structs.replace(vanilla, markers=THINK)})


def test_a_text_that_its_own_markers_cannot_read_is_refused() -> None:
    good = TEXT_TEMPLATES["alpaca-reasoning"].version()
    for text in (
        good.text.replace("### Response:", "### Final:"),
        good.text.replace("\n\n### Response:\n", " ### Response:\n"),
    ):
        with pytest.raises(UsageError, match="no `response` marker matches '### ") as caught:
            TemplateVersion(text, good.input_block, good.markers)
        assert caught.value.where == "markers"
    with pytest.raises(UsageError, match="nothing in the text separates"):
        TemplateVersion(good.text.replace("### Response:\n", ""), good.input_block, good.markers)


def test_the_script_gives_a_language_away() -> None:
    said = {"リンゴは？": "ja", "立山は富山県": "ja", "加一等于几": "zh", "몇 개": "ko", "How many?": "", "": ""}
    assert {text: east_asian_language(text) for text in said} == said
