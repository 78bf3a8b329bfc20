"""A server is chosen in the model dialog and answers in the chat, with the keyboard alone."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList, Static

from core.base import folders
from core.engine.remote.recent_servers import ServerModel, recent_servers, remember_server
from core.session import Session, load_session, save_session
from tests.support.scripted_engine import ScriptedEngine
from tests.support.scripted_server import ScriptedServer, unknown_server
from tui.app import SuironApp
from tui.chat.finish_line import FinishLine
from tui.chat.screen import ChatScreen
from tui.chat.stream_panel import StreamPanel
from tui.dialogs.model_dialog import ModelDialog

KEY = "chat-key-0123456789"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    with unknown_server(monkeypatch) as script:
        yield script


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "in vain"
        await pilot.pause(0.01)


@asynccontextmanager
async def app_in_chat(session: Session | None = None) -> AsyncIterator[tuple[Pilot[None], SuironApp, ScriptedEngine]]:
    save_session(session or Session(screen="chat", instruction="How high is it?"))
    engine = ScriptedEngine()
    app = SuironApp(engine=engine)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        yield pilot, app, engine


async def type_url(pilot: Pilot[None], app: SuironApp, text: str) -> ModelDialog:
    if not isinstance(app.screen, ModelDialog):
        await pilot.press("f7")
    dialog = app.screen
    assert isinstance(dialog, ModelDialog)
    dialog.query_one(Input).value = text
    dialog.query_one(Input).focus()
    await pilot.press("enter")
    return dialog


async def ask(pilot: Pilot[None], app: SuironApp) -> ChatScreen:
    await until(pilot, lambda: isinstance(app.screen, ChatScreen))
    room = app.screen
    assert isinstance(room, ChatScreen)
    await pilot.press("f5")
    await until(pilot, lambda: not room._answering)
    return room


async def test_a_server_with_one_model_is_chosen_and_answers(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(ChatScreen, "notify", lambda self, message, **_: said.append(message))
    server.deltas = [{"reasoning_content": "I look."}, {"content": "3015 m"}]
    async with app_in_chat() as (pilot, app, engine):
        await type_url(pilot, app, server.url)
        await until(pilot, lambda: app.session.server != "")
        assert (app.session.server, app.session.server_model) == (server.url + "/v1", "tiny")
        assert app.session.model == "demo"  # training keeps its model
        room = await ask(pilot, app)
        assert room.query_one("#reasoning", StreamPanel).text == "I look."
        assert room.query_one("#response", StreamPanel).text == "3015 m"
        host = server.url.removeprefix("http://")
        assert f"tiny at {host}" in str(room.query_one("#how", Static).visual)
        assert f"at {host}" in room.query_one("#finish", FinishLine).words
        assert any("o adapters of this machine" in words for words in said)
        assert not engine.ensured
        await pilot.press("ctrl+g")
        await until(pilot, lambda: f"tiny at {host} answers" in said[-1])
    assert load_session().server == server.url + "/v1"
    assert recent_servers() == [ServerModel(server.url + "/v1", "tiny")]


async def test_several_models_are_listed_and_one_is_picked(server: ScriptedServer) -> None:
    server.models = {"small\x1b[31m": "a", "large": "a"}
    async with app_in_chat() as (pilot, app, _):
        dialog = await type_url(pilot, app, server.url)
        options = dialog.query_one(OptionList)
        await until(pilot, lambda: options.option_count == 2 and options.has_focus)
        assert "\x1b" not in str(options.get_option_at_index(0).prompt)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.session.server_model == "large")


async def test_trouble_is_said_and_another_try_succeeds(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.key = KEY
    async with app_in_chat() as (pilot, app, _):
        dialog = await type_url(pilot, app, server.url)
        trouble = dialog.query_one(".trouble", Static)
        await until(pilot, lambda: trouble.display)
        assert "SUIRON_API_KEY" in str(trouble.visual)
        await type_url(pilot, app, "http://user:secret@host")
        await until(pilot, lambda: "user name or a key" in str(trouble.visual))
        await type_url(pilot, app, f"{server.url} typo")
        monkeypatch.setenv("SUIRON_API_KEY", KEY)
        await type_url(pilot, app, f"{server.url} typo")
        await until(pilot, lambda: trouble.display and "no such model" in str(trouble.visual))
        await type_url(pilot, app, f"{server.url} tiny")
        await until(pilot, lambda: app.session.server_model == "tiny")
    kept = [path.read_bytes() for path in folders.home().rglob("*") if path.is_file()]
    assert kept
    assert not [content for content in kept if KEY.encode() in content or b"secret" in content]


async def test_a_server_of_before_is_in_the_list_and_a_local_model_takes_over(server: ScriptedServer) -> None:
    remember_server(ServerModel(server.url + "/v1", "tiny"))
    async with app_in_chat() as (pilot, app, engine):
        await pilot.press("f7")
        dialog = app.screen
        options = dialog.query_one(OptionList)
        await until(pilot, lambda: options.option_count >= 2)
        await pilot.press("down", "down", "enter")  # the demo is first
        await until(pilot, lambda: app.session.server_model == "tiny" and app.screen is not dialog)
        await pilot.press("f7")
        dialog = app.screen
        options = dialog.query_one(OptionList)
        await until(pilot, lambda: options.option_count >= 2)
        await pilot.press("down", "home", "enter")
        await until(pilot, lambda: app.session.server == "" and app.screen is not dialog)
        assert app.session.model == "demo"
        await pilot.press("f5")
        await until(pilot, lambda: bool(engine.questions))
        assert engine.ensured == [("demo", "")]


async def test_a_stream_that_is_cut_keeps_its_text(server: ScriptedServer) -> None:
    chunk = json.dumps({"choices": [{"delta": {"content": "3015"}}]})
    server.events = f"data: {chunk}\n\n".encode()
    session = Session(screen="chat", instruction="How high?", server=server.url, server_model="tiny", template="chat")
    async with app_in_chat(session) as (pilot, app, _):
        room = await ask(pilot, app)
        assert room.query_one("#response", StreamPanel).text == "3015"
        assert "broke off" in str(room.query_one("#trouble", Static).visual).replace("\n", " ")


@pytest.mark.parametrize("url", ["http://user@host", "nonsense://", "http://127.0.0.1:1"])
async def test_a_server_that_cannot_be_asked_is_trouble_not_the_end(url: str) -> None:
    session = Session(screen="chat", instruction="How high?", server=url, server_model="tiny")
    async with app_in_chat(session) as (pilot, app, _):
        room = await ask(pilot, app)
        assert room.query_one("#trouble", Static).display
