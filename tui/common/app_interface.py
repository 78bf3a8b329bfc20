"""What rooms, dialogs and the palette may ask of the app they stand in. The app is one of these; nobody below it needs
to know the app itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from textual.message import Message

from tui.actions import Action

if TYPE_CHECKING:
    from core.base.errors import SuironError
    from core.data.columns.mapping import Mapping
    from core.data.dataset import DataSet
    from core.engine.protocol import Engine
    from core.session import Session


class House(Protocol):
    """session: where the person is. dataset: the open rows, perhaps early ones. data_error: the source that failed to
    open, and why. engine: None until the chat makes one."""

    session: Session
    dataset: DataSet | None
    data_error: tuple[str, SuironError] | None
    engine: Engine | None
    theme: Any

    def remember(self, **changes: Any) -> None:
        """Replace fields of the session; it is saved a moment later, and at the end."""

    def open_data(self, source: str, split: str = "", mapping: Mapping | None = None) -> None:
        """Open a source in a thread; rooms hear DataOpening, then DataOpened or DataFailed. A large source is opened
        early: DataOpened comes with its first rows, then once more when all of it can be asked. mapping: what its
        columns are taken from, where a person has just said so; else the saved one or a guess. A later call wins."""

    def replace_data(self, dataset: DataSet) -> None:
        """The same source with an edit in it: other rooms hear DataOpened."""

    def tell(self, make: Callable[[], Message]) -> None:
        """Hand every room that has been shown a message of its own."""

    async def perform(self, action: Action) -> None:
        """Run an action of the table in the room it belongs to."""

    def theme_names(self) -> list[str]: ...

    async def choose_theme(self, name: str) -> None: ...
