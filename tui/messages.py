"""The messages between rooms and the app.

The app posts each of them to every room that has been shown; a room shown later asks the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

from core.base.errors import SuironError
from core.base.row import Row

if TYPE_CHECKING:
    from core.data.dataset import DataSet


class DataOpening(Message, bubble=False):
    """A source is being opened."""

    def __init__(self, source: str, share: float | None = None, early: bool = False) -> None:
        super().__init__()
        self.source = source
        """The path or name of the source."""
        self.share = share
        """How much of it has been read, 0 to 1; None where that is not known."""
        self.early = early
        """Whether its first rows are shown already while the rest is being imported."""


class DataOpened(Message, bubble=False):
    """`app.dataset` has been replaced. Comes twice for a large source: first with its first pages (`dataset.ready` is
    False), then with all rows; and again after each edit."""

    def __init__(self, dataset: DataSet) -> None:
        super().__init__()
        self.dataset = dataset
        """The data set, as in `app.dataset`."""


class DataFailed(Message, bubble=False):
    """The source could not be opened; `app.dataset` is None."""

    def __init__(self, source: str, error: SuironError) -> None:
        super().__init__()
        self.source = source
        """The path or name of the source."""
        self.error = error
        """Why it could not be opened."""


class ModelChosen(Message, bubble=False):
    """`app.session.model` and `app.session.adapter` have been replaced."""

    def __init__(self, model: str, adapter: str) -> None:
        super().__init__()
        self.model = model
        """A model folder, a hub name or `demo`."""
        self.adapter = adapter
        """The id of the run that trained it; empty for the base model."""


class RunsChanged(Message, bubble=False):
    """Run folders have changed on the disk, or the process of one is gone."""

    def __init__(self, ids: frozenset[str], states: frozenset[str]) -> None:
        super().__init__()
        self.ids = ids
        """The ids of the runs that changed, came or went."""
        self.states = states
        """Those whose state changed, or which came or went."""


class RunsMarked(Message):
    """The runs that are marked, to be laid over charts. Bubbles up to the app, which keeps it."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        super().__init__()
        self.ids = ids
        """Their ids, in the order in which they were marked."""


class ShowRun(Message):
    """Show this run in Train. Bubbles up to the app."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id
        """Its id."""


class CloneSettings(Message):
    """Take the settings, data and model of a run into the form of Train. Bubbles up to the app."""

    def __init__(self, run_id: str, settings: dict[str, str]) -> None:
        super().__init__()
        self.run_id = run_id
        """The run they are of."""
        self.settings = settings
        """All its settings as texts, by key."""


class AskRun(Message):
    """Ask the model of this run in the chat. Bubbles up to the app."""

    def __init__(self, run_id: str, model: str) -> None:
        super().__init__()
        self.run_id = run_id
        """Its id."""
        self.model = model
        """Its base model."""


class AskRow(Message):
    """Take this row's instruction and input to the chat. Bubbles up to the app."""

    def __init__(self, row: Row) -> None:
        super().__init__()
        self.row = row
        """The row to ask."""
