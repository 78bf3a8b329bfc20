"""Writing a template in the Prompts room: opening it, keeping its text, saving it. No key drops text unasked."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.widgets import TextArea

from tui.actions import key_of
from tui.common.readable_error import readable_error
from tui.common.run_settings import session_spec
from tui.common.safe_editing import editor_text
from tui.prompts.template_area import TemplateArea

if TYPE_CHECKING:
    from core.templates.template import Template
    from tui.prompts.room_interface import PromptsRoom
    from tui.prompts.row_view_data import RowView

EDITING = "-editing"  # class of the screen while the editor is beside the row


class DraftActions:
    """The text is the draft's; the editor shows it. The session keeps it, in case Suiron ends before it is saved."""

    def __init__(self, room: PromptsRoom) -> None:
        self._room = room

    def restore(self) -> None:
        """Take up the text that was being written when Suiron ended."""
        text = self._room.suiron.session.template_draft
        if text:
            self._room.draft.restore(text)
            self._load(text)
            self._room.say(f"The template you were writing is here as it was: {_ways()}")

    def open_file(self, path: Path) -> None:
        """Begin with the text of a template's file, read in a thread."""
        self._room.read_in_thread(partial(self._read_in_thread, path))

    def _read_in_thread(self, path: Path) -> None:
        call_in_app = self._room.app.call_from_thread
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            call_in_app(self._room.say, str(readable_error(error, str(path))))
        else:
            call_in_app(self._begin, editor_text(text))

    def _begin(self, text: str) -> None:
        if not self._room.draft.is_open:  # else another file was read meanwhile, and perhaps changed
            self._room.draft.begin(text)
            self._load(text)
        self.open_editor()

    def _load(self, text: str) -> None:
        area = self._room.query_one(TemplateArea)
        with area.prevent(TextArea.Changed):
            area.load_text(text)

    def open_editor(self) -> None:
        self._room.add_class(EDITING)
        self._room.set_focus(self._room.query_one(TemplateArea))
        self._room.show_again()

    def close_editor(self) -> None:
        from tui.prompts.sheet import Sheet

        self._room.remove_class(EDITING)
        self._room.set_focus(self._room.query_one(Sheet))

    def take_text(self) -> None:
        """Take over what was typed in the editor."""
        self._room.draft.text = self._room.query_one(TemplateArea).text

    def keep_text(self) -> None:
        """Let the session keep what was typed."""
        draft = self._room.draft
        self._room.suiron.remember(template_draft=draft.text if draft.is_unsaved else "")

    def say_what_is_open(self) -> None:
        """Another template was asked for."""
        self._room.say(f"The template stays while one is being written: {_ways()}")

    def leave(self) -> None:
        """Close the editor and keep an unsaved text; where the editor is closed, ask before the text is dropped."""
        draft = self._room.draft
        if not draft.is_unsaved:
            self.drop()
            self._room.show_again()
        elif self._room.query_one(TemplateArea).display:
            self.close_editor()
            self._room.show_again()
            self._room.say(f"Not saved yet: {_ways()}")
        else:
            from tui.prompts.dialogs.unsaved_draft import UnsavedDraftDialog

            self._room.app.push_screen(UnsavedDraftDialog(), self._take_answer)

    def _take_answer(self, answer: str | None) -> None:
        if answer == "discard":
            self.drop()
            self._room.say("The text was discarded.")
            self._room.show_again()
        elif answer == "save":
            self.save()

    def drop(self) -> None:
        """Forget the text."""
        self._room.draft.drop()
        self._room.suiron.remember(template_draft="")
        self.close_editor()

    def save(self) -> None:
        """Save the draft, or a copy of the template that is shown."""
        room, view = self._room, self._room.view
        if view is None:
            return
        if view.draft_error is not None:
            room.say("Not saved: the text in the editor is not a valid template yet.")
        elif view.request.draft != room.draft.text:
            room.say("The text is still being read. Save again in a moment.")
        elif (template := room.template_to_save(view)) is None:
            room.say("There is no template to save.")
        else:
            self._ask_name(view, template)

    def _ask_name(self, view: RowView, template: Template) -> None:
        from core.templates.by_name import template_folders
        from tui.prompts.dialogs.save_template import SaveTemplateDialog

        dialog = SaveTemplateDialog(template, template_folders(view.request.spec.data.source))
        self._room.app.push_screen(dialog, self._take_saved)

    def _take_saved(self, saved: tuple[str, Path] | None) -> None:
        if saved is None:
            return
        name, path = saved
        self.drop()
        self._room.catalog.forget_templates()
        spec, _ = session_spec(self._room.suiron.session)
        use = f"{key_of('prompts.edit_mixture')} gives it a weight in the mixture."
        if any(part.template == name and part.weight for part in spec.prompt.mixture):
            use = "The mixture of the run has this template: the next run trains with the new text."
        self._room.say(f"Saved: {path}. {use}")
        self._room.choose_template(name)


def _ways() -> str:
    """The keys for a text that is not saved."""
    edit, save = key_of("prompts.edit_template"), key_of("prompts.save_template")
    return f"{edit} goes on, {save} saves it, {key_of('prompts.go_back')} asks to drop it."
