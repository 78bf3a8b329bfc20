"""The state of a run: its progress, newest numbers, backend and rows, and what went wrong."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from core.base.errors import error_sentences
from core.base.safe_text import safe_line
from core.runs.run_reader import RunReader
from core.runs.status_file import FailureCause
from core.runs.watch_run import duration_words
from tui.actions import key_of
from tui.common.styled_cells import CellLines, CellRow, StyledText
from tui.train.run_facts import run_facts, wrap_facts

STRONG, MUTED, GOOD, BAD, NOTICE = "status--strong", "status--muted", "status--good", "status--bad", "status--notice"
_STATES = {"finished": GOOD, "paused": NOTICE, "failed": BAD, "lost": BAD}
_BAR = 40  # cells of the progress bar at most
_FACT_LINES = ((32, 8), (20, 4), (0, 1))  # rows of the terminal, and lines of facts at most
_SMALL = 76  # columns below which the form takes two lines of them


class StatusRows(CellLines):
    COMPONENT_CLASSES: ClassVar[set[str]] = {STRONG, MUTED, GOOD, BAD, NOTICE}
    DEFAULT_CSS = """
    StatusRows { height: 5; }
    StatusRows > .status--strong { text-style: bold; }
    StatusRows > .status--muted { color: $text-muted; }
    StatusRows > .status--good { color: $success; text-style: bold; }
    StatusRows > .status--bad { color: $error; text-style: bold; }
    StatusRows > .status--notice { color: $warning; text-style: bold; }
    """


class RunStatusPanel(Vertical):
    """`show_run` draws a run, or says that there is none; `notice` shows one line in the last row."""

    DEFAULT_CSS = """
    RunStatusPanel { height: auto; }
    RunStatusPanel > #trouble { height: auto; max-height: 6; display: none; background: $error 15%; padding: 0 1; }
    RunStatusPanel > #trouble.-shown { display: block; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._reader: RunReader | None = None
        self._position = self._own = ""
        self._notice: StyledText = ("", "")
        self._trouble: FailureCause | None = None
        self._own_trouble: FailureCause | None = None

    def compose(self) -> ComposeResult:
        yield StatusRows()
        yield Static(id="trouble")

    def show_run(self, reader: RunReader | None, position: str = "", own: str = "") -> None:
        """position: the position among the runs, as `2 of 7`. own: its settings that are not those of the form."""
        self._reader, self._position, self._own = reader, position, own
        self._draw()

    def notice(self, text: str, bad: bool = False) -> None:
        """Show `text` (safe) in the last row; empty removes it."""
        self._notice = (text, BAD if bad else NOTICE)
        self._draw()

    def show_own_trouble(self, trouble: FailureCause | None) -> None:
        """Show why no run could be started or stopped; None removes it."""
        self._own_trouble = trouble
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    @property
    def _most_fact_lines(self) -> int:
        """More on a high terminal: the curve keeps its place."""
        columns, rows = self.app.size
        lines = next(lines for least, lines in _FACT_LINES if rows >= least)
        return lines if columns >= _SMALL else min(lines, 2)

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        reader = self._reader
        trouble = self._own_trouble or (reader and (reader.trouble or reader.status.error)) or None
        drawn = self.query_one(StatusRows)
        fact_lines = 1 if trouble is not None else self._most_fact_lines
        rows = status_rows(reader, self._position, self._notice, drawn.content_size.width, fact_lines, self._own)
        if drawn.size.height and drawn.size.height != len(rows):
            drawn.styles.height = len(rows)
        drawn.show(rows)
        if trouble != self._trouble:
            self._trouble = trouble
            panel = self.query_one("#trouble", Static)
            panel.update(_trouble_text(trouble) if trouble else "")
            panel.set_class(trouble is not None, "-shown")


def status_rows(
    reader: RunReader | None, position: str, notice: StyledText, width: int, fact_lines: int = 1, own: str = ""
) -> list[CellRow]:
    """The rows of a run: progress, numbers, backend, `facts`, and the notice or the run's own message."""
    if reader is None:
        return [
            [("no run yet", STRONG), (f"  {key_of('train.start_run')} starts one with these settings", MUTED)],
            [],
            [],
            [],
            [notice],
        ]
    status, last = reader.status, reader.last
    step = max(status.step, last.step if last else 0)
    head: list[StyledText] = [
        (status.state, _STATES.get(status.state, STRONG)),
        (f"  step {step:,}/{status.total:,}  " if status.total else "  ", ""),
    ]
    if status.total:
        left = (
            f"  {duration_words(status.seconds_left)} left"
            if status.seconds_left is not None and not status.ended
            else ""
        )
        tail = f" {min(100, 100 * step // status.total):3} %{left}"
        # 22: `100 %  1 min 05 s left`, so that the bar keeps its length
        room = width - sum(len(text) for text, _ in head) - max(len(tail), 22)
        head += [*_bar(step / status.total, min(_BAR, room)), (tail, MUTED)]
    # the id last: it is what may be cut
    resumes = f"{key_of('train.resume_run')} goes on" if reader.resumable_from is not None else ""
    about = _joined(
        position and f"run {position}",
        resumes,
        safe_line(status.message),
        safe_line(reader.folder.id),
    )
    last_row: CellRow = [notice] if notice[0] else [(_cut(about, width), MUTED)]
    return [
        head,
        _numbers(reader),
        [(_cut(safe_line(status.backend), width), MUTED)],
        *([[(_cut(safe_line(own), width), "")]] if own else []),
        *([(line, MUTED)] for line in wrap_facts(run_facts(reader.facts), width, fact_lines)),
        last_row,
    ]


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)) + "…"


def _bar(share: float, width: int) -> list[StyledText]:
    if width < 5:
        return []
    halves = round(min(1.0, max(0.0, share)) * 2 * width)
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    return [(done, GOOD), ("─" * (width - len(done)), MUTED)]


def _numbers(reader: RunReader) -> list[StyledText]:
    """The newest numbers at fixed positions, so that a new one changes few cells."""
    last, mean = reader.last, reader.mean_loss()
    loss = "–"
    if last is not None:
        loss = "not finite" if last.loss is None else f"{last.loss:.4f}"
    rate = "–" if last is None or last.learning_rate is None else f"{last.learning_rate:.2e}"
    speed = "–" if last is None or last.tokens_per_second is None else f"{last.tokens_per_second:,.0f}"
    memory = "–" if last is None or last.memory is None else f"{last.memory:.1f}"
    return [
        ("loss ", MUTED),
        (f"{loss:<7}", BAD if last is not None and last.loss is None else STRONG),
        (" mean ", MUTED),
        (f"{'–':<7}" if mean is None else f"{mean:<7.4f}", STRONG),
        (" lr ", MUTED),
        (f"{rate:<9}", ""),
        (f"{speed:>6}", ""),
        (" tok/s ", MUTED),
        (f"{memory:>6}", ""),
        (" GiB", MUTED),
    ]


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _trouble_text(trouble: FailureCause) -> Content:
    sentences = error_sentences(trouble)
    lines = [Content.styled(safe_line(sentences.what), "bold $error")]
    if sentences.where:
        lines.append(Content.styled(safe_line(sentences.where), "$text-muted"))
    if sentences.do:
        lines.append(Content(safe_line(sentences.do)))
    return Content("\n").join(lines)
