"""The interface of the Prompts room's screen for its actions, which do not import the screen itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from textual.app import App
from textual.widget import Widget

from tui.common.app_interface import AppInterface

if TYPE_CHECKING:
    from core.templates.template import Template
    from tui.prompts.row_view_data import RowView
    from tui.prompts.template_catalog import TemplateCatalog
    from tui.prompts.template_draft import TemplateDraft

W = TypeVar("W", bound=Widget)


class PromptsRoom(Protocol):
    """What the screen shows, and what its parts ask of it."""

    draft: TemplateDraft
    """The template that is being written."""

    @property
    def app(self) -> App[Any]: ...

    @property
    def suiron(self) -> AppInterface: ...

    @property
    def view(self) -> RowView | None:
        """What is shown; None while there is nothing."""

    @property
    def catalog(self) -> TemplateCatalog:
        """The templates there are."""

    def template_to_save(self, view: RowView) -> Template | None:
        """The template that is being written, or the one that is shown."""

    def query_one(self, selector: type[W], /) -> W: ...

    def read_in_thread(self, work: Callable[[], None]) -> None:
        """Run `work` in a thread; earlier reading is forgotten."""

    def set_focus(self, widget: Widget | None, /) -> None: ...

    def add_class(self, *names: str) -> Any: ...

    def remove_class(self, *names: str) -> Any: ...

    def say(self, words: str) -> None:
        """Show a message in answer to a key; foreign text is made safe there."""

    def show_again(self) -> None:
        """Make what is shown anew: a setting, a template or its text has changed."""

    def choose_template(self, name: str) -> None:
        """Show the row with this template."""
