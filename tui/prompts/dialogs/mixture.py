"""The dialog for the mixture: templates and their weights, the loss, long rows, and rows per template.

The rows of each template are counted over all rows of the data set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label, Static
from textual.worker import get_current_worker

from core.base import plural
from core.base.errors import RunError, error_sentences
from core.base.safe_text import safe_line
from core.examples.counts import TemplateCounts, count_templates
from core.examples.draw_template import DrawableTemplate, Mixture
from core.examples.trained_rows import TrainedRows
from core.runs.prompt_texts import (
    LOSS_KEY,
    LOSS_NAMES,
    MIXTURE_KEY,
    TOO_LONG_CHOICES,
    TOO_LONG_KEY,
    WEIGHTED_SECTIONS,
    loss_text,
    parse_loss,
    parse_mixture,
    prompt_texts,
)
from core.runs.spec import RunSpec
from core.tokens.loss_mask import SectionWeights
from tui.actions import key_bindings, key_hints
from tui.common.dialog import Dialog
from tui.common.field import Field
from tui.common.readable_error import readable_error

if TYPE_CHECKING:
    from core.data.dataset import DataSet

WEIGHTS = "weights"
COUNT_AFTER = 0.3  # seconds from the last key until the rows are counted
REPORT_EVERY = 50_000  # rows between two progress messages


class ChoiceField(Static, can_focus=True):
    """A field with one of a few values; a key or a click chooses the next."""

    BINDINGS: ClassVar[list[BindingType]] = key_bindings("value")

    class Turned(Message):
        pass

    def __init__(self, values: Sequence[str], value: str, *, id: str) -> None:
        super().__init__(id=id, classes="turn")
        self._values = list(values)
        self.value = value

    def on_mount(self) -> None:
        self._draw()

    def action_turn(self, by: int) -> None:
        self.value = self._values[(self._values.index(self.value) + by) % len(self._values)]
        self._draw()
        self.post_message(self.Turned())

    def on_click(self) -> None:
        self.action_turn(1)

    def _draw(self) -> None:
        self.update(Content(f"‹ {self.value.replace('_', ' ')} ›"))


class WeightField(Field):
    """A number; empty for a template outside the mixture."""

    def __init__(self, value: str, *, id: str) -> None:
        super().__init__(value, "", id=id, restrict=r"[0-9.eE\-]*", max_length=12)


class MixtureDialog(Dialog[dict[str, str]]):
    """Returns the changed settings as `core.runs.prompt_texts` writes them.

    templates: every template with its description; bind(name): the template as a mixture draws it. The rows are counted
    in a thread; a changed weight discards the count.
    """

    TITLE_WORDS = "Mixture of templates"
    AUTO_FOCUS = "WeightField"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("mixture")
    DEFAULT_CSS = """
    MixtureDialog {
        & Horizontal { height: 1; width: 1fr; }
        & .name { width: 28; text-wrap: nowrap; text-overflow: ellipsis; }
        & .word { width: 11; color: $text-muted; }
        & .short { width: 11; color: $text-muted; padding: 0 0 0 1; }
        & WeightField { width: 9; }
        & .share { width: 1fr; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        & .turn { width: 20; height: 1; }
        & .turn:focus { background: $block-cursor-background; color: $block-cursor-foreground; }
        & #templates { height: auto; max-height: 10; scrollbar-size-vertical: 1; }
        & #counted { margin: 1 0 0 0; }
    }
    """

    def __init__(
        self,
        spec: RunSpec,
        templates: Sequence[tuple[str, str]],
        dataset: DataSet | None,
        bind: Callable[[str], DrawableTemplate],
    ) -> None:
        super().__init__()
        self._spec, self._dataset, self._bind = spec, dataset, bind
        weights = {part.template: part.weight for part in spec.prompt.mixture}
        missing = [(name, "there is no such template") for name in weights if name not in dict(templates)]
        self._templates = [*templates, *missing]
        self._weights = weights
        self._serial = 0

    def compose_dialog(self) -> ComposeResult:
        with VerticalScroll(id="templates", can_focus=False):
            for index, (name, words) in enumerate(self._templates):
                with Horizontal():
                    yield Label(Content(safe_line(name, 60)), classes="name")
                    yield WeightField(f"{self._weights[name]:g}" if name in self._weights else "", id=f"weight-{index}")
                    yield Static(
                        Content.styled(safe_line(words, 100), "$text-muted"), classes="share", id=f"share-{index}"
                    )
        loss = self._spec.prompt.loss_on
        with Horizontal(id="trained"):
            yield Label("trained", classes="word")
            yield ChoiceField([*LOSS_NAMES, WEIGHTS], loss if isinstance(loss, str) else WEIGHTS, id="loss")
            yield Label("long rows", classes="word")
            yield ChoiceField(TOO_LONG_CHOICES, self._spec.prompt.too_long, id="too-long")
        with Horizontal(id="sections"):
            for section in WEIGHTED_SECTIONS:
                yield Label(section, classes="short")
                weights = SectionWeights() if isinstance(loss, str) else loss
                yield WeightField(f"{getattr(weights, section):g}", id=f"section-{section}")
        yield Static(id="counted")
        yield Static(classes="trouble")

    def on_mount(self) -> None:
        box = self.query_one("#box", VerticalScroll)
        box.can_focus = False
        box.border_subtitle = Content(
            key_hints(
                ("fields", "mixture.previous_field", "mixture.next_field"),
                ("values", "value.previous_value", "value.next_value"),
                ("applies", "mixture.apply"),
                ("closes", "dialog.close"),
            )
        )
        self._check()

    # -- the settings --

    def texts(self) -> dict[str, str]:
        """The settings as they are in the fields. Raises RunError where they are not valid."""
        weights = {
            name: self.query_one(f"#weight-{index}", WeightField).value.strip()
            for index, (name, _) in enumerate(self._templates)
        }
        mixture = ", ".join(f"{name} {weight}" for name, weight in weights.items() if weight)
        loss = self.query_one("#loss", ChoiceField).value
        if loss == WEIGHTS:
            loss = ", ".join(f"{section} {self._section_weight(section)}" for section in WEIGHTED_SECTIONS)
        parse_mixture(mixture)
        return {
            MIXTURE_KEY: mixture,
            LOSS_KEY: loss_text(parse_loss(loss)),
            TOO_LONG_KEY: self.query_one("#too-long", ChoiceField).value,
        }

    def _section_weight(self, section: str) -> str:
        return self.query_one(f"#section-{section}", WeightField).value.strip() or "0"

    @on(Input.Changed)
    @on(ChoiceField.Turned)
    def _check(self) -> None:
        self._serial += 1
        self.query_one("#sections").display = self.query_one("#loss", ChoiceField).value == WEIGHTS
        trouble = self.query_one(".trouble", Static)
        try:
            texts = self.texts()
        except RunError as error:
            trouble.display = True
            trouble.update(Content(safe_line(error_sentences(error).line, 300)))
            return
        trouble.display = False
        weights = {part.template: part.weight for part in parse_mixture(texts[MIXTURE_KEY])}
        self._show_shares(weights, {})
        words = "counting …" if self._dataset is not None else "no data is open"
        self._say_count(self._serial, Content.styled(words, "$text-muted"))
        self.set_timer(COUNT_AFTER, partial(self._start_count, self._serial, weights))

    def _show_shares(self, weights: Mapping[str, float], rows: Mapping[str, int]) -> None:
        """Show the share of each template. rows: rows by template, once they are counted."""
        total, counted = sum(weights.values()), max(1, sum(rows.values()))
        for index, (name, words) in enumerate(self._templates):
            share = Content.styled(safe_line(words, 100), "$text-muted")
            if name in weights:
                row_count = rows.get(name, 0)
                drawn = f", {plural.counted(row_count, 'row')} ({row_count / counted:.1%})" if rows else ""
                share = Content(f"{100 * weights[name] / total:.3g} %{drawn}")
            self.query_one(f"#share-{index}", Static).update(share)

    # -- counting --

    def _start_count(self, serial: int, weights: dict[str, float]) -> None:
        if serial == self._serial and self._dataset is not None:
            work = partial(self._count_in_thread, serial, weights, self._dataset)
            self.run_worker(work, thread=True, exclusive=True, group="count", exit_on_error=False)

    def _count_in_thread(self, serial: int, weights: dict[str, float], dataset: DataSet) -> None:
        worker = get_current_worker()
        reported = 0

        def show_progress(rows: int) -> None:
            nonlocal reported
            if rows - reported >= REPORT_EVERY:
                reported = rows
                words = Content.styled(f"counting … {rows:,} rows", "$text-muted")
                self.app.call_from_thread(self._say_count, serial, words)

        try:
            mixture = Mixture([(self._bind(name), weight) for name, weight in weights.items()], self._spec.prompt.seed)
            counts = count_templates(
                dataset,
                mixture,
                self._spec.data.train_flag,
                show_progress,
                lambda: worker.is_cancelled or serial != self._serial,
            )
        except Exception as error:  # whatever a source does to its reader, it is shown here, and the app keeps running
            if not worker.is_cancelled:
                words = safe_line(str(readable_error(error, dataset.name)), 300)
                self.app.call_from_thread(self._say_count, serial, Content.styled(words, "$warning"))
            return
        if counts is not None and not worker.is_cancelled:
            flag = TrainedRows.of_source(self._spec.data.train_flag, dataset.columns).flag
            self.app.call_from_thread(self._show_counts, serial, weights, counts, flag)

    def _say_count(self, serial: int, words: Content) -> None:
        if serial == self._serial:
            self.query_one("#counted", Static).update(words)

    def _show_counts(self, serial: int, weights: dict[str, float], counts: TemplateCounts, flag: str) -> None:
        if serial != self._serial:
            return
        self._show_shares(weights, counts.rows)
        with_flag = f" with sysflag {safe_line(flag, 30)}" if flag else ""
        words = Content(f"{plural.counted(counts.total, 'row')}{with_flag}, seed {self._spec.prompt.seed}")
        if counts.without_reasoning:
            words += Content(f"; {counts.without_reasoning:,} of them without reasoning")
        if counts.left_out:
            left_out = (
                f"\n⚠ left out: {plural.counted(counts.left_out, 'row')} without reasoning, which no template here fits"
            )
            words += Content.styled(left_out, "$warning")
        self._say_count(serial, words)

    # -- keys --

    def action_field(self, by: int) -> None:
        fields = [
            field
            for field in self.query("WeightField, ChoiceField")
            if field.display and (field.parent is None or field.parent.display)
        ]
        focused = next((index for index, field in enumerate(fields) if field.has_focus), -1 if by > 0 else 0)
        self.set_focus(fields[(focused + by) % len(fields)])

    @on(Input.Submitted)
    def action_take(self) -> None:
        try:
            texts = self.texts()
        except RunError:
            return  # the dialog already says what is wrong
        self.dismiss({key: text for key, text in texts.items() if text != prompt_texts(self._spec)[key]})
