"""The chat room from the user's hands, with an engine whose every step the test decides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input, Static, TextArea

from core.base.errors import EngineError, ModelError
from core.engine.protocol import EngineStatus
from core.engine.sentinel import LoopWarning
from core.runs.checkpoint_folders import ADAPTER_NEEDED
from core.runs.run_folder import RunFolder, create_run_folder
from core.runs.spec import DataSection, MixturePart, ModelSection, PromptSection, RunSpec, dump_run_spec
from core.runs.status_file import RunStatus
from core.session import Session, load_session, save_session
from core.templates.by_name import TEXT_TEMPLATES, save_template
from tests.support.scripted_engine import ScriptedEngine, finish, reasoning, response
from tui import follower
from tui.app import SuironApp
from tui.chat.finish_line import FinishLine
from tui.chat.screen import ChatScreen
from tui.chat.stream_panel import StreamPanel
from tui.messages import ModelChosen

SIZES = [(80, 24), (120, 40)]
QUESTION = Session(screen="chat", instruction="How high is 立山?")


class Chat:
    """The room in front, and what a person sees of it."""

    def __init__(self, pilot: Pilot[None], engine: ScriptedEngine) -> None:
        self.pilot, self.engine = pilot, engine
        self.app: SuironApp = pilot.app  # type: ignore[assignment]
        room = self.app.screen
        assert isinstance(room, ChatScreen)
        self.room = room

    def panel(self, section: str) -> StreamPanel:
        return self.room.query_one(f"#{section}", StreamPanel)

    def shown(self, section: str) -> str:
        """The text on the screen, rows joined by newlines."""
        panel = self.panel(section)
        rows = [
            "".join(segment.text for segment in panel.render_line(y)).strip()
            for y in range(panel.scrollable_content_region.height)
        ]
        return "\n".join(rows).strip()

    @property
    def line(self) -> str:
        return self.room.query_one("#finish", FinishLine).words

    @property
    def trouble(self) -> str:
        box = self.room.query_one("#trouble", Static)
        return str(box.visual) if box.display else ""

    async def until(self, holds: Callable[[], bool], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"in vain; the finish line says: {self.line}; trouble: {self.trouble}"
            await self.pilot.pause(0.01)

    async def ask(self) -> None:
        """Press the key and wait until the question has arrived."""
        before = len(self.engine.questions)
        await self.pilot.press("f5")
        await self.until(lambda: len(self.engine.questions) > before)

    async def ended(self) -> None:
        await self.until(lambda: not self.room._answering)
        # With an empty list, Textual waits for all workers, and the follower of the runs never ends.
        if drawing := [worker for worker in self.app.workers if worker.group == "markdown"]:
            await self.app.workers.wait_for_complete(drawing)
        await self.pilot.pause()


@asynccontextmanager
async def chat(
    engine: ScriptedEngine, size: tuple[int, int] = (80, 24), session: Session = QUESTION
) -> AsyncIterator[Chat]:
    save_session(session)
    async with SuironApp(engine=engine).run_test(size=size) as pilot:
        await pilot.pause()
        yield Chat(pilot, engine)


# -- an answer --


@pytest.mark.parametrize("size", SIZES)
async def test_both_panels_fill_in_order_and_the_finish_line_tells_how(size: tuple[int, int]) -> None:
    async with chat(ScriptedEngine(), size) as c:
        await c.ask()
        assert c.engine.ensured == [("demo", "")]
        question = c.engine.questions[0]
        assert (question.instruction, question.template) == ("How high is 立山?", "alpaca-reasoning")
        assert (question.max_tokens, question.temperature) == (1024, 0.0)
        assert question.seed is None
        assert not question.tuned
        c.engine.say(*reasoning("First I ", "look at the map."))
        await c.until(lambda: c.shown("reasoning") == "First I look at the map.")
        assert c.shown("response") == ""
        assert c.line == "The reasoning is arriving · F6 stops it"
        c.engine.say(*response("It is ", "**3015 m**."))
        await c.until(lambda: c.shown("response") == "It is **3015 m**.")
        assert c.line == "The response is arriving · F6 stops it"
        c.engine.say(finish())
        await c.ended()
        assert c.shown("response") == "It is 3015 m."
        assert (
            c.line
            == "End of answer · 12 tokens · prefill of 40 in 0.25 s · first token 0.31 s · total 1.50 s · 8.0 tok/s"
        )
        assert c.shown("reasoning") == "First I look at the map."
        side_by_side = c.panel("reasoning").region.y == c.panel("response").region.y
        assert side_by_side == (size[0] >= 110)


async def test_a_second_question_replaces_the_first_answer() -> None:
    async with chat(ScriptedEngine()) as c:
        await c.ask()
        c.engine.say(*reasoning("old thought"), *response("old answer"), finish())
        await c.ended()
        await c.ask()
        await c.until(lambda: c.shown("reasoning") == "" and c.shown("response") == "")
        c.engine.say(*reasoning("new thought"), *response("new answer"), finish())
        await c.ended()
        assert (c.shown("reasoning"), c.shown("response")) == ("new thought", "new answer")


async def test_asking_again_tells_what_stood_there() -> None:
    async with chat(ScriptedEngine()) as c:
        await c.ask()
        assert (c.engine.questions[0].draft, c.engine.questions[0].draft_reasoning) == ("", "")
        c.engine.say(*reasoning("old thought"), *response("old answer"), finish())
        await c.ended()
        await c.ask()
        assert (c.engine.questions[1].draft, c.engine.questions[1].draft_reasoning) == ("old answer", "old thought")
        c.engine.say(*response("new"), msgspec.structs.replace(finish(), drafted_tokens=9))
        await c.ended()
        assert "12 tokens, 9 as before" in c.line


async def test_a_loop_is_told_while_the_answer_arrives_and_behind_it() -> None:
    async with chat(ScriptedEngine(), (120, 40)) as c:
        await c.ask()
        loop = LoopWarning("period", 3, 40, 192)
        c.engine.say(*response("so so so"), loop, *response(" so so so"))
        await c.until(lambda: "the same 3 tokens again and again since token 41" in c.line)
        assert c.line.startswith("The response goes round in a loop")
        told = msgspec.structs.replace(finish("stop_string"), loop=loop, stop_string="\x1b[2J", reasoning_closed=True)
        c.engine.say(told)
        await c.ended()
        assert c.line.startswith("Stop text reached ('\\x1b[2J'), the same 3 tokens again and again since token 41")
        assert "closed at the budget" in c.line


async def test_endings_that_need_a_word() -> None:
    async with chat(ScriptedEngine(), (120, 40)) as c:
        await c.ask()
        c.engine.say(*reasoning("and so on and"), finish("length", "in_reasoning"))
        await c.ended()
        assert c.line.startswith("Token limit reached inside the reasoning, no response")
        assert c.shown("response") == "The response is empty."


async def test_pieces_are_gathered_into_few_paints(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat(ScriptedEngine()) as c:
        paints: list[str] = []
        append = StreamPanel.append

        def count(panel: StreamPanel, text: str) -> None:
            paints.append(text)
            append(panel, text)

        monkeypatch.setattr(StreamPanel, "append", count)
        await c.ask()
        begun = time.monotonic()
        for number in range(300):
            c.engine.say(*reasoning(f"{number} "))
            await asyncio.sleep(0)
        c.engine.say(finish())
        await c.ended()
        assert "".join(paints) == "".join(f"{number} " for number in range(300))
        assert len(paints) <= (time.monotonic() - begun) / 0.1 + 2


async def test_resizing_while_it_streams() -> None:
    async with chat(ScriptedEngine(), (120, 40)) as c:
        await c.ask()
        c.engine.say(*reasoning("one two three " * 200))
        await c.until(lambda: c.shown("reasoning") != "")
        await c.pilot.resize_terminal(80, 24)
        c.engine.say(*reasoning("\nthe last line"))
        await c.until(lambda: c.shown("reasoning").endswith("the last line"))
        assert c.panel("reasoning").region.y < c.panel("response").region.y
        await c.pilot.resize_terminal(120, 40)
        c.engine.say(finish())
        await c.ended()
        assert c.shown("reasoning").endswith("the last line")
        assert c.panel("reasoning").text == "one two three " * 200 + "\nthe last line"


async def test_an_answer_goes_on_while_another_room_is_in_front() -> None:
    async with chat(ScriptedEngine()) as c:
        await c.ask()
        c.engine.say(*reasoning("before "))
        await c.until(lambda: c.shown("reasoning") == "before")
        await c.pilot.press("f2")
        assert c.app.screen is not c.room
        c.engine.say(*reasoning("and after"), finish())
        await c.until(lambda: not c.room._answering)
        await c.pilot.press("f4")
        await c.pilot.pause()
        assert c.shown("reasoning") == "before and after"
        assert c.line.startswith("End of answer")


# -- stopping --


@pytest.mark.parametrize("key", ["f6", "escape"])
async def test_stop(key: str) -> None:
    async with chat(ScriptedEngine()) as c:
        await c.ask()
        c.engine.say(*reasoning("thinking"))
        await c.until(lambda: c.shown("reasoning") == "thinking")
        await c.pilot.press(key)
        await c.ended()
        assert c.engine.stops == 1
        assert c.line.startswith("Stopped")
        assert c.shown("reasoning") == "thinking"
        await c.pilot.press(key)
        assert c.engine.stops == 1


async def test_an_engine_that_does_not_obey_is_let_go_at_the_second_press() -> None:
    engine = ScriptedEngine()
    engine.obeys = False
    async with chat(engine) as c:
        await c.ask()
        c.engine.say(*reasoning("thinking"))
        await c.until(lambda: c.shown("reasoning") == "thinking")
        await c.pilot.press("f6")
        await c.until(lambda: engine.stops == 1)
        assert c.line == "Stopping · F6 again stops waiting for the engine"
        await c.pilot.press("f6")
        await c.ended()
        assert engine.open == 0
        assert c.line.startswith("Stopped waiting")
        await c.ask()
        engine.say(*response("again"), finish())
        await c.ended()
        assert c.shown("response") == "again"


async def test_stopping_while_the_model_loads_asks_nothing() -> None:
    gate = asyncio.Event()
    async with chat(
        ScriptedEngine([EngineStatus(state="loading", model="demo", message="Reading the weights")], gate)
    ) as c:
        await c.pilot.press("f5")
        await c.until(lambda: c.line == "Reading the weights")
        await c.pilot.press("f6")
        await c.ended()
        assert c.line.startswith("Not asked")
        gate.set()
        await c.ask()
        c.engine.say(*response("now"), finish())
        await c.ended()
        assert len(c.engine.questions) == 1


async def test_asking_while_an_answer_runs_says_so() -> None:
    async with chat(ScriptedEngine()) as c:
        await c.ask()
        c.engine.say(*reasoning("thinking"))
        await c.until(lambda: c.shown("reasoning") == "thinking")
        await c.pilot.press("f5")
        assert c.line == "The model is still answering · F6 stops it; then F5 asks this question"
        c.engine.say(finish())
        await c.ended()
        assert len(c.engine.questions) == 1


# -- errors --


async def test_a_model_that_cannot_be_loaded_is_told_in_three_parts_and_tried_again() -> None:
    error = ModelError("the weights are corrupt", "/models/\x1b]52;c;x\x07[/]", "Download the model again")
    async with chat(ScriptedEngine([error])) as c:
        await c.pilot.press("f5")
        await c.until(lambda: c.trouble != "")
        await c.ended()
        assert c.trouble == "The weights are corrupt.\n/models/␛]52;c;x␇[/]\nDownload the model again."
        assert c.line == "Not asked · F5 tries again"
        await c.ask()
        assert c.trouble == ""
        c.engine.say(*response("better"), finish())
        await c.ended()
        assert c.shown("response") == "better"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (
            EngineError("the server died", "/run/engine.log", "Look at its log"),
            "The server died.\n/run/engine.log\nLook at its log.",
        ),
        ("broken", "The answer was cut off.\ndemo\nF5 tries again."),
        (
            RuntimeError("boo [/]"),
            "An unexpected error occurred (RuntimeError: boo [/]).\ndemo\nF5 tries again; please report this error.",
        ),
    ],
)
async def test_an_error_in_the_middle_keeps_what_came(item: EngineError, words: str) -> None:
    async with chat(ScriptedEngine()) as c:
        await c.ask()
        c.engine.say(*reasoning("half a tho"))
        await c.until(lambda: c.shown("reasoning") == "half a tho")
        c.engine.say(item)
        await c.ended()
        assert c.trouble == words
        assert c.shown("reasoning") == "half a tho"
        assert c.line == "The answer was cut off · F5 tries again"
        assert c.app.is_running


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("max_tokens", "0", "0 is not a whole number from 1 to 131,072.\nMax tokens"),
        ("max_tokens", "", "An empty field is not a whole number"),
        ("temperature", "-", "- is not a number from 0 to 10."),
    ],
)
async def test_a_number_that_will_not_do_is_named(field: str, value: str, words: str) -> None:
    async with chat(ScriptedEngine()) as c:
        c.room.query_one(f"#{field}", Input).value = value
        await c.pilot.press("f5")
        await c.pilot.pause()
        assert c.trouble.startswith(words)
        assert c.app.focused is c.room.query_one(f"#{field}")
        assert c.engine.ensured == []


async def test_nothing_to_ask() -> None:
    async with chat(ScriptedEngine(), session=Session(screen="chat")) as c:
        await c.pilot.press("f5")
        await c.pilot.pause()
        assert c.trouble.startswith("The instruction is empty.")


# -- foreign text --

HOSTILE = "\x1b]52;c;QUJD\x07 \x9b2J [/] [@click=app.quit]('x') [link](action:app.quit) <b>x</b> </think> \u202eabc\x00 ![i](file:///etc/passwd)"


@pytest.mark.parametrize("size", SIZES)
async def test_answers_never_reach_the_terminal_as_commands_or_actions(size: tuple[int, int]) -> None:
    async with chat(ScriptedEngine(), size) as c:
        await c.ask()
        for character in HOSTILE:  # piece by piece, so that no pattern is whole
            c.engine.say(*reasoning(character), *response(character))
        c.engine.say(*response("\n\n# [@click=app.quit]head\n\n- [/]\n\n```\n\x1b[31m\n```\n"), finish())
        await c.ended()
        for section in ("reasoning", "response"):
            panel = c.panel(section)
            segments = [segment for y in range(panel.size.height) for segment in panel.render_line(y)]
            assert all(
                not segment.style or (not segment.style.link and "@click" not in segment.style.meta)
                for segment in segments
            )
            assert "[link](action:app.quit)" in c.panel(section).text.replace("\n", " ")
        for strip in c.room._compositor.render_strips():
            text = "".join(segment.text for segment in strip)
            assert not any(
                ord(character) < 32 or 0x7F <= ord(character) < 0xA0 or character == "\u202e" for character in text
            )
            assert not any(segment.control for segment in strip)
        await c.pilot.click("#response", offset=(10, 2))
        assert c.app.is_running


async def test_what_is_pasted_is_made_safe_before_it_is_asked() -> None:
    async with chat(ScriptedEngine(), session=Session(screen="chat")) as c:
        area = c.room.query_one("#instruction", TextArea)
        c.app.post_message(events.Paste("one\r\x1b]52;c;x\x07two\tthree"))
        await c.pilot.pause()
        assert area.text == "one\n␛]52;c;x␇two\tthree"


# -- the question --


async def test_the_question_is_restored_and_remembered() -> None:
    async with chat(
        ScriptedEngine(), session=Session(screen="chat", instruction="富士山", input="more", template="alpaca")
    ) as c:
        assert [area.text for area in c.room.query(TextArea)] == ["富士山", "more"]
        await c.pilot.press("end", "!")
        await c.pilot.pause()
        await c.ask()
        assert (c.engine.questions[0].instruction, c.engine.questions[0].input, c.engine.questions[0].template) == (
            "富士山!",
            "more",
            "alpaca",
        )
        c.engine.say(finish())
        await c.ended()
    assert load_session().instruction == "富士山!"


async def test_a_row_fills_the_question() -> None:
    async with chat(ScriptedEngine()) as c:
        c.room.prefill("a\r\nb\x1b[2J", "in\tput")
        await c.pilot.pause()
        assert [area.text for area in c.room.query(TextArea)] == ["a\nb␛[2J", "in\tput"]
        assert c.app.session.input == "in\tput"


async def test_the_template_changes_what_is_asked() -> None:
    async with chat(ScriptedEngine(), (120, 40)) as c:
        await c.until(lambda: "chat-plain" in c.room._templates)
        await c.pilot.press(
            "f8", "f8", "f8", "f8", "f8"
        )  # past the versions per language and the model's own form, around to the first
        assert str(c.room.query_one("#how", Static).visual).startswith("alpaca   Asks base demo")
        assert c.shown("reasoning") == "This template does not ask for reasoning."
        await c.ask()
        c.engine.say(*response("plain"), finish())
        await c.ended()
        assert c.engine.questions[0].template == "alpaca"
        assert c.app.session.template == "alpaca"
        await c.pilot.press("f8")
        assert c.app.session.template == "alpaca-reasoning"


# -- whom to ask --


def finished_run(name: str, model: str = "demo", drop_empty_input: bool = False) -> RunFolder:
    prompt = PromptSection(drop_empty_input=drop_empty_input)
    run = create_run_folder(
        RunSpec(name=name, data=DataSection(source="demo"), model=ModelSection(name=model), prompt=prompt)
    )
    run.adapter.mkdir()
    for name in ADAPTER_NEEDED:
        (run.adapter / name).write_text("{}")
    return run


def older(run: RunFolder) -> RunFolder:
    path = Path(run.path.rename(run.path.with_name("2001" + run.id[4:])))
    return RunFolder(path)


async def test_one_key_asks_the_newest_tuned_model_and_goes_round() -> None:
    first, second = older(finished_run("first")), finished_run("second", drop_empty_input=True)
    finished_run("elsewhere", model="other")
    create_run_folder(RunSpec(name="unfinished", data=DataSection(source="demo"), model=ModelSection(name="demo")))
    async with chat(ScriptedEngine(), (120, 40)) as c:
        await c.until(lambda: "a tuned model is ready" in c.line)
        assert second.id in c.line
        await c.pilot.press("ctrl+o")
        assert c.app.session.adapter == second.id
        await c.ask()
        assert c.engine.ensured[-1] == ("demo", str(second.adapter))
        assert c.engine.questions[-1].tuned
        assert c.engine.questions[-1].drop_empty_input
        c.engine.say(finish())
        await c.ended()
        await c.pilot.press("ctrl+g")
        await c.ask()
        assert c.engine.ensured[-1] == ("demo", str(second.adapter))
        assert not c.engine.questions[-1].tuned
        c.engine.say(finish())
        await c.ended()
        await c.pilot.press("ctrl+o")
        assert c.app.session.adapter == first.id
        await c.pilot.press("ctrl+o")
        assert c.app.session.adapter == ""


async def test_a_tuned_model_is_asked_as_it_was_trained_also_with_a_template_of_ones_own() -> None:
    run = finished_run("own")
    mine = msgspec.structs.replace(TEXT_TEMPLATES["alpaca-reasoning-languages"], name="mine", drop_empty_input=True)
    save_template(mine, run.path / "templates")  # as training keeps it, whatever becomes of the person's file
    spec = run.spec()
    prompt = PromptSection(
        mixture=(MixturePart(template="alpaca", weight=0.2), MixturePart(template="mine", weight=0.8)),
        drop_empty_input=True,
    )
    changed = msgspec.structs.replace(spec, prompt=prompt)
    (run.path / "run.toml").write_bytes(dump_run_spec(changed))
    async with chat(ScriptedEngine(), (120, 40), Session(screen="chat", instruction="富士山は？")) as c:
        await c.until(lambda: "a tuned model is ready" in c.line)
        assert "mine" not in c.room._templates
        await c.pilot.press("ctrl+o")
        await c.until(
            lambda: "mine" in c.room._templates and str(c.room.query_one("#how", Static).visual).startswith("mine ")
        )
        await c.ask()
        question = c.engine.questions[-1]
        assert (question.template, question.language, question.drop_empty_input, question.data) == (
            "mine",
            "ja",
            True,
            "demo",
        )
        c.engine.say(finish())
        await c.ended()
        c.room.prefill("What?", "", "Chinese")  # a row's own language wins over its script
        await c.ask()
        assert c.engine.questions[-1].language == "Chinese"
        c.engine.say(finish())
        await c.ended()


async def test_a_run_that_is_gone_is_said_and_not_replaced_by_another() -> None:
    async with chat(ScriptedEngine(), session=Session(screen="chat", instruction="x", adapter="20010101-gone")) as c:
        await c.pilot.press("f5")
        await c.until(lambda: c.trouble != "")
        await c.ended()
        assert c.trouble.startswith("The run has no adapter for demo.\n20010101-gone")
        assert c.engine.ensured == []
        await c.pilot.press("ctrl+o")
        assert c.app.session.adapter == ""


async def test_without_a_tuned_model_the_key_says_where_one_is_made() -> None:
    async with chat(ScriptedEngine()) as c:
        await c.pilot.press("ctrl+o")
        await c.pilot.pause()
        assert [note.message for note in c.app._notifications] == [
            "There is no tuned model on demo yet. F3 opens Train."
        ]


async def test_a_huge_row_is_cut_and_said() -> None:
    async with chat(ScriptedEngine()) as c:
        c.room.prefill("富士山 " * 250_000, "")
        await c.pilot.pause()
        assert len(c.room.query_one("#instruction", TextArea).text) == 100_000
        assert [note.message for note in c.app._notifications] == [
            "The instruction is cut after 100,000 of 1,000,000 characters."
        ]


async def test_a_run_that_ends_while_the_chat_is_in_front_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "WORKING_PAUSE", 0.01)
    run = create_run_folder(RunSpec(data=DataSection(source="rows.jsonl"), model=ModelSection(name="demo")))
    run.write_status(RunStatus(state="training", pid=1, host="elsewhere", heartbeat=time.time()))
    async with chat(ScriptedEngine()) as c:
        assert "tuned" not in c.line
        run.adapter.mkdir(exist_ok=True)
        for name in ADAPTER_NEEDED:
            (run.adapter / name).write_text("{}")
        run.write_status(RunStatus(state="finished"))
        await c.until(lambda: run.id in c.line)
        await c.pilot.press("ctrl+o")
        await c.until(lambda: c.line == "F5 asks")


async def test_another_model_takes_the_trouble_with_the_last_one_away() -> None:
    async with chat(ScriptedEngine([ModelError("the weights are corrupt", "demo", "Download the model again")])) as c:
        await c.pilot.press("f5")
        await c.until(lambda: c.trouble != "" and not c.room._answering)
        c.app.post_to_rooms(lambda: ModelChosen("demo", ""))
        await c.until(lambda: c.trouble == "")


async def test_a_q_that_misses_its_field_does_not_leave() -> None:
    async with chat(ScriptedEngine()) as c:
        c.panel("response").focus()
        await c.pilot.press("q")
        await c.pilot.pause()
        assert c.app.is_running and not c.app._exit
        await c.pilot.press("q")
        await c.until(lambda: c.app._exit)


async def test_both_panels_stand_in_a_low_terminal() -> None:
    async with chat(ScriptedEngine(), (60, 15)) as c:
        assert c.panel("reasoning").region.height >= 2 and c.panel("response").region.height >= 2
        assert c.panel("response").region.bottom <= c.room.query_one("#finish").region.y
