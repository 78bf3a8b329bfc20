"""The dialog that shows a data set in numbers: rows, empty fields, lengths, and the cost of a maximum length.

Shows what `core.quality` counted; counts nothing itself.
"""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Label, Static

from core.base.plural import counted
from core.base.safe_text import safe_line
from core.quality.report import DataSetStatistics, LengthDistribution
from tui.actions import key_bindings, key_hints
from tui.common.choices import share_bar
from tui.common.field import Field
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.list_dialog import ListDialog
from tui.data.widgets.histogram import Histogram

ROWS, WHOLE = "rows", "whole prompt"
KEEP = 0.99  # the share of rows that the suggested maximum length keeps uncut
BAR = 12
FLAGS = 4  # values of sysflag that get a column each


class StatisticsDialog(ListDialog[None]):
    """Pages: the rows, the whole prompt with its maximum length, then each column. Returns nothing."""

    KEY_WORDS = key_hints(
        ("pages", "statistics.previous_page", "statistics.next_page"),
        "↑↓ scroll",
        ("maximum length", "statistics.edit_length"),
        ("closes", "dialog.close"),
    )
    TALL = True
    AUTO_FOCUS = "#table"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("statistics")
    DEFAULT_CSS = """
    StatisticsDialog #pages { height: auto; margin: 0 0 1 0; }
    StatisticsDialog #table { height: 1fr; scrollbar-size-vertical: 1; }
    StatisticsDialog #lengths { height: 1fr; }
    StatisticsDialog #numbers { height: auto; }
    StatisticsDialog #chart { min-height: 4; max-height: 20; margin: 1 0 0 0; }
    StatisticsDialog #maximum-row Label { width: 18; }
    StatisticsDialog #maximum { width: 12; }
    """

    def __init__(self, statistics: DataSetStatistics, page: str = ROWS) -> None:
        super().__init__()
        self._statistics = statistics
        self._pages = [
            ROWS,
            *([WHOLE] if statistics.whole.sizes else []),
            *(name for name, lengths in statistics.columns.items() if lengths.sizes),
        ]
        self._page = page if page in self._pages else ROWS
        self._limit = statistics.max_length

    def compose_dialog(self) -> ComposeResult:
        yield Static(id="pages")
        with VerticalScroll(id="table"):
            yield Static(id="rows")
        with VerticalScroll(id="lengths", can_focus=False):
            yield Static(id="numbers")
            with Horizontal(classes="row", id="maximum-row"):
                yield Label("maximum length", classes="label")
                yield Field(str(self._limit or ""), "tokens", id="maximum", max_length=9, restrict="[0-9]*")
            yield Static(id="costs")
            yield Histogram(id="chart")

    def on_mount(self) -> None:
        name = self._statistics.source + (f" [{self._statistics.split}]" if self._statistics.split else "")
        self.title_words(f"Statistics of {name[-60:]}")
        self._show()

    # -- the page --

    def _show(self) -> None:
        parts: list[Content] = []
        for page in self._pages:
            if page == self._page:
                parts.append(Content.styled(f"[{page}]", "bold $accent"))
            else:
                parts.append(Content.styled(f" {page} ", "$text-muted"))
        self.say("#pages", Content(" ").join(parts))
        rows = self._page == ROWS
        self.query_one("#table").display = rows
        self.query_one("#lengths").display = not rows
        if rows:
            self.say("#rows", Content("\n").join(rows_table(self._statistics)))
            self.set_focus(self.query_one("#table"))
            return
        if self.focused is None or self.focused.id != "maximum":
            self.set_focus(None)
        whole = self._page == WHOLE
        lengths = self._statistics.whole if whole else self._statistics.columns[self._page]
        self.say("#numbers", numbers_words(lengths, self._statistics, self._page))
        self.query_one("#maximum-row").display = whole and self._statistics.unit == "tokens"
        self.query_one("#costs").display = whole
        if whole:
            self.say("#costs", cost_words(self._statistics, self._limit))
        chart = self.query_one(Histogram)
        chart.display = lengths.max > 0  # a column that is empty everywhere has no distribution
        chart.show_lengths(lengths, self._limit if whole else 0)

    def action_page(self, by: int) -> None:
        self._page = self._pages[(self._pages.index(self._page) + by) % len(self._pages)]
        self.set_focus(None)
        self._show()

    # -- the maximum length --

    def action_edit(self) -> None:
        if WHOLE in self._pages and self._statistics.unit == "tokens":
            self._page = WHOLE
            self._show()
            self.set_focus(self.query_one("#maximum"))
            self.keys(key_hints("type a length", ("or Enter leaves the field", "dialog.close")))

    @on(Input.Changed, "#maximum")
    def _changed(self, event: Input.Changed) -> None:
        self._limit = int(event.value) if event.value else 0
        if self._page == WHOLE:
            self.say("#costs", cost_words(self._statistics, self._limit))
            self.query_one(Histogram).show_lengths(self._statistics.whole, self._limit)

    @on(Input.Submitted, "#maximum")
    def _leave_field(self) -> None:
        self.set_focus(None)
        self.keys(self.KEY_WORDS)

    def action_close(self) -> None:
        if self.focused is not None and self.focused.id == "maximum":
            self._leave_field()
        else:
            super().action_close()


