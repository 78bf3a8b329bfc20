"""The prompts room: one row as it is trained and asked, in the mixture's template or any other, its text and its
tokens; and templates being written.

What is shown is made in a thread by the desk; of what was asked for meanwhile the last is made next. Knows no tokens
and no files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static, TextArea

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from core.runs.prompt_texts import LOSS, LOSSES, TOO_LONG, TOO_LONGS, loss_text
from tui.actions import ACTIONS, Scope, bindings, key_of, room_name
from tui.common.readable_error import readable
from tui.common.room import Room
from tui.common.run_settings import session_spec, with_settings
from tui.messages import DataFailed, DataOpened, DataOpening, ModelChosen
from tui.prompts.about_row import about_words
from tui.prompts.problem_search import ProblemSearch
from tui.prompts.row_view import AS_DRAWN, VIEWS, Desk, Laid, Request
from tui.prompts.sheet import Sheet
from tui.prompts.sheet_lines import WordLines
from tui.prompts.template_area import TemplateArea, editable

EDIT_PAUSE = 0.12  # seconds after the last key in the editor until the row is made anew
_OWN = frozenset(action.run.partition("(")[0] for action in ACTIONS if action.scope == "prompts")
WIDE = 100  # columns from which the editor stands beside the row


class PromptsScreen(Room):
    """`_template` is the one chosen, AS_DRAWN for the mixture's; `_draft` the text in the editor, None while none was
    begun."""

    SCOPE: ClassVar[Scope] = "prompts"
    BINDINGS: ClassVar[list[BindingType]] = list(bindings("prompts"))
    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = "#sheet"
    UNSAVED_WORDS: ClassVar[str] = (
        f"The template in the room {room_name('prompts')} ({key_of('app.prompts')}) is not saved: {key_of('prompts.save')} saves it there;"
        " {key} again leaves without it."
    )
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - Textual's own declaration is no ClassVar

    def __init__(self) -> None:
        super().__init__()
        self._desk = Desk()
        self._laid: Laid | None = None
        self._template = AS_DRAWN
        self._view = VIEWS[0]
        self._ids = False
        self._draft: str | None = None
        self._draft_of = ("", "")  # the template's name and its text before it was changed
        self._step = 0  # rows to go on, since the last request was sent
        self._busy = self._again = False
        self._then: Callable[[], None] | None = None
        self._bad: tuple[str, ...] = ()  # template files that were told to be bad
        self._typed = 0
        self._problems = ProblemSearch(self)

    def compose_room(self) -> ComposeResult:
        yield Static(id="about")
        with Container(id="desk"):
            yield TemplateArea(id="editor")
            yield Sheet(id="sheet")
            yield Static(id="notice")

    def on_mount(self) -> None:
        self._look()

    @property
    def _sheet(self) -> Sheet:
        return self.query_one(Sheet)

    @property
    def editing(self) -> bool:
        return self.has_class("-editing")

    @property
    def unsaved(self) -> bool:
        """Whether there is a text that no file holds."""
        return self._draft is not None and self._draft != self._draft_of[1]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The line of keys shows what can be reached: in the editor letters are text."""
        focused = self.focused
        return not (isinstance(focused, TemplateArea) and action not in ("save", "back")) if action in _OWN else True

    # -- what the app says --

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        self._desk.forget_model()
        self._desk.forget_templates()
        self._look()

    @on(DataOpened)
    @on(ModelChosen)
    def _look(self) -> None:
        """Show the row as things stand now, where there is one."""
        app = self.suiron
        if app.dataset is not None:
            self._notice(None)
            self._ask()
        elif app.data_error is not None:
            self._failed(app.data_error[1])
        else:
            self._notice(Content(f"Opening {safe_line(app.session.data)} …"))

    @on(DataOpening)
    def _opening(self, message: DataOpening) -> None:
        if self.suiron.dataset is None or message.share is None:
            self._problems.stop()
            self._notice(Content(f"Opening {safe_line(message.source)} …"))

    @on(DataFailed)
    def _data_failed(self, message: DataFailed) -> None:
        self._failed(message.error)

    def _failed(self, error: SuironError) -> None:
        self._notice(
            Content.styled(safe_line(str(error), 600), "$error")
            + Content.styled(f"\n\n{key_of('app.data')} goes to the data.", "$text-muted")
        )

    def _notice(self, content: Content | None) -> None:
        """Words in the sheet's place; None brings it back."""
        notice = self.query_one("#notice", Static)
        notice.display, self._sheet.display = content is not None, content is None
        if content is not None:
            self._laid = None
            self.query_one("#about", Static).update("")
            notice.update(content)

    # -- one job at a time --

    def _ask(self, step: int = 0) -> None:
        self._step += step
        if self._busy:
            self._again = True
            return
        app = self.suiron
        if app.dataset is None or not self._sheet.size.width or not self.is_current:
            return
        spec, _ = session_spec(app.session)
        request = Request(
            app.dataset,
            app.session.filters,
            app.session.row,
            self._step,
            spec,
            self._template,
            self._draft,
            self._view,
            self._ids,
            self._sheet.width,
        )
        self._step, self._busy, self._again = 0, True, False
        self.run_worker(partial(self._lay_in_thread, request), thread=True, group="lay", exit_on_error=False)

    def _lay_in_thread(self, request: Request) -> None:
        try:
            laid: Laid | SuironError = self._desk.lay(request)
        except Exception as error:  # whatever a row, a template or a source does, it is shown, and the app stays
            laid = readable(error, request.dataset.name)
        self.app.call_from_thread(self._answered, request, laid)

    def _answered(self, request: Request, laid: Laid | SuironError) -> None:
        self._busy = False
        if request.dataset is self.suiron.dataset:
            if isinstance(laid, Laid):
                self._show(laid)
            else:
                self._failed(laid)
        if self._again:
            self._ask()
        elif self._then is not None:
            then, self._then = self._then, None
            then()

    def _settled(self, then: Callable[[], None]) -> bool:
        """Whether what is shown is what was asked for last; if not, `then` is called when it is."""
        self._then = then if self._busy else None
        return not self._busy

    def _show(self, laid: Laid) -> None:
        before, self._laid = self._laid, laid
        if laid.row is not None:
            self.suiron.remember(row=laid.row.index)
        same = before is not None and before.row == laid.row and before.request.view == laid.request.view
        keys = (
            f"{key_of('prompts.save')} saves it as your own, Tab goes to the row and back, Esc leaves"
            if self.editing
            else ""
        )
        if laid.bad != self._bad:
            self._bad = laid.bad
            if laid.bad:
                told = "\n".join(safe_line(line, 200) for line in laid.bad)
                self.notify(told, title="Templates left out", severity="warning", timeout=12, markup=False)
        words = about_words(laid, max(10, self.app.size.width - 2), keys)
        self.query_one("#about", Static).update(Content("\n").join(words))
        changed = self._sheet.first_change(laid.lines) if same and self.editing else None
        self._sheet.show(laid.lines, keep=same)
        if changed is not None:
            self._sheet.bring_into_sight(changed)
        if laid.error is None and laid.row is None:
            self._sheet.show(WordLines("No row passes the filters of the data room.", self._sheet.width))

    @on(Sheet.Resized)
    def _resized(self) -> None:
        self._ask()

    # -- rows --

    def action_row_by(self, rows: int) -> None:
        self._problems.stop()
        self._ask(rows)

    def action_problem_by(self, step: int) -> None:
        if self._laid is None or self._laid.row is None:
            return
        self._problems.start(self._desk, self._laid, step)

    def problem_found(self, index: int) -> None:
        self.suiron.remember(row=index)
        self._ask()

    def tell(self, words: str) -> None:
        self.notify(safe_line(words, 300), markup=False, timeout=4)

    def action_lines_by(self, lines: int) -> None:
        self._sheet.lines_by(lines)

    def action_pages_by(self, pages: int) -> None:
        self._sheet.pages_by(pages)

    def action_to_end(self, side: int) -> None:
        self._sheet.to_end(side)

    # -- how it is shown --

    def action_next_view(self) -> None:
        self._view = VIEWS[(VIEWS.index(self._view) + 1) % len(VIEWS)]
        self._ask()

    def action_toggle_ids(self) -> None:
        if self._view != "tokens":
            self._view, self._ids = "tokens", True
        else:
            self._ids = not self._ids
        self._ask()

    def action_next_template(self, by: int = 1) -> None:
        if self._draft is not None:
            self.tell(f"A template is being written: {key_of('prompts.save')} saves it, Esc in the editor leaves it.")
            return
        names = [AS_DRAWN, *(self._laid.names if self._laid is not None else ())]
        here = names.index(self._template) if self._template in names else 0
        self._template = names[(here + by) % len(names)]
        self._ask()

    # -- settings of the run --

    def _set(self, **texts: str) -> None:
        session = self.suiron.session
        self.suiron.remember(train=with_settings(session, texts))
        self._problems.stop()
        self._ask()

    def action_next_loss(self) -> None:
        spec, _ = session_spec(self.suiron.session)
        now = loss_text(spec.prompt.loss_on)
        following = LOSSES[(LOSSES.index(now) + 1) % len(LOSSES)] if now in LOSSES else LOSSES[0]
        self._set(**{LOSS: following})

    def action_next_too_long(self) -> None:
        spec, _ = session_spec(self.suiron.session)
        self._set(**{TOO_LONG: TOO_LONGS[(TOO_LONGS.index(spec.prompt.too_long) + 1) % len(TOO_LONGS)]})

    def action_mixture(self) -> None:
        from tui.prompts.dialogs.mixture import MixtureDialog

        if self._laid is None:
            return
        spec, _ = session_spec(self.suiron.session)
        templates = [
            (name, found.template.words)
            for name in self._laid.names
            if (found := self._desk.named(name)) and found.template
        ]
        self.app.push_screen(
            MixtureDialog(spec, templates, self.suiron.dataset, self._desk.template), self._mixture_chosen
        )

    def _mixture_chosen(self, texts: dict[str, str] | None) -> None:
        if texts:
            self._set(**texts)

    # -- writing a template --

    def action_edit(self) -> None:
        if self.editing:
            self.set_focus(self.query_one(TemplateArea))
            return
        if self._draft is not None:
            self._open_editor()
            return
        if not self._settled(self.action_edit):
            return
        name = (
            self._laid.template.name if self._laid is not None and self._laid.template is not None else self._template
        )
        listed = self._desk.named(name)
        if listed is not None:
            self.run_worker(
                partial(self._read_in_thread, name, listed.path),
                thread=True,
                exclusive=True,
                group="read",
                exit_on_error=False,
            )

    def _read_in_thread(self, name: str, path: Path) -> None:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            self.app.call_from_thread(self.tell, str(readable(error, str(path))))
        else:
            self.app.call_from_thread(self._begin_draft, name, editable(text))

    def _begin_draft(self, name: str, text: str) -> None:
        self._draft, self._draft_of = text, (name, text)
        area = self.query_one(TemplateArea)
        with area.prevent(TextArea.Changed):
            area.load_text(text)
        self._open_editor()

    def _open_editor(self) -> None:
        self.add_class("-editing")
        self.set_focus(self.query_one(TemplateArea))
        self._ask()

    @on(TextArea.Changed, "#editor")
    def _edited(self) -> None:
        self._draft = self.query_one(TemplateArea).text
        self._typed += 1
        self.set_timer(EDIT_PAUSE, partial(self._edit_rested, self._typed))

    def _edit_rested(self, typed: int) -> None:
        if typed == self._typed:
            self._ask()

    def action_save(self) -> None:
        """The draft, or a copy of the template that is shown."""
        from core.templates.by_name import beside
        from tui.prompts.dialogs.save_template import SaveTemplateDialog

        laid = self._laid
        if laid is None:
            return
        if laid.request.draft != self._draft or laid.trouble is not None:
            self.tell(
                "Not saved: what stands in the editor is no template yet."
                if laid.trouble is not None
                else "One moment: the text is being read."
            )
            return
        template = self._desk.template_to_save(laid)
        if template is None:
            self.tell("There is no template to save.")
            return
        self.app.push_screen(SaveTemplateDialog(template, beside(laid.request.spec.data.source)), self._saved)

    def _saved(self, saved: tuple[str, Path] | None) -> None:
        if saved is None:
            return
        name, path = saved
        self._drop_draft()
        self._template = name
        self._desk.forget_templates()
        self.tell(f"Saved: {path}. {key_of('prompts.mixture')} gives it a weight in the mixture.")
        self._ask()

    def _drop_draft(self) -> None:
        self._draft, self._draft_of = None, ("", "")
        self._desk.forget_draft()
        self.remove_class("-editing")
        self.set_focus(self._sheet)

    async def action_back(self) -> None:
        """Out of the editor (with what is unsaved kept, until Esc again), a search, a choice; then to the data."""
        if self.editing and self.unsaved:
            self.remove_class("-editing")
            self.set_focus(self._sheet)
            self.tell(
                f"Not saved yet: {key_of('prompts.save')} saves it, {key_of('prompts.edit')} goes on writing, Esc drops it."
            )
        elif self._draft is not None:
            self._drop_draft()
            self._ask()
        elif self._problems.running:
            self._problems.stop()
        elif self._template != AS_DRAWN:
            self._template = AS_DRAWN
            self._ask()
        else:
            await self.run_action("app.switch_mode('data')")
