"""The interface of the app for rooms, dialogs and the palette, which do not import the app itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from textual.message import Message

from tui.actions import Action

if TYPE_CHECKING:
    from core.base.errors import SuironError
    from core.data.columns.mapping import ColumnMapping
    from core.data.dataset import DataSet
    from core.engine.protocol import Engine
    from core.session import Session


class AppInterface(Protocol):
    """The app, as the modules below it see it."""

    session: Session
    """Where the user is: the sources, the row, the settings."""
    dataset: DataSet | None
    """The open rows, perhaps only the first of them; None where none are open."""
    data_error: tuple[str, SuironError] | None
    """The source that could not be opened, and why."""
    engine: Engine | None
    """None until the chat makes one."""
    marked_runs: tuple[str, ...]
    """The ids of the runs that are marked in the Runs room."""
    theme: Any
    """The name of the theme in use."""

    def remember(self, **changes: Any) -> None:
        """Replace fields of the session. It is saved a moment later, and on exit."""

    def open_data(self, source: str, split: str = "", mapping: ColumnMapping | None = None) -> None:
        """Open a source in a thread; rooms get DataOpening, then DataOpened or DataFailed. A large source is opened
        early: DataOpened comes with its first rows, then again once all of it can be searched. mapping: the
        column mapping that the user has just chosen; None takes the saved one or a guess. A later call wins."""

    def replace_data(self, dataset: DataSet) -> None:
        """Replace the data set by the same source with an edit: the rooms get DataOpened."""

    def post_to_rooms(self, make: Callable[[], Message]) -> None:
        """Post a message of its own to every room that has been shown."""

    async def perform(self, action: Action) -> None:
        """Run an action of the table in its room."""

    def bell(self) -> None:
        """Ring the bell of the terminal."""

    def tell_terminal(self, sequence: str) -> None:
        """Send a control sequence to the terminal, where there is one."""

    def look_at_runs(self) -> None:
        """Look at the run folders now: something was started or asked."""

    def theme_names(self) -> list[str]:
        """Every theme that can be used."""

    async def choose_theme(self, name: str) -> None:
        """Use this theme, and remember it."""
