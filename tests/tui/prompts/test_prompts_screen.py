"""The prompts room from the user's hands: a real tokenizer, real rows, both sizes."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.widgets import Input, Static

from core.base import folders
from core.base.chat_history import history_to_json
from core.base.row import Row
from core.base.safe_text import UNSAFE
from core.examples.draw_template import Mixture
from core.session import load_session
from core.templates.by_name import get_template
from core.templates.template_file import load_template
from core.tokens.tokenizer import TextTokenizer
from tests.support.encoded_rows import encode_row
from tests.support.prompts_room import opened
from tests.support.rooms import row, until, write_rows
from tests.support.scripted_data import ScriptedData
from tests.support.tiny_tokenizer import END, make_tokenizer_folder
from tui.common.run_settings import session_spec
from tui.prompts.dialogs.mixture import MixtureDialog
from tui.prompts.dialogs.save_template import SaveTemplateDialog
from tui.prompts.dialogs.unsaved_draft import UnsavedDraftDialog
from tui.prompts.row_view_maker import RowViewMaker
from tui.prompts.template_area import TemplateArea

SIZES = [(80, 24), (120, 40)]
HOSTILE = "\x1b]52;c;aGk=\x07[red]x[/] [@click=app.quit]y[/] \u202eevil\x9b2J"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tokenizer_folder(tmp_path_factory.mktemp("model"))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "rows.jsonl", [{**row(index), "sysflag": "train"} for index in range(60)])


def as_row(index: int) -> Row:
    return Row(**{**row(index), "sysflag": "train"}, index=index)


def trained_ids(index: int, model: Path) -> list[int]:
    """What training makes of the row."""
    spec_mixture = Mixture([(get_template("alpaca"), 0.15), (get_template("alpaca-reasoning"), 0.85)], 3442)
    template = spec_mixture.template_for(as_row(index))
    assert template is not None
    return encode_row(as_row(index), template, TextTokenizer.from_folder(model)).ids


@pytest.mark.parametrize("size", SIZES)
async def test_text_tokens_and_prompts_of_a_row(rows: Path, model: Path, size: tuple[int, int]) -> None:
    async with opened(rows, model, size) as hands:
        await hands.shows("row 0", "1 of 60", "as drawn", "[text]")
        assert hands.lines()[0].startswith("P┆ Below is an instruction")
        assert hands.lines()[-1] == f"E┃ ⟨{END}⟩"
        assert f"{len(trained_ids(0, model)):,} of 2,048 tokens" in hands.about
        assert max(cell_len(line) for line in hands.seen()) <= hands.sheet.size.width
        await hands.press("v")
        await hands.shows("[tokens]")
        tokens = "".join(line[3:] for line in hands.lines())
        assert tokens.count("·") == len(trained_ids(0, model)) and "␣" in tokens and "⏎" in tokens
        await hands.press("I")
        await until(hands.pilot, lambda: "₁" in "".join(hands.lines()))
        await hands.press("v")
        await hands.shows("[prompts]")
        assert [line[0] for line in hands.lines() if "begins to write" in line] == ["1", "2", "3"]
        await hands.press("v")
        await hands.shows("[text]")


async def test_rows_go_by_and_the_data_room_opens_on_its_row(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("j", "j", "k")
        await hands.shows("row 1", "2 of 60")
        await hands.press("k", "k", "k")
        await hands.shows("row 0")
        await hands.press("escape")
        await until(hands.pilot, lambda: hands.app.session.screen == "data")
        await hands.press("down", "down", "down")
        await until(hands.pilot, lambda: hands.app.session.row == 3)
        await hands.press("T")
        await hands.shows("row 3")


async def test_the_draw_is_that_of_training(rows: Path, model: Path) -> None:
    mixture = Mixture([(get_template("alpaca"), 0.15), (get_template("alpaca-reasoning"), 0.85)], 3442)
    async with opened(rows, model) as hands:
        for index in range(12):
            template = mixture.template_for(as_row(index))
            assert template is not None
            await hands.shows(f"row {index}", f"{template.name} as drawn", "alpaca 15 %, alpaca-reasoning 85 %")
            assert ("without reasoning" in hands.about) == (index % 10 == 9)
            await hands.press("j")


async def test_cjk_and_hostile_rows_are_shown_safely(tmp_path: Path, model: Path) -> None:
    rows = write_rows(
        tmp_path / "rows.jsonl",
        [
            {
                "instruction": HOSTILE,
                "input": "",
                "reasoning": f"推論します。\n{HOSTILE}" + "漢字と仮名" * 60,
                "output": "答え",
                "sysflag": "train",
            },
            {"instruction": "a", "input": "", "reasoning": "b", "output": f"c {END}\r\nd", "sysflag": "train"},
        ],
    )
    async with opened(rows, model) as hands:
        for _ in range(3):
            for line in hands.lines():
                assert not UNSAFE.search(line) and cell_len(line) <= hands.sheet.size.width
            assert not UNSAFE.search(hands.about.replace("\n", ""))
            await hands.press("v")
            await hands.pilot.pause()
        await hands.shows("[text]")
        await hands.has("漢字と仮名")
        await hands.press("j", "v")
        await hands.shows("row 1", "[tokens]")
        joined = "".join(line[3:] for line in hands.lines())
        assert joined.count(f"⟨{END}⟩") == 1 and "<" in joined  # the row's own is letters


async def test_templates_losses_and_lengths_in_turn(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("T")
        await hands.shows("alpaca chosen")
        await hands.press("T", "T", "T", "T")
        await hands.shows("chat chosen", "no place for the reasoning")
        await hands.press("less_than_sign", "less_than_sign", "less_than_sign", "less_than_sign", "less_than_sign")
        await hands.shows("as drawn")
        await hands.press("L")
        await hands.shows("loss response")
        assert "R┆" in hands.about
        await hands.press("L", "O")
        await hands.shows("loss all", "P┃", "cut reasoning")
        spec, trouble = session_spec(hands.app.session)
        assert (spec.prompt.loss_on, spec.prompt.too_long, trouble) == ("all", "cut_reasoning", None)


async def test_a_model_that_is_not_here_leaves_the_text(rows: Path) -> None:
    async with opened(rows, "demo") as hands:
        await hands.shows("is not on this disk yet", "only the text is shown")
        assert hands.lines()[0].startswith("P┆ Below")
        await hands.press("T", "T", "T", "T", "T")
        await until(hands.pilot, lambda: "Choose a model" in "".join(hands.lines()))


async def test_problem_rows_are_found_both_ways(tmp_path: Path, model: Path) -> None:
    made = [{**row(1), "sysflag": "train"} for _ in range(600)]
    made[20]["reasoning"] = "x\n### Response:\ny"
    made[400]["reasoning"] = "long " * 3000
    made[500]["reasoning"] = "long " * 3000
    made[500]["sysflag"] = "test"
    async with opened(write_rows(tmp_path / "rows.jsonl", made), model) as hands:
        await hands.press("right_square_bracket")
        await hands.shows("row 20", "### Response:")
        await hands.press("right_square_bracket")
        await hands.shows("row 400", "left out")
        await hands.press("right_square_bracket")
        await until(hands.pilot, lambda: "No row after" in hands.said)
        await hands.press("left_square_bracket")
        await hands.shows("row 20")


async def test_a_row_of_very_many_tokens_does_not_hold_up_the_keys(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [
        {**row(1), "sysflag": "train", "reasoning": "What is 3 plus one? " * 20_000},
        {**row(2), "sysflag": "train"},
    ]
    gate = threading.Event()
    make_view = RowViewMaker.make_view

    def slow(self: RowViewMaker, request: Any) -> Any:
        gate.wait(10)
        return make_view(self, request)

    async with opened(write_rows(tmp_path / "rows.jsonl", made), model) as hands:
        await hands.press("v")
        await hands.shows("[tokens]")
        assert len(hands.lines()) > 1000
        made_lines: list[int] = []
        pieces = hands.sheet.lines.pieces
        monkeypatch.setattr(hands.sheet.lines, "pieces", lambda index: made_lines.append(index) or pieces(index))
        await hands.press("end")
        await until(hands.pilot, lambda: any(line.startswith("E┃") for line in hands.seen()))
        assert len(set(made_lines)) < 100
        monkeypatch.setattr(RowViewMaker, "make_view", slow)
        await hands.press("j", "v", "v", "f1")  # a job waits, the keys do not
        await until(hands.pilot, lambda: hands.app.screen is not hands.room)
        await hands.press("escape")
        gate.set()
        await hands.shows("row 1", "[text]")


@pytest.mark.parametrize("size", SIZES)
async def test_a_template_is_written_with_the_row_beside_it(rows: Path, model: Path, size: tuple[int, int]) -> None:
    async with opened(rows, model, size) as hands:
        await hands.press("T", "T", "e")
        await hands.shows("being written")
        area = hands.room.query_one(TemplateArea)
        await until(hands.pilot, lambda: area.has_focus and "### Instruction:" in area.text)
        assert (
            (area.region.right <= hands.sheet.region.x)
            if size[0] == 120
            else (area.region.bottom <= hands.sheet.region.y)
        )
        area.text = area.text.replace("### Instruction:", "## 質問:")
        await hands.has("## 質問:")
        good = hands.lines()
        area.text = area.text.replace("{output}", "{outputs}")
        await hands.shows("cannot be used", "outputs")
        assert hands.lines() == good  # the last good one stays
        area.text = "versions: [\n"
        await hands.shows("not YAML", "line")
        assert hands.lines() == good
        area.text = area.document.text.replace("versions: [\n", "")
        await hands.press("escape")
        assert not area.has_focus and hands.room.unsaved
        await hands.press("escape")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, UnsavedDraftDialog))
        await hands.press("y")
        await hands.shows("alpaca-reasoning chosen")
        assert not hands.room.unsaved


async def test_what_changes_the_run_is_told_and_undone_step_by_step(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        before = hands.app.session.train
        await hands.press("L")
        await hands.says("loss: completion → response (u undoes)")
        await hands.press("O")
        await hands.says("long rows: drop → cut reasoning (u undoes)")
        await hands.press("M")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, MixtureDialog))
        hands.app.screen.query_one("#weight-0", Input).value = "0.4"
        await hands.press("enter")
        await hands.says("mixture: alpaca 0.15, alpaca-reasoning 0.85 → alpaca 0.4, alpaca-reasoning 0.85")
        await hands.press("u")
        await hands.says("alpaca 0.4, alpaca-reasoning 0.85 → alpaca 0.15", "undone; r redoes")
        await hands.press("u")
        await hands.says("long rows: cut reasoning → drop")
        await hands.press("r")
        await hands.says("long rows: drop → cut reasoning")
        await hands.press("u", "u")
        await hands.says("loss: response → completion")
        assert hands.app.session.train == before
        await hands.press("u")
        await hands.says("Nothing to undo")
        await hands.shows("loss completion", "long rows drop")


async def test_letters_of_the_data_room_change_nothing_in_prompts(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        before = hands.app.session
        await hands.press("o", "l", "w", "t", "n", "N", "p", "s", "h", "i", "x", "d", "y", "z")
        await hands.pilot.pause()
        assert hands.app.session == before and hands.app.screen is hands.room


async def test_a_draft_is_dropped_only_when_asked_and_says_why_no_other_template_is_shown(
    rows: Path, model: Path
) -> None:
    async with opened(rows, model) as hands:
        await hands.press("T", "T", "e")
        await hands.shows("being written")
        area = hands.room.query_one(TemplateArea)
        await until(hands.pilot, lambda: area.has_focus and "### Instruction:" in area.text)
        await hands.press("x", "escape")
        await hands.says("Not saved yet", "^o saves it")
        await hands.press("T")
        await hands.says("The template stays while one is being written", "e goes on")
        for answer in ("escape", "n"):
            await hands.press("escape")
            await until(hands.pilot, lambda: isinstance(hands.app.screen, UnsavedDraftDialog))
            await hands.press(answer)
            await until(hands.pilot, lambda: hands.app.screen is hands.room)
            assert hands.room.unsaved and area.text.startswith("x")
        await hands.press("escape", "S")
        await hands.says("not a valid template yet")
        await hands.press("escape", "y")
        await hands.says("discarded")
        assert not hands.room.unsaved and not hands.app.session.template_draft


async def test_a_draft_outlives_the_app(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("e")
        await hands.shows("being written")
        area = hands.room.query_one(TemplateArea)
        await until(hands.pilot, lambda: area.has_focus and "### Instruction:" in area.text)
        await hands.press("#")
        await until(hands.pilot, lambda: hands.app.session.template_draft.startswith("#"))
    async with opened(rows, model) as hands:
        await hands.shows("being written")
        await hands.says("is here as it was")
        assert hands.room.unsaved
        await hands.press("e")
        area = hands.room.query_one(TemplateArea)
        await until(hands.pilot, lambda: area.has_focus and area.text.startswith("#"))


async def test_a_fault_in_a_draft_is_shown_in_full_with_its_line(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("e")
        await hands.shows("being written")
        area = hands.room.query_one(TemplateArea)
        await until(hands.pilot, lambda: "### Instruction:" in area.text)
        area.text = "name: 例\nversions: [\n"
        await hands.shows("⚠ The template cannot be used", "line 3")
        assert all(cell_len(line) <= 78 for line in hands.about.split("\n") if "⚠" in line)


async def test_a_template_that_is_not_saved_is_not_left_by_one_key(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("T", "T", "v", "v", "e")
        await hands.shows("being written")
        area = hands.room.query_one(TemplateArea)
        await until(hands.pilot, lambda: area.has_focus and "### Instruction:" in area.text)
        await hands.press("end", "x")
        told = lambda: [one.message for one in hands.app._notifications]  # noqa: E731
        await hands.press("f4", "f9")  # from another room as well
        await until(
            hands.pilot,
            lambda: any(
                "not saved" in words and "^t" in words and "^o" in words and "F9 again" in words for words in told()
            ),
        )
        hands.app._leaving = -100.0
        await hands.press("ctrl+t", "escape", "q")
        await until(hands.pilot, lambda: any("q again" in words for words in told()))
        assert hands.app.is_running and hands.room.unsaved


async def test_the_prompts_of_the_chosen_template_come_first(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("v", "v", "T")
        await hands.shows("alpaca chosen", "[prompts]")
        await until(hands.pilot, lambda: hands.lines()[0].startswith("1 answer without reasoning  alpaca,"))


async def test_a_template_is_saved_as_ones_own_and_joins_the_mixture(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("T", "T", "e")
        await hands.shows("being written")
        area = hands.room.query_one(TemplateArea)
        await until(hands.pilot, lambda: "### Instruction:" in area.text)
        area.text = area.text.replace("Below is an instruction", "Here is an instruction")
        await hands.has("Here is an instruction")
        await hands.press("ctrl+o")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, SaveTemplateDialog))
        field = hands.app.screen.query_one(Input)
        field.value = "alpaca"
        await hands.press("enter")
        await until(hands.pilot, lambda: "built-in" in str(hands.app.screen.query_one(".trouble", Static).visual))
        field.value = "mine"
        await hands.press("f8")
        await until(hands.pilot, lambda: "beside the data" in str(hands.app.screen.query_one("#where", Static).visual))
        await hands.press("f8", "enter")
        await hands.shows("mine chosen")
        saved = load_template(folders.config() / "templates" / "mine.yaml")
        assert saved.pattern.startswith("Here is an instruction") and saved.name == "mine"

        await hands.press("M")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, MixtureDialog))
        dialog = hands.app.screen
        said = lambda: str(dialog.query_one("#counted", Static).visual)  # noqa: E731
        await until(hands.pilot, lambda: "60 rows" in said() and "6 of them without reasoning" in said())
        names = [str(label.visual).strip() for label in dialog.query(".name")]
        dialog.query_one(f"#weight-{names.index('mine')}", Input).value = "1"
        dialog.query_one(f"#weight-{names.index('alpaca')}", Input).value = ""
        dialog.query_one(f"#weight-{names.index('alpaca-reasoning')}", Input).value = ""
        await until(hands.pilot, lambda: "left out: 6 rows without reasoning" in said())
        assert "100 %, 54 rows" in str(dialog.query_one(f"#share-{names.index('mine')}", Static).visual)
        await hands.press("enter")
        await hands.press("escape")
        await hands.shows("mine as drawn", "mine 100 %")
        await until(hands.pilot, lambda: load_session().train.get("prompt.mixture") == "mine 1")
        await hands.press("S")  # over the file that the run trains with
        await until(hands.pilot, lambda: isinstance(hands.app.screen, SaveTemplateDialog))
        await hands.press("enter")
        await until(hands.pilot, lambda: "again" in str(hands.app.screen.query_one(".trouble", Static).visual))
        await hands.press("enter")
        await hands.says("Saved", "the next run trains with the new text")


async def test_a_mixture_that_is_none_says_so_and_is_not_taken(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("M")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, MixtureDialog))
        dialog = hands.app.screen
        for field in list(dialog.query("#templates WeightField").results(Input)):
            field.value = ""
        await until(hands.pilot, lambda: "No template" in str(dialog.query_one(".trouble", Static).visual))
        await hands.press("enter")
        assert hands.app.screen is dialog
        await hands.press("escape")
        assert "prompt.mixture" not in hands.app.session.train


async def test_sections_may_be_weighted_and_the_train_form_keeps_it(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("M")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, MixtureDialog))
        dialog = hands.app.screen
        await hands.press("up", "up")
        await until(hands.pilot, lambda: dialog.focused is not None and dialog.focused.id == "loss")
        await hands.press("left")
        await until(hands.pilot, lambda: dialog.query_one("#sections").display)
        dialog.query_one("#section-reasoning", Input).value = "0.5"
        await hands.pilot.pause()
        await hands.press("down", "enter")
        await hands.shows("loss weights", "×0.5")
        await hands.press("2")
        await until(
            hands.pilot, lambda: hands.app.session.screen == "train" and hands.app.screen.query("#setting-train-steps")
        )
        note = lambda: str(hands.app.screen.query_one("#form-note", Static).visual)  # noqa: E731
        hands.app.screen.query_one("#setting-prompt-vanilla_share", Input).value = "0.5"
        await until(hands.pilot, lambda: "alpaca 50 %" in note())
        spec, _ = session_spec(hands.app.session)
        assert spec.prompt.loss_on.reasoning == 0.5 and spec.prompt.vanilla_share == 0.5  # type: ignore[union-attr]
        await hands.press("ctrl+t")
        await hands.shows("alpaca 50 %", "×0.5")


async def test_a_draft_survives_a_look_elsewhere_and_any_size(rows: Path, model: Path) -> None:
    async with opened(rows, model) as hands:
        await hands.press("e")
        await hands.shows("being written")
        area = hands.room.query_one(TemplateArea)
        await hands.press("x")
        await hands.press("f2")
        await until(hands.pilot, lambda: hands.app.session.screen == "data")
        for size in ((1, 1), (20, 5), (200, 60), (80, 24)):
            await hands.pilot.resize_terminal(*size)
        await hands.press("ctrl+t")
        await hands.shows("being written")
        assert area.text.startswith("x")


async def test_markup_in_a_template_of_ones_own_is_text(rows: Path, model: Path) -> None:
    folder = folders.config() / "templates"
    folder.mkdir(parents=True)
    text = (Path(get_template.__code__.co_filename).with_name("builtin") / "alpaca.yaml").read_text()
    first, second, rest = text.split("\n", 2)
    assert (first, second[:6]) == ("name: alpaca", "words:")
    (folder / "own.yaml").write_text("\n".join(["name: own", "words: 'x [/] [@click=app.quit]x'", rest]))
    (folder / "bad.yaml").write_text("name: [")
    async with opened(rows, model) as hands:
        assert [
            str(note.message)
            for note in hands.app._notifications
            if "bad.yaml: the template cannot be used" in str(note.message)
        ]
        await hands.press("M")
        await until(hands.pilot, lambda: isinstance(hands.app.screen, MixtureDialog))
        assert any("[@click" in str(share.visual) for share in hands.app.screen.query(".share").results(Static))


@pytest.mark.parametrize("size", SIZES)
async def test_a_row_with_a_system_prompt_turns_and_tools_is_shown(
    model: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    history = history_to_json([{"role": "user", "content": "東京は？"}, {"role": "assistant", "content": "晴れ"}])

    def with_context(index: int) -> Row:
        return Row("明日は？", "", "考え", "雨", "Japanese", "train", "助手です。", history, '[{"name":"天気"}]', index)

    data = ScriptedData("chat.jsonl", 10, make_row=with_context)
    monkeypatch.setattr("core.data.source.open_early", lambda source, split, mapping: data)
    async with opened(Path("chat.jsonl"), model, size) as hands:
        await hands.has("明日は？")
        await hands.press("v", "v", "j")
        await hands.shows("row 1", "[prompts]")
        assert max(cell_len(line) for line in hands.seen()) <= hands.sheet.size.width
