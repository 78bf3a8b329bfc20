"""The Chat room: the question below, the answer above as it arrives.

Chooses the template and the model to ask, and asks an engine; knows no weights and no tokens. A worker of this screen
reads the answer; it continues while another room is in front.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import TextArea
from textual.worker import Worker

from core.base.errors import EngineError, RunError, SuironError
from core.base.safe_text import safe_line
from core.engine.protocol import AnswerEvent, AnswerFinish, AnswerPiece, ChatQuestion, EngineStatus
from core.engine.sentinel import LoopWarning, loop_words
from core.runs.tuned_models import TunedModel, askable_templates, list_tuned_models
from core.templates.by_name import TEXT_TEMPLATES
from core.templates.template import Template
from tui.actions import Scope, key_bindings, key_of
from tui.chat.answer_view import AnswerView
from tui.chat.engine_choice import EngineChoice, server_words
from tui.chat.finish_line import FinishLine
from tui.chat.prompt_editor import PromptEditor
from tui.chat.remedy import Remedy, remedy_for
from tui.chat.typed_ahead import TypedAhead
from tui.chat.whole_question import as_trained, whole_question, with_draft
from tui.common.room import Room
from tui.messages import ModelChosen, RunsChanged

if TYPE_CHECKING:
    from core.engine.protocol import Engine

STOP = key_of("chat.stop_answer")
ASK = key_of("chat.ask_question")
IDLE = f"{ASK} asks"
AGAIN = f"{ASK} tries again"


class ChatScreen(Room):
    """Asks and stops; chooses the template and the model. Its keys are in `tui.actions`."""

    SCOPE: ClassVar[Scope] = "chat"
    CSS_PATH = "screen.tcss"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("chat")
    AUTO_FOCUS = "#instruction"
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - as the base class has it

    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-low"), (20, "-high")]  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._tuned: list[TunedModel] = []
        self._templates: dict[str, Template] = dict(TEXT_TEMPLATES)
        self._language = ("", "")  # an instruction that came from a row, and the row's language
        self._without_adapter = False  # ask the base model although an adapter is chosen
        self._backend = ""
        self._answer: Worker[None] | None = None
        self._asked = False  # the question has been sent: from here on, stopping is a request to the engine
        self._stopping = False
        self._ready = ("", "")  # model and adapter after the last load
        self._remedy: Remedy = ""  # what would help against the trouble that is shown
        self._ahead = TypedAhead(self._typed_question, lambda: self._answers)
        self._loop: LoopWarning | None = None  # of the answer that arrives
        self._engines = EngineChoice()
        self._answers: Engine | None = None  # the engine of the last answer
        self._told: set[str] = set()  # what was said of a server already
        self._scanned = ""  # the model that `_tuned` belongs to

    def compose_room(self) -> ComposeResult:
        yield AnswerView()
        yield FinishLine(id="finish")
        yield PromptEditor()

    def on_mount(self) -> None:
        session = self.suiron.session
        self._editor.fill(session.instruction, session.input)
        self.query_one("#finish", FinishLine).show_state(IDLE)
        self._show_how()

    @on(events.ScreenResume)
    def _look_for_tuned(self) -> None:
        self._scan()

    def on_runs_changed(self, message: RunsChanged) -> None:
        if message.states and self.is_current:  # a run may have ended
            self._scan()

    async def on_unmount(self) -> None:
        await self._ahead.stop()
        await self._engines.close()

    @property
    def _view(self) -> AnswerView:
        return self.query_one(AnswerView)

    def _open_names(self) -> tuple[str, str]:
        model, data = super()._open_names()
        return server_words(self.suiron.session) or model, data

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
        """Replace the question by that of a row; an answer in progress continues."""
        self._language = (instruction, language)
        changed = self._editor.fill(instruction, input)
        if changed:
            words = "; ".join(changed)
            self.notify(safe_line(f"{words[0].upper()}{words[1:]}."), severity="warning", markup=False)

    @on(TextArea.Changed)
    def _keep_question(self) -> None:
        self.suiron.remember(instruction=self._editor.instruction, input=self._editor.input)
        if not self._answering and self._ready[0]:
            self._ahead.typed()

    def _typed_question(self) -> ChatQuestion | None:
        """What would be asked now; None while an answer runs, and where another model would be loaded for it."""
        session = self.suiron.session
        if self._answering or session.server or self._ready != (session.model, session.adapter):
            return None
        tuned = next((each for each in self._tuned if each.run == session.adapter), None)
        question = self._completed(self._editor.typed(self._template, self._asks_tuned))
        return question if tuned is None else as_trained(question, tuned)

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
        self._without_adapter, self._backend = False, ""
        if not self._answering:
            self._view.hide_trouble()  # it was about another model
        self._show_how()
        self._offer_tuned()
        self._look_for_tuned()

    @work(exclusive=True, group="scan")
    async def _scan(self) -> None:
        """Find the tuned models: a run may have ended. While one is training and this room is in front, repeat."""
        model = self.suiron.session.model
        tuned = await asyncio.to_thread(list_tuned_models, model)
        await self._find_templates(tuned)
        new = [each.run for each in tuned if each not in self._tuned] if self._scanned == model else []
        self._tuned, self._scanned = tuned, model
        self._show_how()
        if not self._offer_tuned() and new:
            self._hint(f"A tuned model is ready: {key_of('chat.next_adapter')} asks {new[0]}")

    async def _find_templates(self, tuned: list[TunedModel]) -> None:
        session = self.suiron.session
        adapter = next((each.adapter for each in tuned if each.run == session.adapter), "")
        self._templates = await asyncio.to_thread(askable_templates, session.data, adapter)

    def _offer_tuned(self) -> bool:
        """Say in the finish line that there is a tuned model, unless the line is about an answer. Returns whether it
        did."""
        if self._answering or not self._finish.words.startswith(IDLE):
            return False
        if not self._tuned or self.suiron.session.adapter or self.suiron.session.server:
            self._finish.show_state(IDLE)
            return False
        self._finish.show_state(
            IDLE, f"a tuned model is ready: {key_of('chat.next_adapter')} asks {self._tuned[0].run}"
        )
        return True

    def action_next_adapter(self) -> None:
        """The base model, the newest run, older ones, and the base model again."""
        if self._hint_of_server():
            return
        chosen = ["", *(tuned.run for tuned in self._tuned)]
        current = self.suiron.session.adapter
        adapter = chosen[(chosen.index(current) + 1) % len(chosen)] if current in chosen else ""
        if adapter == current:
            self._hint(
                f"There is no tuned model on {self.suiron.session.model} yet. {key_of('app.train')} opens Train."
            )
            return
        self._without_adapter = False
        self.suiron.remember(adapter=adapter)
        trained_on = next((each.templates for each in self._tuned if each.run == adapter), ())
        if trained_on and self._template not in trained_on:
            self.suiron.remember(template=trained_on[0])
        self.suiron.post_to_rooms(partial(ModelChosen, self.suiron.session.model, adapter))

    def action_toggle_base(self) -> None:
        """Ask the base model without the adapter, or the tuned one again; nothing is reloaded."""
        if self._hint_of_server():
            return
        if not self.suiron.session.adapter:
            self._hint(f"The base model is already in use; {key_of('chat.next_adapter')} chooses a tuned one.")
            return
        self._without_adapter = not self._without_adapter
        self._show_how()

    @property
    def _model_words(self) -> str:
        session = self.suiron.session
        if session.server:
            return server_words(session)
        if not session.adapter:
            return f"base {session.model}"
        if self._without_adapter:
            return f"base {session.model}, without {session.adapter}"
        return f"tuned {session.adapter}"

    def _show_how(self) -> None:
        self._editor.show_how(self._template, self._model_words, self._backend)
        if not self._answering:
            self._view.show_template(self._reasons(self._template))

    def _reasons(self, template: str) -> bool:
        return self._templates[template].has_reasoning if template in self._templates else True

    # -- the answer --

    def action_ask(self) -> None:
        self._begin_asking()

    def _begin_asking(self, *, take: bool = False) -> None:
        """Ask what is typed. take: for its model, those of other terminals may be unloaded."""
        if self._answering:
            self._finish.show_state("The model is still answering", f"{STOP} stops it; then {ASK} asks this question")
            return
        session = self.suiron.session
        model, adapter = (session.server_model, "") if session.server else (session.model, session.adapter)
        try:
            question = self._editor.question(self._template, False, self._asks_tuned)
        except SuironError as error:
            self._show_trouble(error, "")
            return
        question = self._completed(question)
        self._remedy = ""
        question = with_draft(question, self._view.response.text, self._view.reasoning.text)
        self._view.begin(self._reasons(question.template), self._model_words)
        self._asked = self._stopping = False
        self._loop = None
        self._finish.show_state("Contacting the engine")
        self._answer = self.run_worker(self._ask(question, model, adapter, take), group="answer")
        self.refresh_bindings()

    @property
    def _asks_tuned(self) -> bool:
        return bool(self.suiron.session.adapter) and not self._without_adapter

    def _completed(self, question: ChatQuestion) -> ChatQuestion:
        template = self._templates.get(question.template)
        return whole_question(question, self._language, self.suiron.session.data, template)

    async def _ask(self, question: ChatQuestion, model: str, adapter: str, take: bool) -> None:
        finish: AnswerFinish | None = None
        try:
            await self._ahead.stop()
            folder = ""
            if adapter:
                tuned = await self._find_adapter(model, adapter)
                folder, question = tuned.adapter, as_trained(question, tuned)
            engine = self._answers = self._engines.engine(self.suiron)
            status = await engine.ensure(model, folder, self._on_status, take=take)
            self._ready = (model, adapter)
            self._backend = status.backend
            if self.suiron.session.server:
                self._hint_once(status.backend)
            self._show_how()
            self._finish.show_state("The model is reading the question")
            self._asked = True
            async with aclosing(cast("AsyncGenerator[AnswerEvent]", engine.ask(question))) as answer:
                async for event in answer:
                    if isinstance(event, AnswerFinish):
                        finish = event
                    elif isinstance(event, LoopWarning):
                        self._loop = event
                    else:
                        self._take(event)
            if finish is None:
                raise EngineError("the answer was cut off", model, AGAIN)
        except SuironError as error:
            self._show_trouble(error, "The answer was cut off" if self._asked else "Not asked")
        except Exception as error:  # whatever an engine raises is shown, and the app keeps running
            self.log.error(repr(error))
            shown = EngineError(
                f"an unexpected error occurred ({type(error).__name__}: {error})",
                model,
                f"{AGAIN}; please report this error",
            )
            self._show_trouble(shown, "The answer was cut off")
        except asyncio.CancelledError:
            if self.is_running:
                waited_words = "Stopped waiting. The partial answer is kept above."
                loading_words = "Not asked. The engine may continue loading."
                self._finish.show_state(waited_words if self._asked else loading_words)
            raise
        finally:
            if self.is_running:
                self._end_answer(finish)

    def _end_answer(self, finish: AnswerFinish | None) -> None:
        self._view.end(finish is not None)
        if finish is not None:
            self._finish.show_finish(finish, self._view.has_response)
            if finish.path.startswith("at "):
                self._hint_once(finish.path_why)
        self._answer = None
        self.refresh_bindings()

    async def _find_adapter(self, model: str, adapter: str) -> TunedModel:
        self._tuned = await asyncio.to_thread(list_tuned_models, model)
        for tuned in self._tuned:
            if tuned.run == adapter:
                return tuned
        raise RunError(
            f"the run has no adapter for {model}",
            adapter,
            f"{key_of('chat.next_adapter')} chooses the base model or another run",
        )

    def _on_status(self, status: EngineStatus) -> None:
        if self._answering and not self._asked:
            self._finish.show_state(status.message or status.state)

    def _take(self, piece: AnswerPiece) -> None:
        self._view.take(piece)
        if not self._stopping:
            state = f"The {piece.section} is arriving"
            if self._loop is not None:
                state = f"The {piece.section} goes round in a loop, {loop_words(self._loop)}"
            self._finish.show_state(state, f"{STOP} stops it")

    # -- stopping --

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While there is no answer to stop, its keys belong to the focused widget."""
        if action == "free_engine" and (self._answering or not self._remedy):
            return None
        return None if action == "stop_answer" and not self._answering else True

    def action_stop_answer(self) -> None:
        """Ask the engine to stop. While it is still loading, and at the second press, stop waiting for it."""
        if self._answer is None:
            return
        if not self._asked or self._stopping:
            self._answer.cancel()
            return
        self._stopping = True
        self._finish.show_state("Stopping", f"{STOP} again stops waiting for the engine")
        self.run_worker(self._stop(), group="stop")

    def action_free_engine(self) -> None:
        """End an engine that hangs, or take the place of others' models; then ask again."""
        remedy, self._remedy = self._remedy, ""
        if remedy:
            self.run_worker(self._free(remedy), group="free", exclusive=True)

    async def _free(self, remedy: Remedy) -> None:
        if remedy == "end":
            self._finish.show_state("Ending the engine")
            try:
                await self._engines.engine(self.suiron).shutdown()
            except SuironError as error:
                self._show_trouble(error, "The engine could not be ended")
                return
        self._begin_asking(take=remedy == "take")

    async def _stop(self) -> None:
        try:
            if self._answers is not None:
                await self._answers.stop()
        except SuironError as error:
            self._show_trouble(error, "The answer could not be stopped")

    # -- messages --

    def _hint_once(self, words: str) -> None:
        """Say what a server cannot do, or did in another way."""
        if words and words not in self._told:
            self._told.add(words)
            self._hint(f"{words[:1].upper()}{words[1:]}.")

    def _hint_of_server(self) -> bool:
        """Answer a key that chooses among models of this machine while a server answers. Returns whether one does."""
        words = server_words(self.suiron.session)
        if words:
            self._hint(f"{words} answers. {key_of('app.model')} chooses a model of this machine.")
        return bool(words)

    def _hint(self, words: str) -> None:
        """Answer a key with a notification. The finish line is for the answer above it."""
        self.notify(safe_line(words), timeout=4, markup=False)

    def _show_trouble(self, error: SuironError, state: str) -> None:
        """Show an error in place of the answer, and its effect in the finish line. state: empty leaves the line."""
        self._remedy, error = remedy_for(error)
        self._view.show_trouble(error)
        if state:
            self._finish.show_state(state, AGAIN)
