"""Each kind of fault, planted into sound rows in three languages, is found; what only looks like it is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.base.row import Row as CoreRow
from core.data.storage.arrow_arrays import row_batch
from core.quality.checks import json_literals, media_placeholders
from core.quality.findings import Findings
from core.quality.registry import FINDING_KINDS
from core.quality.report import QualityReport
from core.quality.row_blocks import RowBlock
from core.quality.row_signatures import RowSignatures
from tests.core.quality.test_doctor import CHINESE, ENGLISH, JAPANESE, kinds

Examine = Callable[..., QualityReport]
Row = dict[str, str]

ROWS = {"en": ENGLISH, "ja": JAPANESE, "zh": CHINESE}
LOOP = "Wait, let me check that again. "

# language of the row, the columns to append to or (with =) to replace, and the kind
PLANTED: tuple[tuple[str, Row, str], ...] = (
    ("en", {"instruction": " (Answer: 72)"}, "answer_in_question"),
    ("en", {"instruction": " The answer is 72."}, "answer_in_question"),
    ("en", {"instruction": "\n#### 72"}, "answer_in_question"),
    ("en", {"instruction": " 72"}, "answer_in_question"),
    ("ja", {"instruction": "（答え：9個）"}, "answer_in_question"),
    ("zh", {"instruction": "答案：10.8"}, "answer_in_question"),
    ("en", {"reasoning": r"\nDone.\n"}, "escaped_line_break"),
    ("en", {"output=": r"The result is:\n\n72"}, "escaped_line_break"),
    ("ja", {"reasoning": r"\n答えは9個です。"}, "escaped_line_break"),
    ("zh", {"reasoning": r"\n所以答案是10.8元。"}, "escaped_line_break"),
    ("en", {"reasoning": "\n" + (LOOP * 9).strip()}, "repeated_passage"),
    ("en", {"reasoning": "\n" + "\n".join(["So the answer is 72."] * 6)}, "repeated_passage"),
    ("ja", {"reasoning": "もう一度確認します。" * 8}, "repeated_passage"),
    ("zh", {"reasoning": "让我再检查一遍。" * 8}, "repeated_passage"),
    ("en", {"output": "\n\nHuman: And tomorrow?\nAssistant: 5"}, "next_turn"),
    ("en", {"output": "\nUser: And in June?"}, "next_turn"),
    ("en", {"output": "\n### Human: And in June?"}, "next_turn"),
    ("en", {"output": "\n**User:** And in June?"}, "next_turn"),
    ("en", {"output=": "72\n\nQuestion: What is 3 + 4?\nAnswer: 72"}, "next_turn"),
    ("ja", {"output": "\nユーザー：次の問題は？"}, "next_turn"),
    ("zh", {"output": "\n用户：下一题呢？"}, "next_turn"),
    ("en", {"instruction=": "72", "output=": ENGLISH["instruction"]}, "swapped_fields"),
    ("en", {"reasoning=": "72", "output=": ENGLISH["reasoning"]}, "swapped_fields"),
    ("en", {"instruction=": ENGLISH["reasoning"], "reasoning=": ENGLISH["instruction"]}, "swapped_fields"),
    ("ja", {"instruction=": "9", "output=": JAPANESE["instruction"]}, "swapped_fields"),
    ("ja", {"reasoning=": "9", "output=": JAPANESE["reasoning"]}, "swapped_fields"),
    ("zh", {"instruction=": "10.8", "output=": CHINESE["instruction"]}, "swapped_fields"),
    ("en", {"reasoning=": f"<p>{ENGLISH['reasoning']}</p>"}, "html_in_text"),
    ("en", {"output=": "<b>72</b>"}, "html_in_text"),
    ("en", {"instruction=": "&quot;" + ENGLISH["instruction"]}, "html_in_text"),
    ("ja", {"reasoning": "<br/>"}, "html_in_text"),
    ("zh", {"reasoning": "&nbsp;&nbsp;"}, "html_in_text"),
    ("zh", {"instruction=": f'<div class="q">{CHINESE["instruction"]}</div>'}, "html_in_text"),
    ("en", {"output=": "I'm sorry, but as an AI language model I cannot answer that."}, "refused_answer"),
    ("en", {"output=": "I cannot assist with this request."}, "refused_answer"),
    ("ja", {"output=": "申し訳ありませんが、その質問にはお答えできません。"}, "refused_answer"),
    ("zh", {"output=": "抱歉，我无法回答这个问题。"}, "refused_answer"),
    ("en", {"output=": '["72", "so it is"]'}, "json_literal"),
    ("en", {"output=": "['72']"}, "json_literal"),
    ("en", {"output=": '{"answer": "72"}'}, "json_literal"),
    ("ja", {"output=": '["9個です。"]'}, "json_literal"),
    ("zh", {"reasoning=": f'["{CHINESE["reasoning"]}"]'}, "json_literal"),
    ("en", {"instruction=": "<image>\n" + ENGLISH["instruction"]}, "media_placeholder"),
    ("en", {"instruction": " <audio>"}, "media_placeholder"),
    ("ja", {"instruction=": "<video>" + JAPANESE["instruction"]}, "media_placeholder"),
    ("zh", {"instruction=": "<image_1>" + CHINESE["instruction"]}, "media_placeholder"),
    ("zh", {"instruction=": "![](https://example.org/a.png)" + CHINESE["instruction"]}, "media_placeholder"),
    ("en", {"instruction": " Write to mina.sato@example.com."}, "personal_data"),
    ("ja", {"reasoning": "連絡先はken@example.jpです。"}, "personal_data"),
    ("zh", {"instruction": "卡号是4111 1111 1111 1111。"}, "personal_data"),
    ("en", {"reasoning": " Card number: 5555555555554444."}, "personal_data"),
)


def _planted(row: Row, change: Row) -> Row:
    changed = dict(row)
    for column, text in change.items():
        name = column.rstrip("=")
        changed[name] = text if column.endswith("=") else changed.get(name, "") + text
    return changed


@pytest.mark.parametrize(("language", "change", "kind"), PLANTED)
def test_a_planted_fault_is_found(examined: Examine, language: str, change: Row, kind: str) -> None:
    others = [row for name, row in ROWS.items() if name != language]
    report = examined(*others, _planted(ROWS[language], change))
    found = kinds(report)
    assert found.get(kind) == [2], found
    assert all(rows == [2] for rows in found.values())


HARMLESS: tuple[tuple[str, Row], ...] = (
    # announcements of other answers, formats and options
    ("en", {"instruction": " Give the answer: yes or no, and the number. The answer is not 71."}),
    ("en", {"instruction=": "Is 72 prime? Give the answer: yes or no.", "output=": "no", "reasoning=": "It is even."}),
    ("ja", {"instruction": "答えは数字で書いてください。"}),
    # formulas, paths and code have a backslash and an n
    ("en", {"reasoning": r" With $x \neq 3$ and $\nu = \nabla f$ it is 72."}),
    ("en", {"reasoning": r" Open C:\new\names.txt for 72."}),
    ("en", {"output=": 'Use `print("72\\n")` for it.'}),
    ("en", {"instruction": r" What does \n mean as an escape?", "reasoning": r" The escape \n is a new line. 72."}),
    # rows of tables, digits, dots and songs repeat
    ("en", {"reasoning": "\n" + "| the same | row |\n" * 9 + "72."}),
    ("en", {"reasoning": "\n" + "0, 0, 1, " * 30 + "72."}),
    ("ja", {"reasoning": "。。。" * 30 + "9個です。"}),
    ("zh", {"reasoning": "哈哈" + "—" * 80 + "10.8。"}),
    ("en", {"instruction": " Write it as a song.", "output=": "We have all the clips, we have.\n" * 5 + "72."}),
    (
        "en",
        {"output=": "```\nfor clip in clips:\n    sell the clip today\n" + "    sell the clip today\n" * 6 + "```\n72"},
    ),
    # a dialogue that was asked for; the first line; reasoning that asks itself
    ("en", {"instruction": " Write a dialogue.", "output=": "Mina: How many?\nUser: 72."}),
    ("en", {"output=": "Question: how many?\nAnswer: 72"}),
    ("en", {"reasoning": "\nQuestion: is that all?\nAnswer: yes, 72."}),
    ("en", {"reasoning": "\nThe user: she sold 72."}),
    # a question that was asked for, and a short reasoning
    ("en", {"instruction=": "Write a question about clips.", "output=": "How many clips did she sell in May?"}),
    ("en", {"reasoning=": "48 + 24 = 72", "output=": "She sold 72 clips in all."}),
    # comparisons, and text about HTML
    ("en", {"reasoning": " If a<b and c>d, then it is 72."}),
    ("en", {"reasoning": " The mean <p> and <x> are 72."}),
    ("en", {"output=": "Write `<p>72</p>` into it."}),
    ("en", {"instruction": " Answer in HTML.", "output=": "<p>72</p>"}),
    ("zh", {"reasoning": "若a<b，则R&D为10.8元。"}),
    # refusals that the reasoning wants, and apologies
    ("en", {"reasoning=": "This would be harmful, so I should refuse it.", "output=": "I'm sorry, but I can't help."}),
    ("en", {"output=": "I'm sorry to hear that you lost some. You have 72."}),
    ("ja", {"reasoning=": "情報が足りないので、答えられない。", "output=": "申し訳ありませんが、お答えできません。"}),
    # literals that were asked for, intervals and lists of numbers
    ("en", {"instruction": " Answer in JSON.", "output=": '{"answer": "72"}'}),
    ("en", {"output=": "[48, 72]"}),
    ("en", {"output=": "[citation] it is 72"}),
    ("zh", {"instruction": "请输出列表。", "output=": '["10.8"]'}),
    # HTML elements for media, text about them, and pictures in an answer
    ("en", {"instruction": " What does the <video> element do? <video></video>"}),
    ("en", {"output=": "![a chart](chart.png) shows 72"}),
    # no addresses and no cards
    ("en", {"reasoning": " The price is 2 @ $5. So 72."}),
    ("en", {"reasoning": " 4111111111111112 is long, and 4111111111111111 + 1 is longer. So 72."}),
    ("en", {"output=": "```\nmail = 'a@example.com'\n```\n72"}),
    # other ends of texts
    ("en", {"reasoning": "\n\n**72**"}),
    ("en", {"reasoning": "\n#### 72"}),
    ("en", {"reasoning": "\nSo the answer is (see above) 72 :)"}),
    ("ja", {"reasoning": "\n答え：9個"}),
    ("en", {"instruction": "\nA) 71\nB) 72\nC) none of these two numbers"}),
    ("en", {"instruction=": "Add the numbers of the following input", "input=": "48, 24"}),
)


@pytest.mark.parametrize(("language", "change"), HARMLESS)
def test_what_only_looks_like_a_fault_is_left_in_peace(examined: Examine, language: str, change: Row) -> None:
    others = [row for name, row in ROWS.items() if name != language]
    assert kinds(examined(*others, _planted(ROWS[language], change))) == {}


def test_a_test_question_with_one_other_word_leaks(examined: Examine) -> None:
    held_out = {**ENGLISH, "sysflag": "test", "reasoning": ""}
    short = "Ann had 48 clips and sold 24 to Ben. How many are left?"
    for question, altered in (
        (ENGLISH["instruction"], ENGLISH["instruction"].replace("clips", "tickets", 1)),
        (short, short.replace("clips", "watermelons")),
        (JAPANESE["instruction"], JAPANESE["instruction"].replace("太郎", "健一")),
        (CHINESE["instruction"], CHINESE["instruction"].replace("小明", "王老师")),
    ):
        report = examined({**ENGLISH, "instruction": altered}, {**held_out, "instruction": question})
        assert list(kinds(report).get("near_leakage", [])) == [0], (altered, kinds(report))


def test_one_other_word_and_another_answer_is_another_question(examined: Examine) -> None:
    question = "What is the name of the capital city of France in Europe?"
    test = {"instruction": question.replace("France", "Spain"), "output": "Madrid", "sysflag": "test"}
    train = {"instruction": question, "reasoning": "The capital is Paris.", "output": "Paris"}
    assert kinds(examined(train, test)) == {}


def test_forms_with_many_numbers_are_meant(examined: Examine) -> None:
    form = "A box has {} red and {} blue clips in it. How many clips are in the box together?"
    rows = [
        {
            "instruction": form.format(n, n + 1),
            "reasoning": f"There are {n} + {n + 1} = {2 * n + 1} clips.",
            "output": str(2 * n + 1),
            "sysflag": "test" if n % 4 == 0 else "train",
        }
        for n in range(20)
    ]
    assert kinds(examined(*rows)) == {}
    assert kinds(examined(rows[0], rows[1])) == {"renumbered_leakage": [1]}


def test_a_full_stop_is_missed_only_where_others_have_one(examined: Examine) -> None:
    rows = [
        {**ENGLISH, "instruction": f"Row {n}. {ENGLISH['instruction']}", "reasoning": f"In {n} months she sold 72{end}"}
        for n, end in enumerate((" clips", " clips.", " clips", " clips.", " clips"))
    ]
    assert "unfinished_text" not in kinds(examined(*rows))
    cut = {**ENGLISH, "instruction": "Again. " + ENGLISH["instruction"], "reasoning": "So 72 clips are sold by Nata"}
    assert kinds(examined(*rows[1:4:2], *rows[1:4:2], cut)).get("unfinished_text") == [4]


def test_reasoning_may_have_the_language_of_syslang(examined: Examine) -> None:
    thinks = {**ENGLISH, "reasoning": JAPANESE["reasoning"].replace("9", "72")}
    assert kinds(examined(CHINESE, {**thinks, "syslang": "Japanese"})) == {}
    assert kinds(examined(CHINESE, thinks)) == {"reasoning_language": [1]}


@pytest.mark.parametrize(
    "answer",
    [
        "Elle a donc vendu 72 pinces en tout, car en mai elle a vendu la moitié de ce nombre à ses amis.",
        "Es el total de los dos meses: para los amigos son 48 pinzas, y las de mayo son la mitad, como está dicho.",
        "In totaal heeft ze dus 72 clips verkocht, want in mei waren het er de helft van die in april.",
    ],
)
def test_an_answer_in_a_related_language_is_found(examined: Examine, answer: str) -> None:
    assert kinds(examined(JAPANESE, {**ENGLISH, "output": answer})).get("answer_language") == [1]


@pytest.mark.parametrize(
    ("row", "column", "text"),
    [
        (ENGLISH, "instruction", ENGLISH["instruction"][:-9]),
        (ENGLISH, "reasoning", ENGLISH["reasoning"][:-1]),
        (ENGLISH, "reasoning", ENGLISH["reasoning"][:-20] + "it is the same as in"),
        (ENGLISH, "output", "So she sold 72 clips in all to"),
        (JAPANESE, "instruction", JAPANESE["instruction"][:-8]),
        (JAPANESE, "reasoning", JAPANESE["reasoning"].rstrip("。")),
        (CHINESE, "instruction", CHINESE["instruction"][:-4]),
        (CHINESE, "reasoning", CHINESE["reasoning"].rstrip("。")),
    ],
)
def test_an_unfinished_text_is_found_among_finished_ones(examined: Examine, row: Row, column: str, text: str) -> None:
    others = [
        {"instruction": f"What are {n} and {n * n}?", "reasoning": f"Together they are {n + n * n}.", "output": output}
        for n, output in (
            (3, "12."),
            (5, "It is the number 30, I think."),
            (6, "It is 42."),
            (7, "It is the number 56, surely."),
        )
    ]
    report = examined(*others, {**row, column: text})
    found = report.group("unfinished_text")
    assert found is not None and (list(found.indices), found.columns(0)) == ([4], (column,))


def _block(*rows: Row) -> RowBlock:
    return RowBlock(row_batch([CoreRow(**row, index=index) for index, row in enumerate(rows)]))


def test_the_system_prompt_counts() -> None:
    findings = Findings()
    shows_picture = {**ENGLISH, "system": "<image>"}
    asks_for_json = {**ENGLISH, "system": "You reply with JSON only.", "output": '{"answer": "72"}'}
    has_tools = {**ENGLISH, "tools": "[]", "output": '{"answer": "72"}'}
    block = _block(shows_picture, asks_for_json, has_tools, {**ENGLISH, "output": '{"answer": "72"}'})
    media_placeholders.check_placeholders(block, findings)
    json_literals.check_literals(block, findings)
    groups = {group.kind: list(group.indices) for group in findings.groups(FINDING_KINDS)}
    assert groups == {"media_placeholder": [0], "json_literal": [3]}


def test_the_context_makes_another_row() -> None:
    history = '[{"role": "user", "content": "%s"}]'
    turns = [{**ENGLISH, "history": history % words} for words in ("She sold clips.", "She bought stamps.")]
    signatures = RowSignatures()
    signatures.add_block(_block(*turns, turns[0], {**turns[0], "system": "Be brief."}))
    arrays = signatures.finish()
    for name, equal in (("exact", [0, 2]), ("normalised", [0, 2]), ("question", [0, 2, 3])):
        assert [n for n in range(4) if arrays[name][n] == arrays[name][0]] == equal, name
