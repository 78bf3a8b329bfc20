"""Columns, statistics, the doctor and what could not be read: the dialogs that show what is in the data, by
keyboard."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from core.data.columns.mapping import ColumnMapping, ColumnPick
from core.data.columns.marks import RowMark
from core.data.not_used import NotUsed
from core.data.problems import RowProblem, RowProblems
from core.quality.report import DataSetStatistics, FindingGroup, LengthDistribution, QualityReport, pack_integers
from tests.support.dialogs import HOSTILE, NARROW, SIZES, WIDE, shown
from tests.support.rooms import until
from tui.common.draw_chart import import_plotext
from tui.common.field import Field
from tui.data.dialogs.column_names import ColumnNamesDialog
from tui.data.dialogs.columns import ColumnsChoice, ColumnsDialog, sample_words
from tui.data.dialogs.doctor import DoctorDialog, FindingChoice
from tui.data.dialogs.problems import ProblemsDialog
from tui.data.dialogs.statistics import StatisticsDialog, cost_words
from tui.data.widgets.histogram import BARS, LIMIT, Histogram, draw_histogram

# -- columns --

NAMES = ["problem", "thoughts", "trace", "reply", HOSTILE]
ROWS: list[dict[str, Any]] = [
    {
        "problem": f"問題{index} {HOSTILE}",
        "thoughts": "first thoughts",
        "trace": "その道筋 " * 60,
        "reply": f"答え{index}",
        HOSTILE: "x",
    }
    for index in range(5)
]
GUESS = ColumnMapping(
    {
        "instruction": ColumnPick("problem", why=f"named problem {HOSTILE}"),
        "reasoning": ColumnPick("thoughts", why="named thoughts"),
        "output": ColumnPick("reply"),
    },
    {"reasoning": (ColumnPick("thoughts", why="named thoughts"), ColumnPick("trace", why="long texts"))},
)


def candidates(column: str, names: Any, rows: Any) -> list[ColumnPick]:
    some = {
        "reasoning": [ColumnPick("thoughts", why="named thoughts"), ColumnPick("trace", why="long texts")],
        "instruction": [ColumnPick("problem"), ColumnPick(HOSTILE)],
    }
    return [
        *some.get(column, [ColumnPick("reply", "answer")] if column == "output" else []),
        ColumnPick("", why="left empty"),
    ]


def columns(where: str = "/データ/rows.jsonl.suiron/mapping.json", mapping: ColumnMapping = GUESS) -> ColumnsDialog:
    return ColumnsDialog(f"rows {HOSTILE}", mapping, NAMES, ROWS, where, candidates)


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_unclear_is_asked_first_and_one_key_changes_it(size: tuple[int, int]) -> None:
    async with shown(columns(), size) as person:
        await person.sees(
            "? reasoning", "thoughts", "unclear", "1 of 3", "named thoughts", "Is it this one?", "first thoughts"
        )
        await until(person.pilot, lambda: [line for line in person.lines if "▸ ? reasoning" in line])
        await person.press("right")
        await person.sees("2 of 3", "long texts", "その道筋")
        await person.press("enter")  # it is this one
        await until(person.pilot, lambda: "unclear" not in person.text)
        assert person.stage.open
        await person.press("enter")
        choice = await person.gives()
    assert isinstance(choice, ColumnsChoice) and choice.keep and choice.mapping.by_hand and not choice.mapping.unclear
    taken = {column: pick.column for column, pick in choice.mapping.picks.items()}
    assert taken == {"instruction": "problem", "reasoning": "trace", "output": "reply"}


async def test_the_sample_shows_whole_rows_where_there_is_room() -> None:
    async with shown(columns(), WIDE) as person:
        await person.sees("row 0", "row 2", "問題2", "答え2", "first thoughts")
        assert "row 3" not in person.text
    async with shown(columns(), NARROW) as person:
        await person.press("up", "up")
        await person.sees("問題0", "問題2")
        await until(person.pilot, lambda: "first thoughts" not in person.text)


async def test_a_required_column_cannot_be_left_empty_and_escape_leaves_all_as_it_is() -> None:
    async with shown(columns(), NARROW) as person:
        await person.press("up", "up", "left", "enter", "enter", "enter")
        await person.sees("Choose a source for instruction", "cannot be used")
        await person.press("escape")
        assert await person.gives() is None


@pytest.mark.parametrize("size", SIZES)
async def test_it_says_where_a_mapping_is_kept_and_s_keeps_it_out(size: tuple[int, int]) -> None:
    async with shown(
        columns(mapping=ColumnMapping({"instruction": ColumnPick("problem"), "output": ColumnPick("reply", "answer")})),
        size,
    ) as person:
        await person.sees(
            "Enter saves it for next time", "rows.jsonl.suiron/mapping.json", "the text after its reasoning"
        )
        assert "Saved" not in person.text
        await person.press("S")
        await person.sees("not saved")
        await person.press("enter")
        choice = await person.gives()
        assert (
            choice is not None and not choice.keep and choice.mapping.picks["output"] == ColumnPick("reply", "answer")
        )
    async with shown(
        columns("", ColumnMapping({"instruction": ColumnPick("problem"), "output": ColumnPick("reply")})), size
    ) as person:
        await person.sees("not saved")
        await person.press("S", "down", "down", "down", "enter")
        choice = await person.gives()
        assert choice is not None and not choice.keep


@pytest.mark.parametrize("size", SIZES)
async def test_the_context_has_its_lines_and_the_marks_are_said_and_kept(size: tuple[int, int]) -> None:
    marks = (RowMark("verdict"), RowMark("thrown", "true"))
    mapping = ColumnMapping(
        {"instruction": ColumnPick("problem"), "output": ColumnPick("reply"), "history": ColumnPick("past", "history")},
        marks=marks,
    )
    async with shown(columns(mapping=mapping), size) as person:
        await person.sees("verdict (false is left out)", "thrown:true (true is left out)")
        await person.press("end")
        await person.sees("tools", "history", "earlier turns")
        await person.press("enter")
        choice = await person.gives()
    assert choice is not None and choice.mapping.marks == marks and choice.mapping.picks["history"].how == "history"


def test_a_sample_fits_its_place_whatever_the_rows_hold() -> None:
    long = [{"problem": "長" * 100_000, "reply": ""}, {"reply": "no question"}]
    mapping = ColumnMapping({"instruction": ColumnPick("problem"), "output": ColumnPick("reply")})
    for width, height in ((20, 3), (68, 8), (110, 24)):
        lines = sample_words(mapping, long, "instruction", width, height).split("\n")
        assert len(lines) <= height and all(line.cell_length <= width for line in lines)
    assert "cannot be used" in sample_words(mapping, long, "output", 68, 8).plain
    assert "no rows" in sample_words(mapping, [], "output", 68, 8).plain


# -- statistics --


def statistics(unit: Any = "tokens", note: str = "") -> DataSetStatistics:
    lengths = LengthDistribution.of(Counter([*range(100, 200), 2000]))
    return DataSetStatistics(
        f"/データ/{HOSTILE}.jsonl",
        "",
        "fingerprint",
        101,
        (("English", "train", 60), (HOSTILE, "train", 30), ("日本語", "test", 10), ("", "", 1)),
        {"instruction": 0, "reasoning": 101, "output": 1},
        unit,
        {"instruction": lengths, "reasoning": LengthDistribution.of({0: 101})},
        lengths,
        LengthDistribution.of(Counter([*range(50, 150), 1500])),
        {"alpaca": 1, "alpaca-reasoning": 100},
        "" if note else "demo",
        note,
        512,
        2,
        trained=90,
    )


@pytest.mark.parametrize("size", SIZES)
async def test_the_rows_are_counted_by_language_and_split(size: tuple[int, int]) -> None:
    async with shown(StatisticsDialog(statistics()), size) as person:
        await person.sees("[rows]", "101 rows", "日本語", "59.4%", "(none)", "train", "empty fields")
        await person.press("end")
        await person.sees("counted in tokens by the tokenizer of demo", "2 rows cannot be tokenized")
        await person.press("escape")
        assert await person.gives() is None


@pytest.mark.parametrize("size", SIZES)
async def test_lengths_are_paged_and_drawn(size: tuple[int, int]) -> None:
    async with shown(StatisticsDialog(statistics()), size) as person:
        await person.press("right")
        await person.sees(
            "[whole prompt]", "p50 150", "p95 195", "longest 2,000", "199 tokens keep 99%", "2,000 keep all"
        )
        await until(person.pilot, lambda: "⣿" in person.text and "┤" in person.text)
        await person.press("tab")
        await person.sees("[instruction]", "only the instruction")
        await person.press("right")
        await person.sees("reasoning is empty in all 101 rows")
        await person.press("right", "left", "left", "left")
        await person.sees("[whole prompt]")


@pytest.mark.parametrize("size", SIZES)
async def test_a_maximum_length_is_tried(size: tuple[int, int]) -> None:
    async with shown(StatisticsDialog(statistics()), size) as person:
        await person.press("e")
        field = person.stage.screen.query_one("#maximum", Field)
        assert field.has_focus and field.value == "512" and not field.cursor_blink
        await person.sees("0.99% (1 row) would lose the end (EOS)", "0.99% (1 row) would lose the complete answer")
        await person.press(*"1x49")
        assert field.value == "149"
        await person.sees("50.50% (51 rows) would lose the end", "1.98% (2 rows) would lose the complete answer")
        await until(person.pilot, lambda: "│" in _plot(person.stage.screen.query_one(Histogram)))
        await person.press("ctrl+u", *"3000")
        await person.sees("Nothing is cut of all 101 rows: 3,000 tokens are enough.")
        await person.press("ctrl+u")
        await person.sees("Without a maximum")
        await person.press("escape", "escape")
        assert await person.gives() is None


def _plot(chart: Histogram) -> str:
    return "".join(line.text[8:] for line in (chart.render_line(y) for y in range(chart.size.height - 2)))


async def test_characters_are_no_tokens() -> None:
    async with shown(
        StatisticsDialog(statistics("characters", f"the tokenizer {HOSTILE} cannot be read"), "whole prompt")
    ) as person:
        await person.sees("[whole prompt]", "in tokens only", "cannot be read")
        await person.press("e")
        assert not person.stage.screen.query_one("#maximum").has_focus
    assert "tokens only" in cost_words(statistics("characters", "x"), 100).plain


def test_a_histogram_fills_its_place_and_loses_no_row() -> None:
    import_plotext()
    for lengths in (
        LengthDistribution.of({0: 10}),
        LengthDistribution.of({5: 1}),
        LengthDistribution.of(Counter(range(3000))),
        LengthDistribution.of({10: 1_000_000, 5000: 1}),
    ):
        for width in (20, 61, 113):
            rows = draw_histogram(lengths, width, 9, 100)
            assert len(rows) == 9 and all(sum(len(text) for text, _ in row) <= width for row in rows)
            assert any(role == BARS for row in rows for _, role in row)
    solid = draw_histogram(LengthDistribution.of({0: 10}), 60, 9)
    assert all("⣿" * 53 in "".join(text for text, _ in row) for row in solid[:7])
    assert [
        role
        for row in draw_histogram(LengthDistribution.of(Counter(range(300))), 60, 9, 150)
        for _, role in row
        if role == LIMIT
    ]
    assert draw_histogram(LengthDistribution(), 60, 9) == []
    tail = draw_histogram(LengthDistribution.of({10: 1_000_000, 5000: 1}), 60, 9)
    assert "10+" in "".join(text for text, _ in tail[-1])


# -- the doctor --


def group(kind: str, severity: Any, rows: int, fix: str = "") -> FindingGroup:
    return FindingGroup(
        kind, severity, f"title of {kind}", f"Why {HOSTILE}", "Do this", pack_integers(range(7, 7 + rows)), fix=fix
    )


def report() -> QualityReport:
    duplicates = group("duplicate", "warning", 12_345, f"delete all but the first {HOSTILE}")
    groups = (group("missing_output", "error", 1), duplicates, group("blank", "hint", 3))
    return QualityReport(f"/データ/{HOSTILE}", "train", "f", 20_000, groups, (f"note {HOSTILE}",), 2)


@pytest.mark.parametrize("size", SIZES)
async def test_findings_say_how_bad_they_are_in_words_and_lead_to_their_rows(size: tuple[int, int]) -> None:
    async with shown(DoctorDialog(report()), size) as person:
        await person.sees(
            "20,000 rows checked",
            "1 error",
            "12,345 warnings",
            "3 hints",
            "title of missing_output",
            "row 7",
            "2 rows could not be",
        )
        await person.press("down")
        await person.sees("rows 7, 8, 9", "F5: delete all but the first", "Do this.")
        await person.press("enter")
        chosen = await person.gives()
    assert isinstance(chosen, FindingChoice) and not chosen.fix and chosen.group.kind == "duplicate"
    assert chosen.first == 7 and len(chosen.group.indices) == 12_345


@pytest.mark.parametrize("size", SIZES)
async def test_a_fix_is_asked_with_its_count(size: tuple[int, int]) -> None:
    async with shown(DoctorDialog(report(), "duplicate"), size) as person:
        await person.press("f5")
        await person.sees("12,345 rows: delete all but the first", "y confirms")
        await person.press("enter", "n")
        await until(person.pilot, lambda: "y confirms" not in person.text)
        await person.press("f5", "escape", "f5", "down", "y")  # moving on takes the question back
        assert person.stage.open
        await person.press("up", "f5", "y")
        chosen = await person.gives()
    assert chosen is not None and chosen.fix and chosen.group.kind == "duplicate"


async def test_what_has_no_safe_fix_is_not_fixed_and_healthy_data_say_so() -> None:
    async with shown(DoctorDialog(report())) as person:
        await person.press("f5", "y")
        assert person.stage.open
        await person.press("escape")
        assert await person.gives() is None
    async with shown(DoctorDialog(QualityReport("demo", "", "f", 554, ()))) as person:
        await person.sees("554 rows checked: nothing found.")
        await person.press("enter", "f5", "y", "down", "q")
        assert await person.gives() is None


# -- what could not be read --


@pytest.mark.parametrize("size", SIZES)
async def test_problems_stand_with_their_rows_and_files_and_in_full(size: tuple[int, int]) -> None:
    long = f"not JSON at byte 1234 of the line: {HOSTILE} " + "長い" * 100
    problems = [
        RowProblem(12_345, long),
        RowProblem(3, "instruction is missing or null", f"part-{HOSTILE}.jsonl"),
        RowProblem(0, "the archive ends too early", f"part-{HOSTILE}.jsonl"),
        RowProblem(9, "an edit no longer fits and is left out: output changed (its row is gone)"),
    ]
    async with shown(ProblemsDialog(problems, 5000), size) as person:
        await person.sees(
            "5,000 could not be read",
            "Edits that no longer apply",
            "an edit no longer fits",
            "row 12,345",
            "part-[",
            "4,996 more",
        )
        await person.press("down")
        await person.sees("not JSON at byte 1234", "長い長い長い")
        await person.press("end")
        await person.sees("the archive ends too early.")
        await person.press("escape")
        assert await person.gives() is None


async def test_what_is_not_used_is_said_first_even_without_a_problem() -> None:
    words = "not used: 選択肢 (1,000 rows), images (12); 40 rows have turns after the answer"
    async with shown(ProblemsDialog([RowProblem(3, "output is empty")], 1, words)) as person:
        await person.sees("1 could not be read", "40 rows have turns after the answer", "output is empty")
        assert person.text.index("選択肢 (1,000 rows)") < person.text.index("row 3")
    async with shown(ProblemsDialog([], 0, words), NARROW) as person:
        await person.sees("What is not used", "not used: 選択肢 (1,000 rows), images (12)")
        await person.press("escape")
        assert await person.gives() is None


async def test_the_columns_say_what_the_mapping_leaves_out() -> None:
    mapping = ColumnMapping({"instruction": ColumnPick(NAMES[0])})
    async with shown(
        ColumnsDialog("rows", mapping, NAMES, ROWS, not_used="not used: 画像 (12 rows)"), NARROW
    ) as person:
        await person.sees("Columns of rows", "not used: 画像 (12 rows)")


async def test_an_offer_behind_nothing_is_asked_as_one_of_the_others() -> None:
    nothing = ColumnPick("", why="nothing is named or marked as reasoning")
    offers = (nothing, ColumnPick("thoughts", why="long unused text"), ColumnPick("trace", why="long unused text"))
    mapping = ColumnMapping({**GUESS.picks, "reasoning": nothing}, {"reasoning": offers})
    dialog = ColumnsDialog("rows", mapping, NAMES, ROWS, "", lambda column, names, rows: list(offers))
    async with shown(dialog, NARROW) as person:
        await person.sees("? reasoning", "nothing · unclear", "Is it another?")
        await person.press("right", "enter", "enter")
        chosen = await person.gives()
    assert chosen.mapping.source("reasoning") == "thoughts"


@pytest.mark.parametrize("size", SIZES)
async def test_problems_stand_by_reason_with_notes_and_rows_left_out(size: tuple[int, int]) -> None:
    found = RowProblems()
    for number in range(1, 31):
        found.add(number, "not JSON: Expecting value" if number % 3 else f"output: it is an object {HOSTILE}")
    not_used = NotUsed(columns={"id": 30})
    not_used.leave_out("label is false", 31)
    not_used.leave_out("label is false", 34)
    dialog = ProblemsDialog(
        found.kept, found.count, not_used.words(), found.kinds, not_used, [f"read as CP932 {HOSTILE}"]
    )
    async with shown(dialog, size) as person:
        await person.sees("30 rows could not be read", "not used: id (30 rows)", "read as CP932", "20 ×  not JSON")
        await person.sees("row 1, row 2, row 4")
        await person.press("down")
        await person.sees("row 3, row 6, row 9")
        await person.press("end")
        await person.sees("left out: label is false", "2 rows: 31, 34")


@pytest.mark.parametrize("size", SIZES)
async def test_a_table_without_names_is_given_them(size: tuple[int, int]) -> None:
    cells = ["東京はどこ？", f"考え {HOSTILE}", "日本", "x" * 300]
    async with shown(ColumnNamesDialog(f"rows {HOSTILE}", cells, "/データ/names.json"), size) as person:
        await person.sees("instruction", "reasoning", "output", "column4", "東京はどこ？", "/データ/names.json")
        field = person.stage.screen.query_one(Field)
        for text, trouble in (
            ("instruction,output", "There are 2 names for 4 columns."),
            ("instruction,output,,x", "Each column needs a name of its own"),
            ("a,a,b,c", "Each column needs a name of its own"),
        ):
            field.put(text)
            await person.press("enter")
            await person.sees(trouble)
        field.put("instruction,reasoning,output,number")
        await person.press("enter")
        assert await person.gives() == ("instruction", "reasoning", "output", "number")


async def test_a_table_whose_first_line_is_taken_for_names_is_named_too() -> None:
    async with shown(ColumnsDialog("rows", GUESS, NAMES, ROWS, "", candidates, is_table=True), NARROW) as person:
        await person.sees("H no header", "Esc closes")
        await person.press("H")
        assert (await person.gives()).wants_names
    async with shown(columns(), NARROW) as person:
        await person.press("H", "escape")
        assert await person.gives() is None


async def test_many_columns_without_names_fit() -> None:
    async with shown(ColumnNamesDialog("rows", [str(number) for number in range(40)], "x"), NARROW) as person:
        await person.sees("and 31 more columns", "Esc closes")


async def test_marks_are_switched_off_and_on() -> None:
    marked = ColumnMapping(GUESS.picks, marks=(RowMark("label"),))
    async with shown(columns(mapping=marked), WIDE) as person:
        await person.sees("Marks: label (false is left out)", "learn all rows")
        await person.press("asterisk")
        await person.sees("Every row is learnt; marks that are not obeyed: label", "obey the marks")
        await person.press("enter")
        choice = await person.gives()
        assert choice is not None and choice.mapping.marks == () and choice.mapping.by_hand
    known = ColumnsDialog(
        "rows", ColumnMapping(GUESS.picks), NAMES, ROWS, "", candidates, known_marks=(RowMark("label"),)
    )
    async with shown(known, NARROW) as person:
        await person.sees("not obeyed: label")
        await person.press("asterisk", "enter")
        choice = await person.gives()
        assert choice is not None and choice.mapping.marks == (RowMark("label"),)
    async with shown(columns(), WIDE) as person:
        await person.press("asterisk")
        assert "arks" not in person.text
