"""Every check finds what it is for, in any script, and nothing in sound rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.base.row import Row as CoreRow
from core.quality import row_blocks
from core.quality.doctor_pass import PassResult, check_blocks
from core.quality.quality_request import QualityOptions
from core.quality.registry import FINDING_KINDS
from core.quality.report import QualityReport
from core.runs.spec import MixturePart, mixture_of_two
from core.templates.by_name import TEXT_TEMPLATES, get_template
from core.tokens.tokenizer import TextTokenizer
from tests.support.encoded_rows import encode_row

Examine = Callable[..., QualityReport]
Row = dict[str, str]

ENGLISH: Row = {
    "instruction": "Natalia sold clips to 48 of her friends in April, and then half as many clips in May. "
    "How many clips are that in all?",
    "reasoning": "In May she sold 48 / 2 = 24 clips, which is half of what she sold in April before.\n"
    "In all these are 48 + 24 = 72 clips.",
    "output": "72",
    "syslang": "English",
}
JAPANESE: Row = {
    "instruction": "太郎さんはりんごを5個持っています。おばあさんから7個もらい、3個を弟にあげました。"
    "いま何個持っていますか。",
    "reasoning": "もらったあとは5 + 7 = 12個。弟にあげたので12 - 3 = 9個です。",
    "output": "9",
    "syslang": "Japanese",
}
CHINESE: Row = {
    "instruction": "小明在文具店买了六支铅笔和两本练习册，铅笔每支八角，练习册每本三元，他一共要付多少钱？",
    "reasoning": "铅笔六支需要四元八角，练习册两本需要六元，加起来一共是十元八角，也就是10.8元。",
    "output": "10.8",
    "syslang": "Chinese",
}
SOUND = (ENGLISH, JAPANESE, CHINESE)


def kinds(report: QualityReport) -> dict[str, list[int]]:
    return {group.kind: list(group.indices) for group in report.groups}


def test_sound_rows_have_no_findings(examined: Examine) -> None:
    test = {
        **ENGLISH,
        "instruction": "A train leaves at nine and arrives at noon. For how many hours does it travel?",
        "reasoning": "",
        "output": "3",
    }
    report = examined(*SOUND, {**test, "sysflag": "test"})
    assert kinds(report) == {}
    assert report.notes == ("row lengths were not checked: none is chosen",)


GERMAN_ANSWER = "Sie hat also 72 Klammern verkauft, denn im Mai waren es nur die Hälfte von denen im April."
WRONG: tuple[tuple[str, Row, str], ...] = (
    ("missing_instruction", {"instruction": " \n"}, "instruction"),
    ("missing_output", {"output": "\u3000"}, "output"),
    ("empty_reasoning", {"reasoning": ""}, "reasoning"),
    ("reasoning_is_output", {"output": ENGLISH["reasoning"]}, "reasoning"),
    ("output_in_reasoning", {"output": ENGLISH["reasoning"][:100]}, "output"),
    ("reasoning_is_instruction", {"reasoning": ENGLISH["instruction"]}, "reasoning"),
    ("reasoning_is_instruction", {"reasoning": ENGLISH["instruction"][:80]}, "reasoning"),
    ("answer_not_concluded", {"output": "71"}, "output"),
    ("replacement_character", {"instruction": ENGLISH["instruction"] + " caf\ufffd"}, "instruction"),
    ("mojibake", {"reasoning": "She paid the cafÃ© 48 euros, and then 24 more. 48 + 24 = 72"}, "reasoning"),
    (
        "mojibake",
        {"instruction": f"ã\x81\x82ã\x82\x8aã\x81\x8cã\x81¨ã\x81\x86 {ENGLISH['instruction']}"},
        "instruction",
    ),
    ("control_character", {"output": "72\x07"}, "output"),
    ("control_character", {"instruction": ENGLISH["instruction"] + "\x1b[2J"}, "instruction"),
    ("hidden_character", {"instruction": "\u202e" + ENGLISH["instruction"]}, "instruction"),
    ("hidden_character", {"reasoning": ENGLISH["reasoning"].replace(" ", "\u200b ", 1)}, "reasoning"),
    ("template_marker", {"output": "72\n### Instruction:\nAnother one"}, "output"),
    ("template_marker", {"output": "<think>48 + 24</think>72"}, "output"),
    ("template_marker", {"reasoning": "48 + 24 = 72<|end_of_thought|>"}, "reasoning"),
    ("template_marker", {"output": "◁/think▷72"}, "output"),
    ("template_marker", {"output": "<|START_RESPONSE|>72"}, "output"),
    ("template_marker", {"output": "<|channel|>analysis<|message|>48 + 24 = 72"}, "output"),
    ("template_marker", {"reasoning": "48 + 24 = 72<channel|>"}, "reasoning"),
    ("special_token", {"output": "72<|im_end|>"}, "output"),
    ("special_token", {"output": "72<|return|>"}, "output"),
    ("special_token", {"instruction": "[INST] " + ENGLISH["instruction"]}, "instruction"),
    ("special_token", {"instruction": "<think>" + ENGLISH["instruction"]}, "instruction"),
    ("blank_edges", {"output": "72 "}, "output"),
    ("answer_language", {"output": JAPANESE["reasoning"] + "72"}, "output"),
    ("answer_language", {"output": GERMAN_ANSWER}, "output"),
    ("reasoning_language", {"reasoning": CHINESE["reasoning"] + "72"}, "reasoning"),
    ("wrong_syslang", {"syslang": "Japanese"}, "syslang"),
    ("wrong_syslang", {"syslang": "zh"}, "syslang"),
)


@pytest.mark.parametrize(("kind", "change", "column"), WRONG)
def test_a_wrong_row_is_found(examined: Examine, kind: str, change: Row, column: str) -> None:
    report = examined(JAPANESE, CHINESE, {**ENGLISH, **change})
    found = report.group(kind)
    assert found is not None, kinds(report)
    assert (list(found.indices), found.columns(0)) == ([2], (column,))
    assert found.severity == FINDING_KINDS[kind].severity
    assert all(rows == [2] for rows in kinds(report).values())


HARMLESS: tuple[Row, ...] = (
    {"output": "72 clips"},
    {"output": "<answer>72</answer>"},
    {"output": "Here are my reasoning steps: 72"},
    {
        "instruction": "Translate into Japanese how many clips these are, and write a whole sentence about them.",
        "output": "彼女は全部で72個のクリップを売りました。",
    },
    {
        "instruction": "次の文を英語に訳してください。「彼女は全部で72個のクリップを売りました。」",
        "output": "She sold 72 clips to her friends and that is all of them in the two months.",
        "reasoning": "彼女はshe、売りましたはsold、クリップはclipで、全部で72個です。",
        "syslang": "ja",
    },
    {
        "instruction": "Wie heißt das Wort auf Englisch, und welche Wörter sind mit ihm verwandt und haben eine "
        "ähnliche Bedeutung?",
        "syslang": "de",
    },
    {
        "output": "def f(x):\n    return x * 72  # the result of it is what she has sold to her friends in May and in "
        "April"
    },
    {"output": "| a | b |\n|---|---|\n| 48 | 24 |\n\n72"},
    {
        "instruction": "Is a café the same as a cafetière — or “à la carte”? It costs 5 €. Señor Núñez asks. "
        + ENGLISH["instruction"]
    },
    {"output": "72 👩‍👩‍👧 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"},
    {"reasoning": "In May: 24.\r\n\tIn all: 72."},
    {"reasoning": "A heading such as ### Response: in the middle of a line is text. So 72."},
    {"output": "In HTML <b>72</b> and <s>73</s> are written so: a[i] < b, 3 <= x"},
    {
        "reasoning": f"First: {ENGLISH['instruction']}\nLet us see. She sold 48 and then half of these, which is 24, "
        "so that there are 72."
    },
)


@pytest.mark.parametrize("change", HARMLESS)
def test_a_sound_row_is_left_in_peace(examined: Examine, change: Row) -> None:
    assert kinds(examined(JAPANESE, CHINESE, {**ENGLISH, **change})) == {}


def test_rows_without_any_reasoning_are_another_sort_of_data(examined: Examine) -> None:
    report = examined(*({**row, "reasoning": ""} for row in SOUND))
    assert kinds(report) == {"empty_reasoning": [0, 1, 2]}
    assert report.groups[0].severity == "hint"


def test_duplicates(examined: Examine) -> None:
    wide = {**JAPANESE, "instruction": "\uff42\uff4f\uff58 " + JAPANESE["instruction"]}
    report = examined(*SOUND, ENGLISH, wide, {**JAPANESE, "instruction": "Box  " + JAPANESE["instruction"]})
    assert kinds(report) == {"duplicate": [3], "near_duplicate": [4, 5]}
    assert report.groups[0].other(0) == 0
    near = report.group("near_duplicate")
    assert near is not None and (near.other(0), near.other(1)) == (1, 4)


@pytest.mark.parametrize(
    ("row", "word", "other"),
    [(ENGLISH, "Natalia", "Veronika"), (JAPANESE, "おばあさん", "おじいさん"), (CHINESE, "小明", "小红")],
)
def test_near_duplicates_in_any_script(examined: Examine, row: Row, word: str, other: str) -> None:
    report = examined(row, {**row, "instruction": row["instruction"].replace(word, other)})
    assert kinds(report) == {"near_duplicate": [1]}


@pytest.mark.parametrize(
    ("row", "number", "other"), [(ENGLISH, "48", "46"), (JAPANESE, "7個", "8個"), (CHINESE, "六支", "九支")]
)
def test_other_numbers_are_another_question(examined: Examine, row: Row, number: str, other: str) -> None:
    changed = {**row, "instruction": row["instruction"].replace(number, other)}
    assert kinds(examined(row, changed)) == {}
    report = examined(row, {**changed, "sysflag": "test"})
    assert kinds(report) == {"renumbered_leakage": [0]}
    assert report.groups[0].other(0) == 1


def test_many_reasonings_to_one_answer_are_meant(examined: Examine) -> None:
    again = {
        **ENGLISH,
        "reasoning": "Half of 48 is 24. Both months together give the sum, and this is what was asked for: 72.",
    }
    assert kinds(examined(ENGLISH, again)) == {}
    report = examined(ENGLISH, {**again, "output": "96", "reasoning": "Twice 48 is 96."})
    assert kinds(report) == {"other_answer": [1]}
    assert report.groups[0].other(0) == 0


def test_leakage(examined: Examine) -> None:
    test = {**ENGLISH, "instruction": ENGLISH["instruction"].upper(), "sysflag": "test", "reasoning": ""}
    near = {
        **JAPANESE,
        "instruction": JAPANESE["instruction"].replace("太郎", "次郎"),
        "sysflag": "Validation",
        "reasoning": "",
    }
    report = examined(*SOUND, test, near)
    assert kinds(report) == {"leakage": [0], "near_leakage": [1]}
    assert (report.groups[0].other(0), report.groups[1].other(0)) == (3, 4)
    assert report.groups[0].severity == "error"
    assert "leakage" not in kinds(examined(*SOUND, {**test, "sysflag": "extra"}))  # neither trained nor held out
    assert kinds(examined({**ENGLISH, "sysflag": "mine"}, test, train_flag="mine")) == {"leakage": [0]}


def test_the_markers_of_every_template_of_the_mixture_are_sought(examined: Examine) -> None:
    theirs = next(mark for mark in get_template("alpaca-reasoning-languages").markers.all() if not mark.isascii())
    rows = [{**ENGLISH, "output": f"{words}\nmore"} for words in (theirs, "### Reasoning:", "no marker")]
    alpaca, languages = (MixturePart(template=name) for name in ("alpaca-reasoning", "alpaca-reasoning-languages"))
    assert kinds(examined(*rows, mixture=(alpaca,))).get("template_marker") == [1]
    assert kinds(examined(*rows, mixture=(alpaca, languages))).get("template_marker") == [0, 1]


def test_a_row_in_the_longest_version_of_a_template_is_not_taken_for_short(
    examined: Examine, tokenizer: TextTokenizer
) -> None:
    template = get_template("alpaca-reasoning-languages")
    rows = [{**ENGLISH, "syslang": language} for language in ("English", "Japanese", "Chinese")]
    sizes = [len(encode_row(CoreRow(**row), template, tokenizer).ids) for row in rows]
    for limit in sizes:
        found = kinds(
            examined(*rows, tokenizer=tokenizer, max_length=limit, mixture=(MixturePart(template=template.name),))
        ).get("too_long", [])
        assert found == [place for place, size in enumerate(sizes) if size > limit]


def test_too_long_as_training_counts(examined: Examine, tokenizer: TextTokenizer) -> None:
    rows = [{**ENGLISH, "instruction": f"Row {n}. " + "word " * n + ENGLISH["instruction"]} for n in (1, 40, 90)]
    template = TEXT_TEMPLATES["alpaca-reasoning"]
    sizes = [len(encode_row(CoreRow(**row), template, tokenizer).ids) for row in rows]

    def found(limit: int) -> list[int]:
        return kinds(examined(*rows, tokenizer=tokenizer, max_length=limit, mixture=mixture_of_two(0.0))).get(
            "too_long", []
        )

    assert [found(size) for size in sizes] == [[1, 2], [2], []]
    assert [found(size - 1) for size in sizes] == [[0, 1, 2], [1, 2], [2]]
    assert kinds(examined(ENGLISH, tokenizer=tokenizer, max_length=0)) == {}


def test_special_tokens_of_the_chosen_model(examined: Examine, tokenizer: TextTokenizer) -> None:
    row = {**ENGLISH, "output": "72<custom-end>"}
    assert kinds(examined(row)) == {}
    tokenizer.raw.add_special_tokens(["<custom-end>"])
    assert kinds(examined(row, tokenizer=tokenizer, max_length=5000)) == {"special_token": [0]}


def test_shares_of_the_work_add_up(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from core.data.source import open_data

    monkeypatch.setattr(row_blocks, "_ROWS", 2)
    rows = [
        {**ENGLISH, "instruction": f"{n} " + ENGLISH["instruction"], "output": str(n), "sysflag": "ab"[n % 2]}
        for n in range(9)
    ]
    data: Any = open_data(str(write(*rows, ENGLISH, ENGLISH, {**ENGLISH, "output": ""})))

    def tell(words: str, done: int, total: int) -> None:
        assert 0 <= done <= total == 12

    whole = check_blocks(data, QualityOptions(), None, tell)
    parts = [check_blocks(data, QualityOptions(), None, tell, part, 3) for part in range(3)]
    assert sum(part.done for part in parts) == whole.done == 12
    joined = parts[2]
    for part in parts[:2]:
        joined.add(part.dump())
    assert isinstance(joined, PassResult)
    assert joined.findings.groups(FINDING_KINDS) == whole.findings.groups(FINDING_KINDS)
    flags = [{number: flag for flag, number in swept.signatures.flag_numbers.items()} for swept in (joined, whole)]
    one, other = joined.signatures.finish(), whole.signatures.finish()
    assert [flags[0][n] for n in one.pop("flag")] == [flags[1][n] for n in other.pop("flag")]
    assert all((one[name] == other[name]).all() for name in other)
