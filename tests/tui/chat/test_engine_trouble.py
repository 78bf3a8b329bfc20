"""An engine that hangs or was killed, a model that another terminal holds: one key each, and texts stay."""

from __future__ import annotations

import pytest

from core.base.errors import EngineError
from core.engine.protocol import EngineHangs, ModelHeld
from core.session import Session
from tests.support.scripted_engine import ScriptedEngine, finish, reasoning, response
from tests.tui.chat.test_chat_screen import QUESTION, Chat, chat
from tui.chat import typed_ahead

HANGS = EngineHangs("the inference server (process 7) hangs: it does not answer", "engine.log", "End it by a command")
HELD = ModelHeld("there is no room: another terminal (process 9) holds x", "demo", "Take it by a command")


async def over(c: Chat) -> None:
    await c.until(lambda: not c.room._answering)


LONG = Session(screen="chat", instruction="How high is 立山, and what can be seen from there? " * 8)


async def test_an_engine_that_hangs_is_ended_by_a_key_and_asked_again() -> None:
    async with chat(ScriptedEngine([HANGS])) as c:
        await c.pilot.press("f5")
        await c.until(lambda: "hangs" in c.trouble)
        await over(c)
        assert "^f ends it and asks again" in c.trouble
        await c.pilot.press("ctrl+f")
        await c.until(lambda: len(c.engine.questions) == 1)
        assert c.engine.ends == 1
        assert c.engine.questions[0].instruction == QUESTION.instruction
        c.engine.say(*response("It is awake."), finish())
        await over(c)
        await c.until(lambda: c.shown("response") == "It is awake.")
        assert c.trouble == ""


async def test_an_engine_that_hangs_in_the_middle_keeps_what_came() -> None:
    async with chat(ScriptedEngine()) as c:
        await c.ask()
        c.engine.say(*reasoning("half a tho"), HANGS)
        await over(c)
        await c.until(lambda: c.shown("reasoning") == "half a tho")
        await c.pilot.press("ctrl+f")
        await c.until(lambda: len(c.engine.questions) == 2)
        c.engine.say(finish())
        await over(c)


async def test_an_engine_that_cannot_be_ended_is_said() -> None:
    class Stuck(ScriptedEngine):
        async def shutdown(self) -> None:
            raise EngineError("it does not end, even killed", "engine.log", "Restart this machine")

    async with chat(Stuck([HANGS])) as c:
        await c.pilot.press("f5")
        await c.until(lambda: "hangs" in c.trouble)
        await over(c)
        await c.pilot.press("ctrl+f")
        await c.until(lambda: "even killed" in c.trouble)
        assert c.engine.questions == []


async def test_a_model_that_another_terminal_holds_can_be_taken() -> None:
    async with chat(ScriptedEngine([HELD])) as c:
        await c.pilot.press("f5")
        await c.until(lambda: "process 9" in c.trouble)
        await over(c)
        assert "^f takes its place" in c.trouble
        await c.pilot.press("ctrl+f")
        await c.until(lambda: len(c.engine.questions) == 1)
        assert c.engine.takes == [False, True]
        assert c.engine.ends == 0
        c.engine.say(finish())
        await over(c)
        await c.ask()
        assert c.engine.takes[-1] is False, "only once"


async def test_without_such_trouble_the_key_does_nothing() -> None:
    async with chat(ScriptedEngine([EngineError("the disk is full", "x", "Free some space")])) as c:
        await c.pilot.press("ctrl+f")
        await c.pilot.press("f5")
        await c.until(lambda: "disk is full" in c.trouble)
        await over(c)
        await c.pilot.press("ctrl+f")
        await c.pilot.pause()
        assert (c.engine.ends, c.engine.questions, len(c.engine.ensured)) == (0, [], 1)


async def test_a_killed_engine_is_said_and_started_again_and_every_text_stays() -> None:
    killed = EngineError("the inference server ended in the middle of the answer", "engine.log", "Ask again")
    async with chat(ScriptedEngine()) as c:
        await c.ask()
        c.engine.say(*reasoning("half a tho"), killed)
        await over(c)
        assert "ended in the middle" in c.trouble
        await c.until(lambda: c.shown("reasoning") == "half a tho")
        assert c.room._editor.instruction == QUESTION.instruction
        await c.ask()
        assert len(c.engine.ensured) == 2, "which starts a new one"
        c.engine.say(*response("back"), finish())
        await over(c)
        await c.until(lambda: c.shown("response") == "back")


# -- while the user types --


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_ahead, "PAUSE", 0.0)


async def answered(c: Chat) -> None:
    await c.ask()
    c.engine.say(finish())
    await over(c)


async def test_what_is_typed_is_read_ahead_by_an_engine_that_is_ready(at_once: None) -> None:
    async with chat(ScriptedEngine(), session=LONG) as c:
        await c.pilot.press("x")
        await c.pilot.pause()
        assert c.engine.questions == [], "no model is loaded by typing"
        await answered(c)
        await c.pilot.press("y")
        await c.until(lambda: len(c.engine.questions) == 2)
        ahead = c.engine.questions[1]
        assert ahead.max_tokens == 0
        assert ahead.instruction == c.room._editor.instruction
        asked = c.engine.questions[0]
        assert (ahead.template, ahead.tuned, ahead.data) == (asked.template, asked.tuned, asked.data)
        await c.pilot.press("z")  # what was sent of the older text ends
        await c.until(lambda: len(c.engine.questions) == 3 and c.engine.open == 1)
        assert c.engine.questions[2].instruction == c.room._editor.instruction
        await c.ask()  # it waits for nothing
        assert c.engine.questions[3].max_tokens > 0
        assert c.engine.open == 1
        c.engine.say(*response("there"), finish())
        await over(c)
        await c.until(lambda: c.shown("response") == "there")


async def test_what_goes_wrong_with_it_is_not_worth_a_word(at_once: None) -> None:
    async with chat(ScriptedEngine(), session=LONG) as c:
        await answered(c)
        line = c.line
        c.engine.say(EngineError("the inference server has ended", "x", "y"))
        await c.pilot.press("y")
        await c.until(lambda: len(c.engine.questions) == 2 and c.engine.open == 0)
        assert (c.line, c.trouble) == (line, "")


async def test_a_short_question_is_not_sent(at_once: None) -> None:
    async with chat(ScriptedEngine()) as c:
        await answered(c)
        await c.pilot.press("y")
        task = c.room._ahead._task
        assert task is not None
        await c.until(task.done)
        assert len(c.engine.questions) == 1
