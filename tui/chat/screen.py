"""The chat room: a question below, its reasoning and its response above, as they come. Knows how to ask an engine;
knows no model and no token.

The answer is read by a worker of this screen, which goes on while another room is in front.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

import msgspec
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Static, TextArea
from textual.worker import Worker

from core.base.errors import EngineError, RunError, SuironError
from core.base.languages import language_of
from core.base.safe_text import safe_line, safe_text
from core.engine.protocol import EngineStatus, Finish, Piece, Question
from core.runs.folder import list_runs
from core.runs.tuned_models import Tuned, templates_to_ask, tuned_models
from core.templates.by_name import TEMPLATES
from core.templates.template import Template
from tui.actions import Scope, bindings, key_of
from tui.chat.finish_line import FinishLine
from tui.chat.prompt_editor import PromptEditor
from tui.chat.stream_panel import StreamPanel
from tui.common.room import Room
from tui.common.run_settings import absolute
from tui.messages import ModelChosen

if TYPE_CHECKING:
    from core.engine.client import EngineClient
    from core.engine.protocol import Engine

FLUSH = 0.1  # seconds at least between two paints of what has arrived
LOOK_AGAIN = 3.0  # seconds between two looks whether a run that trains has ended
RUNS_WATCHED = 5
STOP = key_of("chat.stop_answer")
ASK = key_of("chat.ask_question")
IDLE = f"{ASK} asks"
NO_REASONING = "This template asks for no reasoning."
AGAIN = f"{ASK} tries again"


class ChatScreen(Room):
    """Asks, stops, changes the template and whom to ask; the keys stand in `tui.actions`."""

    SCOPE: ClassVar[Scope] = "chat"
    CSS_PATH = "screen.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("chat")
    AUTO_FOCUS = "#instruction"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - as the base class has it

    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-low"), (20, "-high")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._tuned: list[Tuned] = []
        self._templates: dict[str, Template] = dict(TEMPLATES)
        self._language = ("", "")  # an instruction that came from a row, and the row's language
        self._template_shown = ""  # of the answer in the panels
        self._beneath = False  # ask the base model although an adapter is chosen
        self._backend = ""
        self._answer: Worker[None] | None = None
        self._asked = False  # the question has left: from here on F6 is a request to the engine
        self._stopping = False
        self._pending: dict[str, list[str]] = {"reasoning": [], "response": []}
        self._flushed = 0.0
        self._flush_timer: Timer | None = None
        self._own_engine: EngineClient | None = None
        self._scanned = ""  # the model that `_tuned` belongs to
        self._look_again: Timer | None = None

    def compose_room(self) -> ComposeResult:
        with Container(id="answer"):
            yield Static(id="trouble")
            with Container(id="panels"):
                yield StreamPanel("Reasoning", id="reasoning")
                yield StreamPanel("Response", markdown=True, id="response")
        yield FinishLine(id="finish")
        yield PromptEditor()

    def on_mount(self) -> None:
        session = self.suiron.session
        self._editor.fill(session.instruction, session.input)
        self.query_one("#finish", FinishLine).show_state(IDLE)
        self._show_how()

    @on(events.ScreenResume)
    def _look_for_tuned(self) -> None:
        if self._look_again is not None:
            self._look_again.stop()
            self._look_again = None
        self.run_worker(self._scan(), exclusive=True, group="scan")

    async def on_unmount(self) -> None:
        if self._own_engine is not None:
            await self._own_engine.close()

    # -- the question --

    @property
    def _editor(self) -> PromptEditor:
        return self.query_one(PromptEditor)

    @property
    def _finish(self) -> FinishLine:
        return self.query_one("#finish", FinishLine)

    @property
    def _answering(self) -> bool:
        return self._answer is not None and not self._answer.is_finished

    def prefill(self, instruction: str, input: str, language: str = "") -> None:
        """Take over a row's question; an answer that runs goes on."""
        self._language = (instruction, language)
        changed = self._editor.fill(instruction, input)
        if changed:
            words = "; ".join(changed)
            self.notify(safe_line(f"{words[0].upper()}{words[1:]}."), severity="warning", markup=False)

    @on(TextArea.Changed)
    def _keep_question(self) -> None:
        self.suiron.remember(instruction=self._editor.instruction, input=self._editor.input)

    def action_next_template(self) -> None:
        names = list(self._templates)
        self.suiron.remember(template=names[(names.index(self._template) + 1) % len(names)])
        self._show_how()

    @property
    def _template(self) -> str:
        chosen = self.suiron.session.template
        return chosen if chosen in self._templates else next(iter(self._templates))

    # -- which model --

    @on(ModelChosen)
    def _model_chosen(self) -> None:
        self._beneath, self._backend = False, ""
        if not self._answering:
            self.query_one("#trouble").remove_class("-shown")  # it was told of another model
        self._show_how()
        self._offer_tuned()
        self._look_for_tuned()

    async def _scan(self) -> None:
        """Look which tuned models there are: a run may have ended. As long as one trains and this room is in front,
        look again and again."""
        model = self.suiron.session.model
        tuned, training = await asyncio.to_thread(_look_at_runs, model)
        await self._find_templates(tuned)
        new = [one.run for one in tuned if one not in self._tuned] if self._scanned == model else []
        self._tuned, self._scanned = tuned, model
        self._show_how()
        if not self._offer_tuned() and new:
            self._hint(f"A tuned model is ready: {key_of('chat.next_adapter')} asks {new[0]}")
        if training and self.is_current:
            self._look_again = self.set_timer(LOOK_AGAIN, self._look_for_tuned)

    async def _find_templates(self, tuned: list[Tuned]) -> None:
        session = self.suiron.session
        adapter = next((one.adapter for one in tuned if one.run == session.adapter), "")
        self._templates = await asyncio.to_thread(templates_to_ask, session.data, adapter)

    def _offer_tuned(self) -> bool:
        """Say in the finish line that there is a tuned model, as long as the line has nothing of an answer to tell;
        whether it was said."""
        if self._answering or not self._finish.words.startswith(IDLE):
            return False
        if not self._tuned or self.suiron.session.adapter:
            self._finish.show_state(IDLE)
            return False
        self._finish.show_state(IDLE, f"a tuned model is ready: {key_of('chat.next_adapter')} asks {self._tuned[0].run}")
        return True

    def action_next_adapter(self) -> None:
        """Base, the newest run, older ones, and round to base."""
        chosen = ["", *(tuned.run for tuned in self._tuned)]
        now = self.suiron.session.adapter
        adapter = chosen[(chosen.index(now) + 1) % len(chosen)] if now in chosen else ""
        if adapter == now:
            self._hint(f"There is no tuned model on {self.suiron.session.model} yet; {key_of('app.train')} trains one.")
            return
        self._beneath = False
        self.suiron.remember(adapter=adapter)
        trained_on = next((one.templates for one in self._tuned if one.run == adapter), ())
        if trained_on and self._template not in trained_on:
            self.suiron.remember(template=trained_on[0])
        self.suiron.tell(partial(ModelChosen, self.suiron.session.model, adapter))

    def action_toggle_base(self) -> None:
        """Ask the base model beneath the adapter, or the tuned one again; nothing is loaded anew."""
        if not self.suiron.session.adapter:
            self._hint(f"The base model is asked already; {key_of('chat.next_adapter')} chooses a tuned one.")
            return
        self._beneath = not self._beneath
        self._show_how()

    @property
    def _who(self) -> str:
        session = self.suiron.session
        if not session.adapter:
            return f"base {session.model}"
        return f"base {session.model}, beneath {session.adapter}" if self._beneath else f"tuned {session.adapter}"

    def _show_how(self) -> None:
        self._editor.show_how(self._template, self._who, self._backend)
        if not self._answering and not self._template_shown:
            self._make_room(self._template)
            self.query_one("#reasoning", StreamPanel).show_hint(
                "The reasoning arrives here." if self._reasons(self._template) else NO_REASONING
            )
            self.query_one("#response", StreamPanel).show_hint("The response arrives here.")

    def _make_room(self, template: str) -> None:
        """A narrow screen has no room for a panel that stays empty."""
        self.set_class(not self._reasons(template), "-no-reasoning")

    def _reasons(self, template: str) -> bool:
        return self._templates[template].has_reasoning if template in self._templates else True

    # -- the answer --

    def action_ask(self) -> None:
        if self._answering:
            self._finish.show_state("An answer is running", f"{STOP} stops it, then {ASK} asks this")
            return
        adapter = self.suiron.session.adapter
        try:
            question = self._editor.question(self._template, False, bool(adapter) and not self._beneath)
        except SuironError as error:
            self._show_trouble(error, "")
            return
        instruction, language = self._language
        language = language if language and instruction == question.instruction else language_of(question.instruction)
        template = self._templates.get(question.template)
        drop = template is not None and template.drop_empty_input
        question = msgspec.structs.replace(
            question, data=absolute(self.suiron.session.data), language=language, drop_empty_input=drop
        )
        self.query_one("#trouble").remove_class("-shown")
        for panel in self.query(StreamPanel):
            panel.begin()
            panel.show_hint(NO_REASONING if panel.id == "reasoning" and not self._reasons(question.template) else "")
        self._template_shown = question.template
        self._make_room(question.template)
        title = Content(f"Response · {safe_line(self._who, 60)}")
        if self.query_one("#response").border_title != title:  # setting it paints the whole panel
            self.query_one("#response").border_title = title
        self._asked = self._stopping = False
        self._finish.show_state("Asking the engine")
        self._answer = self.run_worker(self._ask(question, self.suiron.session.model, adapter), group="answer")
        self.refresh_bindings()

    async def _ask(self, question: Question, model: str, adapter: str) -> None:
        finish: Finish | None = None
        try:
            folder = ""
            if adapter:
                tuned = await self._find(model, adapter)
                folder, question = tuned.adapter, _as_trained(question, tuned)
            status = await self._engine.ensure(model, folder, self._on_status)
            self._backend = status.backend
            self._show_how()
            self._finish.show_state("The model reads the question")
            self._asked = True
            async with aclosing(cast("AsyncGenerator[Piece | Finish]", self._engine.ask(question))) as answer:
                async for event in answer:
                    if isinstance(event, Finish):
                        finish = event
                    else:
                        self._take(event)
            if finish is None:
                raise EngineError("the answer broke off", model, AGAIN)
        except SuironError as error:
            self._show_trouble(error, "The answer broke off" if self._asked else "Not asked")
        except Exception as error:  # whatever comes out of an engine, it is shown, and the app stays
            self.log.error(repr(error))
            shown = EngineError(
                f"something unforeseen happened ({type(error).__name__}: {error})",
                model,
                f"{AGAIN}; please report this one",
            )
            self._show_trouble(shown, "The answer broke off")
        except asyncio.CancelledError:
            if self.is_running:
                self._finish.show_state(
                    "Let go of the engine; what came stands here"
                    if self._asked
                    else "Not asked; the engine may go on loading"
                )
            raise
        finally:
            if self.is_running:
                self._end_answer(finish)

    def _end_answer(self, finish: Finish | None) -> None:
        self._flush()
        for panel in self.query(StreamPanel):
            panel.finish()
        if finish is not None:
            response = self.query_one("#response", StreamPanel)
            self._finish.show_finish(finish, bool(response.text.strip()))
            response.show_hint("No response came.")
            self.query_one("#reasoning", StreamPanel).show_hint(
                "No reasoning came." if self._reasons(self._template_shown) else NO_REASONING
            )
        self._answer = None
        self.refresh_bindings()

    async def _find(self, model: str, adapter: str) -> Tuned:
        self._tuned = await asyncio.to_thread(tuned_models, model)
        for tuned in self._tuned:
            if tuned.run == adapter:
                return tuned
        raise RunError(
            f"it has no adapter on {model}", adapter, f"{key_of('chat.next_adapter')} chooses the base model or another run"
        )

    @property
    def _engine(self) -> Engine:
        if self.suiron.engine is None:
            from core.engine.client import EngineClient

            self._own_engine = self.suiron.engine = EngineClient()
        return self.suiron.engine

    def _on_status(self, status: EngineStatus) -> None:
        if self._answering and not self._asked:
            self._finish.show_state(status.message or status.state)

    def _take(self, piece: Piece) -> None:
        """Keep a piece until the next paint, at most ten a second."""
        self._pending[piece.section].append(piece.text)
        if not self._stopping:
            self._finish.show_state(f"The {piece.section} arrives", f"{STOP} stops it")
        if self._flush_timer is None:
            wait = FLUSH - (time.monotonic() - self._flushed)
            if wait <= 0:
                self._flush()
            else:
                self._flush_timer = self.set_timer(wait, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.stop()
            self._flush_timer = None
        self._flushed = time.monotonic()
        for section, pieces in self._pending.items():
            if pieces:
                self.query_one(f"#{section}", StreamPanel).append("".join(pieces))
                pieces.clear()

    # -- stopping --

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Escape and F6 belong to whatever has the focus while nothing is to be stopped."""
        return None if action == "stop_answer" and not self._answering else True

    def action_stop_answer(self) -> None:
        """Ask the engine to stop. While it still loads, and on the second press, let go of it instead."""
        if self._answer is None:
            return
        if not self._asked or self._stopping:
            self._answer.cancel()
            return
        self._stopping = True
        self._finish.show_state("Stopping", f"{STOP} again lets go of the engine")
        self.run_worker(self._stop(), group="stop")

    async def _stop(self) -> None:
        try:
            await self._engine.stop()
        except SuironError as error:
            self._show_trouble(error, "Could not ask it to stop")

    # -- what is said --

    def _hint(self, words: str) -> None:
        """A word about a key. Not in the finish line: that one tells of the answer above it."""
        self.notify(safe_line(words), timeout=4, markup=False)

    def _show_trouble(self, error: SuironError, state: str) -> None:
        """Three parts: what happened, to which thing, what to do."""
        what = safe_text(error.what.strip())
        parts = [Content.styled(f"{what[:1].upper()}{what[1:]}.", "bold")]
        parts += [Content.styled(safe_line(error.where, 300), "$foreground")] if error.where else []
        parts += [Content.styled(safe_line(f"{error.do.strip().rstrip('.')}."), "$foreground")] if error.do else []
        trouble = self.query_one("#trouble", Static)
        trouble.update(Content("\n").join(parts))
        trouble.add_class("-shown")
        if state:
            self._finish.show_state(state, AGAIN)


def _look_at_runs(model: str) -> tuple[list[Tuned], bool]:
    """The tuned models on `model`, and whether one of the newest runs still trains. Reads the disk."""
    training = False
    for run in list_runs()[:RUNS_WATCHED]:
        with suppress(SuironError):  # a run that cannot be read is the train room's to tell of
            training = training or not run.status().ended
    return tuned_models(model), training


def _as_trained(question: Question, tuned: Tuned) -> Question:
    """The question, written the way the run's rows were."""
    return msgspec.structs.replace(question, drop_empty_input=tuned.drop_empty_input)
