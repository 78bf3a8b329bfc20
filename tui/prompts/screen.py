"""The Prompts room: one row as it is trained and asked, its text and its tokens; and templates being written.

The row is shown in the template that the mixture draws or in any other. `RowViewMaker` makes what is shown, in a
thread. Knows neither tokens nor files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static, TextArea

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from tui.actions import ACTIONS, Scope, key_bindings, key_of, room_name
from tui.common.message_line import MessageLine
from tui.common.room import Room
from tui.common.run_settings import session_spec
from tui.messages import DataFailed, DataOpened, DataOpening, ModelChosen
from tui.prompts.about_row import about_row
from tui.prompts.draft_actions import EDITING, DraftActions
from tui.prompts.problem_search import ProblemSearch
from tui.prompts.row_view_data import AS_DRAWN, VIEW_MODES, RowView, RowViewRequest
from tui.prompts.row_view_maker import RowViewMaker
from tui.prompts.row_view_worker import RowViewWorker
from tui.prompts.run_actions import RunActions
from tui.prompts.sheet import Sheet
from tui.prompts.sheet_lines import WordLines
from tui.prompts.template_area import TemplateArea
from tui.prompts.template_draft import TemplateDraft

if TYPE_CHECKING:
    from core.templates.template import Template
    from tui.prompts.template_catalog import TemplateCatalog

EDIT_PAUSE = 0.12  # seconds from the last key in the editor until the row is made again
WIDE = 100  # columns from which the editor is beside the row
_OWN_ACTIONS = frozenset(action.run.partition("(")[0] for action in ACTIONS if action.scope == "prompts")


class PromptsScreen(Room):
    """Its state is how to show the row, and the draft of a template."""

    SCOPE: ClassVar[Scope] = "prompts"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("prompts")
    CSS_PATH = "screen.tcss"
    AUTO_FOCUS = "#sheet"
    UNSAVED_WORDS: ClassVar[str] = (
        f"The template in the room {room_name('prompts')} ({key_of('app.prompts')}) is not saved:"
        f" {key_of('prompts.save_template')} saves it there;"
        " {key} again quits, and it waits there."
    )
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - Textual's own declaration is no ClassVar

    def __init__(self) -> None:
        super().__init__()
        self._maker = RowViewMaker()
        self._worker = RowViewWorker(self, self._maker, self._request, self._take_view)
        self._problems = ProblemSearch(self)
        self.draft = TemplateDraft()
        self._draft_actions = DraftActions(self)
        self._run_actions = RunActions(self)
        self._message_line = MessageLine(id="message", hides=True)
        self._view: RowView | None = None  # what is shown
        self._template = AS_DRAWN
        self._mode = VIEW_MODES[0]
        self._with_ids = False
        self._bad_files: tuple[str, ...] = ()  # template files that the user has been warned about
        self._edits = 0

    def compose_room(self) -> ComposeResult:
        yield Static(id="about")
        with Container(id="panes"):
            yield TemplateArea(id="editor")
            yield Sheet(id="sheet")
            yield Static(id="notice")
        yield self._message_line

    def on_mount(self) -> None:
        self._draft_actions.restore()
        self._show_row()

    @property
    def _sheet(self) -> Sheet:
        return self.query_one(Sheet)

    @property
    def editing(self) -> bool:
        return self.has_class(EDITING)

    @property
    def unsaved(self) -> bool:
        """Whether the draft is not saved in a file."""
        return self.draft.is_unsaved

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows only keys that work: in the editor, letters are text."""
        if action not in _OWN_ACTIONS:
            return True
        return not isinstance(self.focused, TemplateArea) or action in ("save", "back")

    # -- what the parts ask of the screen --

    @property
    def view(self) -> RowView | None:
        """What is shown; None while there is nothing."""
        return self._view

    @property
    def catalog(self) -> TemplateCatalog:
        """The templates there are."""
        return self._maker.catalog

    def template_to_save(self, view: RowView) -> Template | None:
        return self._maker.template_to_save(view)

    def read_in_thread(self, work: Callable[[], None]) -> None:
        self.run_worker(work, thread=True, exclusive=True, group="read", exit_on_error=False)

    def say(self, words: str) -> None:
        self._message_line.say(safe_line(words, 300))

    def show_again(self) -> None:
        """A setting of the run, a template or its text has changed."""
        if not self.draft.is_open:
            self._maker.forget_draft()
        self._problems.stop()
        self._worker.ask()

    def choose_template(self, name: str) -> None:
        self._template = name
        self._worker.ask()

    # -- what the app says --

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        self.catalog.forget_missing_model()
        self.catalog.forget_templates()
        self._show_row()

    @on(DataOpened)
    @on(ModelChosen)
    def _show_row(self) -> None:
        """Show the session's row, if there is one."""
        app = self.suiron
        if app.dataset is not None:
            self._show_notice(None)
            self._worker.ask()
        elif app.data_error is not None:
            self._show_error(app.data_error[1])
        else:
            self._show_notice(Content(f"Opening {safe_line(app.session.data)} …"))

    @on(DataOpening)
    def _opening(self, message: DataOpening) -> None:
        if self.suiron.dataset is None or message.share is None:
            self._problems.stop()
            self._show_notice(Content(f"Opening {safe_line(message.source)} …"))

    @on(DataFailed)
    def _data_failed(self, message: DataFailed) -> None:
        self._show_error(message.error)

    def _show_error(self, error: SuironError) -> None:
        hint = f"\n\n{key_of('app.data')} goes to Data."
        self._show_notice(Content.styled(safe_line(str(error), 600), "$error") + Content.styled(hint, "$text-muted"))

    def _show_notice(self, content: Content | None) -> None:
        """Show words in place of the sheet; None brings the sheet back."""
        notice = self.query_one("#notice", Static)
        notice.display, self._sheet.display = content is not None, content is None
        if content is not None:
            self._view = None
            self.query_one("#about", Static).update("")
            notice.update(content)

    # -- the row that is shown --

    def _request(self, step: int) -> RowViewRequest | None:
        app = self.suiron
        if app.dataset is None or not self._sheet.size.width or not self.is_current:
            return None
        spec, _ = session_spec(app.session)
        return RowViewRequest(
            app.dataset,
            app.session.filters,
            app.session.row,
            step,
            spec,
            self._template,
            self.draft.text,
            self._mode,
            self._with_ids,
            self._sheet.width,
        )

    def _take_view(self, request: RowViewRequest, view: RowView | SuironError) -> None:
        if request.dataset is not self.suiron.dataset:
            return
        if isinstance(view, RowView):
            self._show_view(view)
        else:
            self._show_error(view)

    def _show_view(self, view: RowView) -> None:
        before, self._view = self._view, view
        if view.row is not None:
            self.suiron.remember(row=view.row.index)
        self._tell_bad_files(view.bad_files)
        keys = ""
        if self.editing:
            save, leave = key_of("prompts.save_template"), key_of("prompts.go_back")
            keys = f"{save} saves it as your own, Tab goes to the row and back, {leave} leaves"
        about = about_row(view, max(10, self.app.size.width - 2), self.app.size.height, keys)
        self.query_one("#about", Static).update(Content("\n").join(about))
        is_same_row = before is not None and before.row == view.row and before.request.mode == view.request.mode
        changed = self._sheet.first_change(view.lines) if is_same_row and self.editing else None
        self._sheet.show_lines(view.lines, keep=is_same_row)
        if changed is not None:
            self._sheet.bring_into_sight(changed)
        if view.error is None and view.row is None:
            self._sheet.show_lines(WordLines("No row passes the filters of the data room.", self._sheet.width))

    def _tell_bad_files(self, bad_files: tuple[str, ...]) -> None:
        if bad_files == self._bad_files:
            return
        self._bad_files = bad_files
        if bad_files:
            words = "\n".join(safe_line(line, 200) for line in bad_files)
            self.notify(words, title="Templates that cannot be used", severity="warning", timeout=12, markup=False)

    @on(Sheet.Resized)
    def _resized(self) -> None:
        self._worker.ask()

    # -- moving --

    def action_row_by(self, rows: int) -> None:
        self._problems.stop()
        self._worker.ask(rows)

    def action_problem_by(self, step: int) -> None:
        if self._view is not None and self._view.row is not None:
            self._problems.start(self._maker, self._view, step)

    def show_problem(self, row_index: int) -> None:
        """Show the row that a search found."""
        self.suiron.remember(row=row_index)
        self._worker.ask()

    def action_lines_by(self, lines: int) -> None:
        self._sheet.lines_by(lines)

    def action_pages_by(self, pages: int) -> None:
        self._sheet.pages_by(pages)

    def action_to_end(self, side: int) -> None:
        self._sheet.to_end(side)

    # -- how it is shown --

    def action_next_view(self) -> None:
        self._mode = VIEW_MODES[(VIEW_MODES.index(self._mode) + 1) % len(VIEW_MODES)]
        self._worker.ask()

    def action_toggle_ids(self) -> None:
        if self._mode != "tokens":
            self._mode, self._with_ids = "tokens", True
        else:
            self._with_ids = not self._with_ids
        self._worker.ask()

    def action_next_template(self, by: int = 1) -> None:
        if self.draft.is_open:
            self._draft_actions.say_what_is_open()
            return
        names = [AS_DRAWN, *(self._view.names if self._view is not None else ())]
        current = names.index(self._template) if self._template in names else 0
        self._template = names[(current + by) % len(names)]
        self._worker.ask()

    # -- settings of the run --

    def action_next_loss(self) -> None:
        self._run_actions.next_loss()

    def action_next_too_long(self) -> None:
        self._run_actions.next_too_long()

    def action_mixture(self) -> None:
        self._run_actions.choose_mixture()

    def action_undo(self) -> None:
        self._run_actions.undo()

    def action_redo(self) -> None:
        self._run_actions.redo()

    # -- writing a template --

    def action_edit(self) -> None:
        if self.draft.is_open:
            self._draft_actions.open_editor()
        elif self._worker.is_settled(self.action_edit):
            template = self._view.template if self._view is not None else None
            listed = self.catalog.file_of(template.name if template is not None else self._template)
            if listed is not None:
                self._draft_actions.open_file(listed.path)

    @on(TextArea.Changed, "#editor")
    def _draft_changed(self) -> None:
        self._draft_actions.take_text()
        self._edits += 1
        self.set_timer(EDIT_PAUSE, partial(self._edit_rested, self._edits))

    def _edit_rested(self, edits: int) -> None:
        if edits == self._edits:
            self._draft_actions.keep_text()
            self._worker.ask()

    def action_save(self) -> None:
        self._draft_actions.save()

    async def action_back(self) -> None:
        """Leave the editor (unsaved text is kept, and dropped only when asked), the search or the template; then the
        room."""
        if self.draft.is_open:
            self._draft_actions.leave()
        elif self._problems.running:
            self._problems.stop()
        elif self._template != AS_DRAWN:
            self._template = AS_DRAWN
            self._worker.ask()
        else:
            await self.run_action("app.switch_mode('data')")
