"""The dialog that asks for a change of all rows shown and says how many; the editor in core makes it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Input, Label, Static

from core.base.plural import counted
from core.base.safe_text import safe_line
from core.data.editing.bulk_edits import SPLIT_SEED
from tui.actions import key_bindings, key_hints, key_of
from tui.common.choices import HEADING, MUTED, ChoiceLine, Choices
from tui.common.field import Field
from tui.common.fit_text import fit_to_width
from tui.data.dialogs.list_dialog import ListDialog

BulkKind = Literal["set", "split", "drop", "extract"]
SHARE = "10%"
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(%?)")


class BulkChange(msgspec.Struct, frozen=True):
    """A change of all rows shown."""

    kind: BulkKind
    """set: write `value` into `column`. split: mark rows as test or train in sysflag. drop: delete them. extract: move
    the reasoning between <think> and </think> from the output into its column."""
    column: str = ""
    """Of a set: the column."""
    value: str = ""
    """Of a set: the value."""
    share: float = 0.0
    """Of a split: the share of test rows, between 0 and 1."""
    seed: int = 0
    """Of a split: the seed that chooses the rows."""


class BulkDialog(ListDialog[BulkChange]):
    """Returns a BulkChange.

    count, total: numbers of rows shown and of all rows; values: for columns with few values, these with their counts;
    preview(share, seed) gives the (test, train) counts of a split. Without it they are approximate, since rows with the
    same question stay on one side.
    """

    KEY_WORDS = key_hints(("chooses", "list.choose"), ("undoes it later", "data.undo"), ("closes", "dialog.close"))
    AUTO_FOCUS = "#actions"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("bulk")
    DEFAULT_CSS = """
    BulkDialog > #box { max-width: 84; }
    BulkDialog .label { width: 12; }
    BulkDialog #sentence { margin: 1 0 0 0; text-style: bold; }
    BulkDialog #known { max-height: 8; margin: 1 0 0 0; }
    """

    def __init__(
        self,
        count: int,
        total: int,
        values: Mapping[str, Sequence[tuple[str, int]]] | None = None,
        preview: Callable[[float, int], tuple[int, int]] | None = None,
    ) -> None:
        super().__init__()
        self._count, self._total, self._values = count, total, values or {}
        self._preview = preview
        self._chosen: BulkChange | None = None  # what is being filled in
        self._lines: list[tuple[BulkChange | None, str, str]] = [
            (BulkChange("set", "sysflag"), "Set sysflag", "the split of each row"),
            (BulkChange("set", "syslang"), "Set syslang", "the language of each row"),
            (BulkChange("split"), "Split into train and test", "a share of the rows, chosen by a seed"),
            (BulkChange("extract"), "Move reasoning out of <think>", "from the output into its column"),
            (BulkChange("drop"), "Drop these rows", ""),
            (None, "Rarely needed", ""),
            (BulkChange("set", "instruction"), "Set instruction", ""),
            (BulkChange("set", "input"), "Set input", ""),
            (BulkChange("set", "reasoning"), "Set reasoning", ""),
            (BulkChange("set", "output"), "Set output", ""),
        ]

    def compose_dialog(self) -> ComposeResult:
        yield Choices(id="actions")
        with Horizontal(classes="row", id="first"):
            yield Label("", classes="label")
            yield Field("", id="first-field", select_on_focus=False)
        with Horizontal(classes="row", id="second"):
            yield Label("Seed", classes="label")
            yield Field(str(SPLIT_SEED), id="second-field")
        yield Choices(id="known")
        yield Static(id="sentence")
        yield Static(classes="trouble")

    def on_mount(self) -> None:
        self.query_one("#sentence").can_focus = True
        actions = self.query_one("#actions", Choices)
        actions.show(len(self._lines), self._draw, 0, lambda position: self._lines[position][0] is not None)
        self._ask_what()

    @property
    def _rows(self) -> str:
        return counted(self._count, "row")

    def _ask_what(self) -> None:
        self._chosen = None
        whole = self._count == self._total
        self.title_words(f"Change all {self._rows}" if whole else f"Change the {self._rows} shown, of {self._total:,}")
        for id in ("first", "second", "known", "sentence"):
            self.query_one(f"#{id}").display = False
        self.query_one("#actions").display = True
        self.set_focus(self.query_one("#actions"))
        self.keys(self.KEY_WORDS)

    def _draw(self, position: int, width: int) -> ChoiceLine:
        bulk, words, more = self._lines[position]
        if bulk is None:
            return [(words, HEADING)]
        return [(fit_to_width(words, 32), ""), (fit_to_width(more, max(0, width - 32)), MUTED)]

    # -- the second step --

    @on(Choices.Chosen, "#actions")
    def _ask_how(self, event: Choices.Chosen) -> None:
        bulk = self._lines[event.index][0]
        if bulk is None:
            return
        self._chosen = bulk
        self.title_words(f"{self._lines[event.index][1]}: {self._rows}")
        self.query_one("#actions").display = False
        self.query_one("#sentence").display = True
        fields = bulk.kind in ("set", "split")
        self.query_one("#first").display = fields
        self.query_one("#second").display = bulk.kind == "split"
        known = list(self._values.get(bulk.column, ())) if bulk.kind == "set" else []
        self.query_one("#known").display = bool(known)
        self._known = [value for value, _ in known if value]
        counts = {value: count for value, count in known}
        choices = self.query_one("#known", Choices)
        choices.show(
            len(self._known),
            lambda position, width: [
                (fit_to_width(self._known[position], width - 14), ""),
                (f"{counts[self._known[position]]:>13,} ", MUTED),
            ],
            -1,
        )
        if fields:
            first = self.query_one("#first-field", Field)
            self.query_one("#first Label", Label).update("Test share" if bulk.kind == "split" else "Value")
            first.placeholder = "empty" if bulk.kind == "set" else SHARE
            first.put(SHARE if bulk.kind == "split" else "")
            self.set_focus(first)
        else:
            self.set_focus(self.query_one("#sentence"))
        more: list[tuple[str, ...] | str] = []
        if bulk.kind == "split":
            more = ["Tab next field"]
        elif known:
            more = [("existing values", "bulk.go_down")]
        self.keys(key_hints(("does it", "bulk.apply"), *more, ("goes back", "dialog.close")))
        self._say()

    @on(Input.Changed)
    def _say(self) -> None:
        if self._chosen is None:
            return
        filled = self.filled()
        self.trouble(filled if isinstance(filled, str) else "")
        if isinstance(filled, BulkChange):
            split = None
            if filled.kind == "split" and self._preview is not None:
                split = self._preview(filled.share, filled.seed)
            undo = f"{key_of('data.undo')} undoes it"
            self.say("#sentence", Content(f"{key_of('bulk.apply')} {bulk_words(filled, self._count, split)}; {undo}."))
        else:
            self.say("#sentence", f"{self._rows}.")

    def filled(self) -> BulkChange | str:
        """The change, or what is wrong with the fields."""
        bulk = self._chosen
        assert bulk is not None  # noqa: S101  (only the second step calls this)
        first = self.query_one("#first-field", Field).value
        if bulk.kind == "set":
            return msgspec.structs.replace(bulk, value=first)
        if bulk.kind != "split":
            return bulk
        share = read_share(first)
        if share is None:
            return "Enter the share of test rows as 10% or 0.1."
        seed = self.query_one("#second-field", Field).value.strip()
        if not (seed.isascii() and seed.isdecimal() and len(seed) < 10):
            return "Enter the seed as a whole number. The same seed gives the same split."
        return msgspec.structs.replace(bulk, share=share, seed=int(seed))

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_apply()

    def action_apply(self) -> None:
        if self._chosen is not None:
            filled = self.filled()
            if isinstance(filled, BulkChange):
                self.dismiss(filled)

    @on(Choices.Chosen, "#known")
    def _take_known(self, event: Choices.Chosen) -> None:
        field = self.query_one("#first-field", Field)
        field.put(self._known[event.index])
        self.set_focus(field)

    @on(Choices.Above)
    def _to_field(self) -> None:
        if self._chosen is not None:
            self.set_focus(self.query_one("#first-field"))

    def action_down(self) -> None:
        if self._chosen is not None and self.query_one("#known").display:
            self.set_focus(self.query_one("#known"))
        elif self._chosen is not None and self._chosen.kind == "split":
            self.set_focus(self.query_one("#second-field"))

    def action_close(self) -> None:
        if self._chosen is not None:
            self._ask_what()
        else:
            super().action_close()


def read_share(text: str) -> float | None:
    """`10%`, `10` and `0.1` are a tenth; None for what is not a share between 0 and 1."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        return None
    share = float(match[1])
    if match[2] or share >= 1:
        share /= 100
    return share if math.isfinite(share) and 0 < share < 1 else None


def bulk_words(bulk: BulkChange, count: int, split: tuple[int, int] | None = None) -> str:
    """What the change does, with the number of rows; it follows the name of a key. split: the exact (test, train)
    counts where known. Foreign text is made safe here."""
    rows = counted(count, "row")
    if bulk.kind == "drop":
        return f"drops {rows}"
    if bulk.kind == "extract":
        return f"searches {rows} and moves the text between <think> and </think> in an output into an empty reasoning"
    if bulk.kind == "split":
        test = round(count * bulk.share)
        counts = f"about {test:,} of {rows} test and {count - test:,} train"
        if split:
            counts = f"{counted(split[0], 'row')} test and {split[1]:,} train"
        return f"makes {counts}, chosen by seed {bulk.seed}; rows with the same question stay together"
    if bulk.value:
        return f"sets {bulk.column} to “{safe_line(bulk.value, 60)}” on {rows}"
    return f"empties {bulk.column} on {rows}"
