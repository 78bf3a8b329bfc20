"""What rooms and the app say to each other. The app hands each of these to every room that has been shown; a room shown
later asks the app."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from core.base.errors import SuironError
from core.base.row import Row

if TYPE_CHECKING:
    from core.data.dataset import DataSet


class DataOpening(Message, bubble=False):
    """A source is being opened; rooms may say so. share: how much of it has been read, 0 to 1, where that is known;
    early: its first rows are shown already, and the rest is being imported."""

    def __init__(self, source: str, share: float | None = None, early: bool = False) -> None:
        super().__init__()
        self.source, self.share, self.early = source, share, early


class DataOpened(Message, bubble=False):
    """`app.dataset` is now this one. Comes twice for a large source: first with pages alone (`dataset.ready` is False),
    then with the whole; and again after each edit."""

    def __init__(self, dataset: DataSet) -> None:
        super().__init__()
        self.dataset = dataset


class DataFailed(Message, bubble=False):
    """The source could not be opened; `app.dataset` is None."""

    def __init__(self, source: str, error: SuironError) -> None:
        super().__init__()
        self.source, self.error = source, error


class ModelChosen(Message, bubble=False):
    """`app.session.model` and `.adapter` (a run's id; empty: the base model) are now these."""

    def __init__(self, model: str, adapter: str) -> None:
        super().__init__()
        self.model, self.adapter = model, adapter


class AskRow(Message):
    """Take this row's instruction and input to the chat. Bubbles up to the app."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row
