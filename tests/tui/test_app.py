"""The app: what it remembers, who wins, what it survives, and what it never imports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static, TextArea

from core import session as sessions
from core.base.errors import ModelError
from core.base.row import Row
from core.data.filters import RowFilters
from core.runs.run_folder import create_run_folder
from core.runs.spec import DataSection, ModelSection, RunSpec
from core.session import Session, load_session, save_session
from tests.support.rooms import until
from tui.actions import ACTIONS, ROOMS
from tui.app import SuironApp
from tui.dialogs.model_dialog import ModelDialog
from tui.messages import AskRow
from tui.palette import Palette, SuironCommands

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "transformers", "datasets", "trl", "peft", "unsloth", "pandas")
LATER = (
    "pyarrow",
    "duckdb",
    "httpx",
    "plotext",
    "tokenizers",
)  # light enough for the terminal, too heavy before its first paint


def test_importing_the_app_imports_nothing_heavy_and_no_room() -> None:
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import tui.app"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    modules = {line.rpartition("|")[2].strip() for line in told.splitlines()}
    assert "tui.app" in modules
    assert not [name for name in modules if name.partition(".")[0] in (*HEAVY, *LATER)]
    rooms = ("tui.data", "tui.train", "tui.chat", "tui.prompts")
    assert not [name for name in modules if name.startswith(rooms)]


def test_no_room_imports_anything_heavy() -> None:
    modules = (
        "tui.data.screen, tui.train.screen, tui.chat.screen,"
        " tui.dialogs.model_dialog, tui.dialogs.help_dialog, tui.palette"
    )
    code = f"import sys, {modules}; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not [name for name in told if name.partition(".")[0] in HEAVY]


async def test_the_last_session_is_restored_and_other_rooms_wait(rows_file: Path) -> None:
    save_session(
        Session(
            data=str(rows_file), row=11, filters=RowFilters(sysflag="train"), model="some/model", theme="suiron-light"
        )
    )
    app = SuironApp()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.dataset is not None)
        assert app.theme == "suiron-light" and app.session.row == 11 and app.session.model == "some/model"
        assert list(app.rooms) == ["data"]


def test_the_command_line_wins_over_the_session(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_session(Session(data="x", split="train", row=7, filters=RowFilters(text="t"), model="m", adapter="a"))
    monkeypatch.chdir(rows_file.parent)
    other = SuironApp(rows_file.name, model="n").session
    assert (other.data, other.split, other.row, other.filters, other.model, other.adapter) == (
        str(rows_file),
        "",
        0,
        RowFilters(),
        "n",
        "",
    )
    same = SuironApp("x", model="m").session
    assert (same.data, same.split, same.row, same.adapter) == ("x", "train", 7, "a")
    split = SuironApp(split="test").session
    assert (split.data, split.split, split.row) == ("x", "test", 0)


def test_an_unreadable_session_is_a_new_one() -> None:
    (Path(os.environ["SUIRON_HOME"])).mkdir(parents=True, exist_ok=True)
    (Path(os.environ["SUIRON_HOME"]) / "session.json").write_bytes(b'{"screen": 7')
    assert SuironApp().session == Session()
    save_session(Session(screen="gone"))
    assert SuironApp().session.screen == "data"


async def test_changes_are_saved_a_moment_later(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.session_keeper.SAVE_AFTER", 0.01)
    app = SuironApp(str(rows_file))
    async with app.run_test() as pilot:
        app.remember(template="alpaca")
        await until(pilot, lambda: load_session().template == "alpaca")


async def test_a_full_disk_is_told_once_and_ends_nothing(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tui.session_keeper.SAVE_AFTER", 0.01)
    monkeypatch.setattr(sessions.files, "replace_file", full)
    app = SuironApp(str(rows_file))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.dataset is not None)
        for template in ("a", "b", "c"):
            app.remember(template=template)
            await until(pilot, lambda: app._keeper.is_saved)
        await until(pilot, lambda: len(app._notifications) == 1)
        [told] = app._notifications
        assert "No space left" in told.message and not told.markup
        assert app.is_running


async def test_folders_that_cannot_be_made_end_nothing(
    rows_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for variable in ("SUIRON_HOME", "SUIRON_CONFIG"):
        monkeypatch.setenv(variable, str(tmp_path / "file" / "folder"))
    app = SuironApp(str(rows_file))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.dataset is not None)
        assert app.theme == "suiron-dark"


@pytest.mark.parametrize("number", [signal.SIGTERM])
async def test_a_signal_saves_and_ends(
    rows_file: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.session_keeper.LEAVE_WITHIN", 3600.0)
    before = signal.getsignal(number)
    app = SuironApp(str(rows_file))
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.dataset is not None)
        app.remember(row=33)
        os.kill(os.getpid(), number)
        await until(pilot, lambda: not app.is_running or app._exit)
        assert load_session().row == 33
    assert signal.getsignal(number) == before


async def test_a_row_taken_to_the_chat_fills_its_fields(rows_file: Path) -> None:
    app = SuironApp(str(rows_file))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.dataset is not None)
        app.post_message(AskRow(Row("What is [/]?", "the input")))
        await until(pilot, lambda: app.current_mode == "chat")
        await until(
            pilot, lambda: [field.text for field in app.rooms["chat"].query(TextArea)] == ["What is [/]?", "the input"]
        )


async def test_the_palette_knows_every_action_and_theme_and_runs_them_in_their_room(rows_file: Path) -> None:
    app = SuironApp(str(rows_file))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.dataset is not None and len(app.theme_names()) >= 3)
        names = [hit.text or "" async for hit in SuironCommands(app.screen).discover()]
        in_palette = [action for action in ACTIONS if action.scope in (*ROOMS, "app")]
        assert len(names) == len(in_palette) + len(app.theme_names())
        await app.action_switch_mode("train")
        await pilot.press("ctrl+p")
        assert isinstance(app.screen, Palette) and not app.screen.query_one(Input).cursor_blink
        await pilot.press(*"Data: Split")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count)
        await pilot.press("enter")
        await until(pilot, lambda: app.current_mode == "data" and app.session.filters.sysflag)


async def test_ctrl_c_does_not_quit_and_says_what_does(rows_file: Path) -> None:
    app = SuironApp(str(rows_file))
    async with app.run_test() as pilot:
        await pilot.press("ctrl+c", "ctrl+q")
        await until(pilot, lambda: len(app._notifications) == 1)
        assert app.is_running and "F9" in next(iter(app._notifications)).message


async def test_a_model_is_chosen_only_when_it_resolves(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import core.models.resolve as resolve

    def refuse(name: str, **_: object) -> object:
        if name != "good":
            raise ModelError("there are no weights [/]", name, "Choose another")
        return object()

    monkeypatch.setattr(resolve, "resolve_model", refuse)
    run = create_run_folder(RunSpec(data=DataSection(source="demo"), model=ModelSection(name="good"), name="first"))
    run.adapter.mkdir()
    (run.adapter / "adapter_config.json").write_text("{}")
    app = SuironApp(str(rows_file))
    async with app.run_test() as pilot:
        await pilot.press("f7")
        dialog = app.screen
        assert isinstance(dialog, ModelDialog)
        await until(pilot, lambda: dialog.query_one(OptionList).option_count >= 2)
        dialog.query_one(Input).value = "bad"
        await pilot.press("enter")
        trouble = dialog.query_one(".trouble", Static)
        await until(pilot, lambda: trouble.display)
        assert "no weights [/]" in str(trouble.visual) and app.session.model == "demo"
        await pilot.press("down", "down", "enter")  # the adapter stands after the demo
        await until(pilot, lambda: app.screen is not dialog)
        assert (app.session.model, app.session.adapter) == ("good", run.id)
