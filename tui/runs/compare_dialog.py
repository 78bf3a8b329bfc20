"""Two or more runs beside each other: their losses, the settings that differ, their curves, their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from core.base.safe_text import safe_line, safe_text
from core.runs.compare import SampleLine, differing_settings, last_samples
from core.runs.run_charts import OTHER_LETTERS
from core.runs.run_reader import RunReader
from core.runs.run_summary import RunSummary
from tui.actions import key_bindings, key_hints
from tui.common.chart_widget import ChartWidget
from tui.common.dialog import Dialog
from tui.common.fit_text import fit_to_width

_NAME = 24  # cells of the names of settings
_MOST_SAMPLE = 4000  # characters of an answer that are shown


class CompareDialog(Dialog[None]):
    """readers: what has been read of each run, by id; the first run is the one that the chart belongs to."""

    TITLE_WORDS = "Compare runs"
    AUTO_FOCUS = "#box"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("compare")
    DEFAULT_CSS = """
    CompareDialog > #box { width: 98%; max-width: 200; height: 94%; max-height: 94%; }
    CompareDialog ChartWidget { height: 12; margin: 1 0; }
    """

    def __init__(self, runs: Sequence[RunSummary], readers: dict[str, RunReader]) -> None:
        super().__init__()
        self._runs, self._readers = list(runs), readers

    def compose_dialog(self) -> ComposeResult:
        yield Static(id="table")
        yield ChartWidget(id="chart")
        yield Static(id="samples")

    def on_mount(self) -> None:
        hints = key_hints(
            ("chart", "compare.next_chart"), ("log", "compare.toggle_log_scale"), ("closes", "dialog.close")
        )
        self.query_one("#box", VerticalScroll).border_subtitle = Content(hints)
        self.run_worker(self._read(), group="samples")

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_table)

    async def _read(self) -> None:
        readers = [self._readers[run.id] for run in self._runs]
        for reader in readers:
            await asyncio.to_thread(reader.read_changes)
        first = readers[0]
        # two runs may have one name: their ids tell them apart
        names = [run.name or run.id for run in self._runs]
        others = {
            name if names.count(name) == 1 else f"{name} {run.id[-4:]}": reader.curves
            for name, run, reader in list(zip(names, self._runs, readers, strict=True))[1:]
        }
        longest = max(max(reader.status.total, reader.curves.last_step) for reader in readers)
        self.query_one(ChartWidget).show(first.curves, longest, (), others)
        samples = [await asyncio.to_thread(last_samples, reader.folder.path) for reader in readers]
        self.query_one("#samples", Static).update(_samples_text(self._runs, samples))

    def _show_table(self) -> None:
        width = self.query_one("#table", Static).content_size.width
        if width:
            self.query_one("#table", Static).update(comparison_table(self._runs, width))

    def action_next_chart(self) -> None:
        self.query_one(ChartWidget).next_kind()

    def action_toggle_scale(self) -> None:
        self.query_one(ChartWidget).toggle_log()


def comparison_table(runs: Sequence[RunSummary], width: int) -> Content:
    """What became of the runs, and the settings in which they differ, a column for each run."""
    column = max(8, (width - _NAME) // len(runs) - 1)
    letters = ["", *OTHER_LETTERS]
    rows = [
        ("", [f"{letter} {run.name or run.id}".strip() for letter, run in zip(letters, runs, strict=False)], "bold"),
        ("state", [f"{run.state}, step {run.step:,}" for run in runs], ""),
        ("loss", [_loss_words(run) for run in runs], ""),
        ("verdict", [f"{run.verdict} {run.note}".strip() for run in runs], ""),
    ]
    lines = [_line(name, texts, column, style) for name, texts, style in rows]
    differences = differing_settings([run.settings for run in runs])
    lines.append(
        Content.styled("settings that differ" if differences else "The settings are the same.", "bold $primary")
    )
    lines += [_line(each.key, [text or "–" for text in each.texts], column, "") for each in differences]
    return Content("\n").join(lines)


def _line(name: str, texts: Sequence[str], column: int, style: str) -> Content:
    line = Content.styled(fit_to_width(name, _NAME), "$text-muted")
    for text in texts:
        line = line.append(Content.styled(f"{fit_to_width(text, column)} ", style))
    return line


def _loss_words(run: RunSummary) -> str:
    if run.loss is None:
        return "–"
    return f"{run.loss:.4f} {'evaluated' if run.evaluated else 'last steps'}"


def _samples_text(runs: Sequence[RunSummary], samples: Sequence[Sequence[SampleLine]]) -> Content:
    """The answers of the runs to each question that any of them was asked."""
    questions = dict.fromkeys(sample.question for each in samples for sample in each)
    parts: list[Content] = []
    for question in questions:
        parts.append(Content.styled(safe_line(question, 300), "bold $primary"))
        for run, each in zip(runs, samples, strict=True):
            sample = next((sample for sample in each if sample.question == question), None)
            head = f"{safe_line(run.name or run.id, 40)}" + (f", step {sample.step:,}" if sample else ": not asked")
            parts.append(Content.styled(head, "bold"))
            if sample is not None:
                parts.append(Content.styled(safe_text(sample.reasoning[:_MOST_SAMPLE]), "$reasoning"))
                parts.append(Content(safe_text(sample.response[:_MOST_SAMPLE])))
    return Content("\n").join(parts)
