"""A request to show a row in the Prompts room, and the view that answers it. Holds data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from core.base.errors import SuironError
from core.base.row import Row
from core.data.filters import RowFilters
from core.examples.example import AnyTemplate
from core.examples.preview import RowPreview
from core.examples.trained_rows import TrainedRows
from core.runs.spec import RunSpec
from tui.prompts.sheet_lines import SheetLines, WordLines
from tui.prompts.template_catalog import MixtureChoice

if TYPE_CHECKING:
    from core.data.dataset import DataSet

ViewMode = Literal["text", "tokens", "prompts"]
VIEW_MODES: tuple[ViewMode, ...] = ("text", "tokens", "prompts")
AS_DRAWN = ""  # in place of a template's name: the one that the mixture draws


@dataclass(frozen=True)
class RowViewRequest:
    """Which row to show, and how."""

    dataset: DataSet
    """The open data set."""
    filters: RowFilters
    """The filters of the Data room; only rows that pass them are stepped through."""
    index: int
    """Index, in its source, of the row to start from."""
    step: int
    """Rows to move on from there; negative moves back."""
    spec: RunSpec
    """The run whose settings apply to the row."""
    template: str
    """Name of the template, or AS_DRAWN."""
    draft: str | None
    """Text of a template that is being written; it wins over `template`."""
    mode: ViewMode
    """Whether to show the text, the tokens or the prompts for inference."""
    with_ids: bool
    """Whether tokens are shown with their ids."""
    width: int
    """Cells of a line."""


@dataclass(frozen=True)
class RowView:
    """One row, ready to be shown."""

    request: RowViewRequest
    """What was asked for."""
    row: Row | None
    """None where no row passes the filters."""
    position: int
    """Position of the row among the rows that pass the filters, from 0."""
    count: int
    """Rows that pass the filters."""
    choice: MixtureChoice
    """The run's mixture."""
    trained_rows: TrainedRows
    """Which rows the run trains on."""
    drawn: AnyTemplate | None = None
    """The template that the mixture draws for the row; None where no template fits."""
    draw: float = 0.0
    """The row's draw, from 0 up to, not including, 1."""
    draw_range: tuple[float, float] = (0.0, 1.0)
    """The range of draws that select the drawn template."""
    template: AnyTemplate | None = None
    """The template that the row is shown with."""
    preview: RowPreview | None = None
    """The row as it is trained with `template`."""
    notes: tuple[str, ...] = ()
    """What is to be known of `template`, a sentence each without its full stop."""
    lines: SheetLines = field(default_factory=lambda: WordLines("", 1))
    """What the sheet shows."""
    names: tuple[str, ...] = ()
    """Names of all templates that can be used."""
    bad_files: tuple[str, ...] = ()
    """Template files that cannot be used, and why."""
    error: SuironError | None = None
    """Why the row cannot be shown; the lines say it too."""
    draft_error: SuironError | None = None
    """What is wrong with the draft; the lines then show the last good one."""
    why_no_tokenizer: str = ""
    """Why there are no tokens, or empty."""
