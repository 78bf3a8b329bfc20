"""The dialog that saves a template as the user's own: its name and its folder.

It goes to the user's templates or beside the data.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, Static
from textual.worker import get_current_worker

from core.base import folders
from core.base.errors import SuironError
from core.base.safe_text import safe_line, safe_text
from core.templates.by_name import built_in_templates, save_template
from core.templates.template import Template
from tui.actions import key_bindings, key_of
from tui.common.dialog import Dialog
from tui.common.field import Field
from tui.common.readable_error import readable_error


class SaveTemplateDialog(Dialog[tuple[str, Path]]):
    """Returns the name and the file, once it is written. A second Enter replaces an existing file."""

    AUTO_FOCUS = "Input"
    TITLE_WORDS = "Save the template as your own"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("save_template")

    def __init__(self, template: Template, beside: tuple[Path, ...]) -> None:
        super().__init__()
        self._template = template
        self._folders = [folders.config() / "templates", *beside]
        self._folder = 0
        self._asked = ""  # the file that a second Enter replaces

    def compose_dialog(self) -> ComposeResult:
        yield Static(
            "The name of the file and of the template in a mixture: letters, digits, - _ and . Enter saves.",
            classes="hint",
        )
        name = self._template.name
        yield Field(f"my-{name}" if name in built_in_templates() else name, "name", id="name")
        yield Static(id="where")
        yield Static(classes="trouble")

    def on_mount(self) -> None:
        self.query_one(".trouble").display = False
        self._show_where()

    @property
    def _path(self) -> Path:
        return self._folders[self._folder] / f"{self.query_one(Field).value.strip()}.yaml"

    @on(Input.Changed)
    def _show_where(self) -> None:
        self._asked = ""
        words = "with your templates" if self._folder == 0 else "beside the data"
        other = f"   {key_of('save_template.next_folder')}: the other folder" if len(self._folders) > 1 else ""
        self.query_one("#where", Static).update(
            Content.styled(f"{words}: ", "$text-muted")
            + Content(safe_line(str(self._path), 300))
            + Content.styled(other, "$text-muted")
        )

    def action_turn(self) -> None:
        self._folder = (self._folder + 1) % len(self._folders)
        self._show_where()

    @on(Input.Submitted)
    def _save(self, event: Input.Submitted) -> None:
        event.stop()
        path = self._path
        template = msgspec.structs.replace(self._template, name=event.value.strip())
        self.run_worker(
            partial(self._save_in_thread, template, path),
            thread=True,
            exclusive=True,
            group="save",
            exit_on_error=False,
        )

    def _save_in_thread(self, template: Template, path: Path) -> None:
        worker = get_current_worker()
        try:
            if path.exists() and self._asked != str(path):
                self.app.call_from_thread(self._ask, path)
                return
            saved = save_template(template, path.parent)
        except (SuironError, OSError) as error:
            if not worker.is_cancelled:
                self.app.call_from_thread(self._trouble, readable_error(error, str(path)))
        else:
            self.app.call_from_thread(self.dismiss, (template.name, saved))

    def _ask(self, path: Path) -> None:
        self._asked = str(path)
        self._say("This file already exists. Press Enter again to replace it.")

    def _trouble(self, error: SuironError) -> None:
        self._say(str(error))

    def _say(self, words: str) -> None:
        trouble = self.query_one(".trouble", Static)
        trouble.display = True
        trouble.update(Content(safe_text(words[:600])))
