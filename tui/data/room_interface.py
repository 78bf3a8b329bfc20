"""The interface of the Data room's screen for its actions, which do not import the screen itself."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from textual.app import App

from core.base.errors import SuironError
from tui.common.message_line import MessageLine
from tui.data.query_view import QueryRoom

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from tui.data.edit_session import EditSession
    from tui.data.query_runner import QueryRunner
    from tui.data.query_view import QueryView


class DataRoom(QueryRoom, Protocol):
    """The parts of the screen, and what they do together."""

    query_view: QueryView
    """Shows the rows that are asked for."""
    queries: QueryRunner
    """The open data set and the rows that were asked for."""
    edit_session: EditSession
    """The edits to the open source."""

    message_line: MessageLine
    """The last line: what a key did, else the state of the source."""

    @property
    def app(self) -> App[Any]: ...

    @property
    def is_current(self) -> bool:
        """Whether no dialog and no other room is in front."""

    @property
    def dataset(self) -> DataSet | None:
        """The open data set, with all edits so far."""

    def forget_source(self) -> None:
        """Close the source, its findings and its journal."""

    def check_ready(self) -> bool:
        """Whether queries and edits can be answered now; if not, a message says why."""

    def complain(self, error: SuironError) -> None:
        """Notify the user that something was not done."""

    def run_edit(self, edit: Coroutine[Any, Any, None]) -> None:
        """Run an edit while the app answers keys."""