def rows_table(statistics: DataSetStatistics) -> list[Content]:
    """Rows by language and split, empty fields, templates."""
    flags = statistics.rows_by_sysflag
    heads = list(flags)[:FLAGS]
    counts = {(language, flag): count for language, flag, count in statistics.pairs}
    width = max(12, *(9, *(min(24, len(language) + 2) for language in statistics.rows_by_syslang)))
    others = len(flags) > FLAGS
    titles = (
        [_right(flag or "(none)", 11) for flag in heads]
        + ([_right("others", 11)] if others else [])
        + [_right("all", 11)]
    )
    lines = [Content.styled(counted(statistics.rows, "row"), "bold"), Content("")]
    lines.append(Content.styled(fit_to_width("syslang", width) + " ".join(titles), "bold $primary"))
    for language, total in statistics.rows_by_syslang.items():
        cells = [counts.get((language, flag), 0) for flag in heads]
        cells += [total - sum(cells)] if others else []
        share = total / statistics.rows if statistics.rows else 0.0
        line = fit_to_width(language or "(none)", width) + " ".join(f"{count:>11,}" for count in [*cells, total])
        lines.append(Content(line) + Content.styled(f" {share:6.1%}", "$text-muted"))
    totals = [flags[flag] for flag in heads]
    totals += [statistics.rows - sum(totals)] if others else []
    lines.append(
        Content.styled(
            fit_to_width("all", width) + " ".join(f"{count:>11,}" for count in [*totals, statistics.rows]), "bold"
        )
    )
    lines += [Content(""), Content.styled("empty fields", "bold $primary")]
    for column, count in statistics.empty.items():
        share = count / statistics.rows if statistics.rows else 0.0
        style = "$warning" if count and column in ("instruction", "output") else ""
        lines.append(Content.styled(f"{column:<12}{count:>12,} {share:6.1%} {share_bar(share, BAR)}", style))
    if statistics.templates:
        heading = f"rows by template, of the {counted(statistics.trained, 'row')} that would be trained"
        lines += [Content(""), Content.styled(heading, "bold $primary")]
        lines += [Content(f"{fit_to_width(name, 24)}{count:>12,}") for name, count in statistics.templates.items()]
        if statistics.no_template:
            lines.append(Content(f"{fit_to_width('none fits: left out', 24)}{statistics.no_template:>12,}"))
    if statistics.unreadable:
        lines += [
            Content(""),
            Content.styled(
                f"{counted(statistics.unreadable, 'row')} cannot be tokenized and are not in the lengths.", "$warning"
            ),
        ]
    lines += [Content(""), Content.styled(counted_words(statistics), "$text-muted")]
    return lines


def _right(text: str, width: int) -> str:
    """Foreign text at the right end of `width` cells."""
    line = fit_to_width(text, width).rstrip()
    return " " * (width - cell_len(line)) + line


def counted_words(statistics: DataSetStatistics) -> str:
    """The unit of the lengths, and what counted them."""
    by = f": {safe_line(statistics.note, 200)}" if statistics.note else ""
    if statistics.tokenizer:
        by = f" by the tokenizer of {safe_line(statistics.tokenizer, 60)}"
    return f"Lengths are counted in {statistics.unit}{by}."


def numbers_words(lengths: LengthDistribution, statistics: DataSetStatistics, page: str) -> Content:
    """The percentiles of one distribution."""
    parts = [
        ("p50", lengths.length_keeping(0.50)),
        ("p95", lengths.length_keeping(0.95)),
        ("p99", lengths.length_keeping(0.99)),
        ("longest", lengths.max),
    ]
    if not lengths.max:
        return Content(f"{page} is empty in {_all_rows(lengths.rows)}.")
    line = Content("   ").join(
        [Content.styled(f"{name} ", "$text-muted") + Content.styled(f"{value:,}", "bold") for name, value in parts]
    )
    subject = "the text as it is trained" if page == WHOLE else f"only the {page}"
    total = f"{lengths.total:,} {statistics.unit} in {counted(lengths.rows, 'row')}"
    more = f"\n{total}, {lengths.mean:,.1f} on average: {subject}."
    return line + Content.styled(more, "$text-muted")


def cost_words(statistics: DataSetStatistics, limit: int) -> Content:
    """What a maximum length costs, and the one that costs 1 % of the rows."""
    if statistics.unit != "tokens":
        return Content.styled(
            f"The cost of a maximum length is known in tokens only. {safe_line(statistics.note, 200)}", "$text-muted"
        )
    whole = statistics.whole
    keeping_words = Content(
        f"{whole.length_keeping(KEEP):,} tokens keep {KEEP:.0%} of the rows uncut, {whole.max:,} keep all."
    )
    if limit <= 0:
        return Content("Without a maximum, no row is cut.\n") + keeping_words
    cut = statistics.effect_of_max_length(limit)
    if not cut.lose_eos:
        return (
            Content.styled(
                f"Nothing is cut of {_all_rows(cut.rows)}: {counted(limit, 'token')} are enough.",
                "$success",
            )
            + Content("\n")
            + keeping_words
        )
    share, none = cut.lose_eos / cut.rows, cut.lose_answer / cut.rows
    words = f"{share:.2%} ({counted(cut.lose_eos, 'row')}) would lose the end (EOS): training leaves them out.\n"
    words += f"{none:.2%} ({counted(cut.lose_answer, 'row')}) would lose the complete answer.\n"
    return Content.styled(words, "$warning") + keeping_words


def _all_rows(rows: int) -> str:
    return "the only row" if rows == 1 else f"all {rows:,} rows"
