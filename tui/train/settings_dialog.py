"""All settings of a run in groups, with what each is: the form behind the form. The same dialog changes the few that
may change while a run works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, Static

from core.base.errors import RunError
from core.base.safe_text import safe_line
from core.runs.spec_fields import SpecField, parse_value
from tui.actions import key_bindings, key_hints
from tui.common.choices import BAD, HEADING, MARK, MUTED, ChoiceLine, Choices
from tui.common.dialog import Dialog
from tui.common.field import Field
from tui.common.fit_text import fit_to_width

Check = Callable[[Mapping[str, str]], RunError | None]
Summary = Callable[[Mapping[str, str]], str]
_NAME = 26  # cells of the names


class SettingsDialog(Dialog[dict[str, str]]):
    """Returns all texts by key, when it is closed.

    texts: the values now; usual: those of the preset, which are drawn plain while others are marked. fixed: keys that
    are shown and not edited. check: what is wrong with all texts together, its `where` the key. summary: what a run
    with these texts will take; it may read the disk.
    """

    AUTO_FOCUS = "#list"
    BINDINGS: ClassVar[list[BindingType]] = key_bindings("settings")
    DEFAULT_CSS = """
    SettingsDialog > #box { width: 96%; height: 94%; max-height: 94%; overflow: hidden; }
    SettingsDialog Choices { height: 1fr; }
    SettingsDialog #value { display: none; }
    SettingsDialog #value.-shown { display: block; }
    SettingsDialog #help { height: 2; color: $text-muted; }
    SettingsDialog #trouble { height: auto; max-height: 2; color: $error; }
    SettingsDialog #plan { height: 1; color: $accent; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(
        self,
        title: str,
        fields: Sequence[SpecField],
        texts: Mapping[str, str],
        usual: Mapping[str, str],
        check: Check,
        summary: Summary,
        fixed: Sequence[str] = (),
        folded: bool = True,
    ) -> None:
        super().__init__()
        self._title, self._fields, self._fixed = title, list(fields), frozenset(fixed)
        self._texts, self._usual = dict(texts), dict(usual)
        self._check, self._summary = check, summary
        self._folded = folded
        self._wrong: RunError | None = None
        self._lines: list[SpecField | str] = []

    def compose_dialog(self) -> ComposeResult:
        yield Choices(id="list")
        yield Field(id="value")
        yield Static(id="trouble")
        yield Static(id="help")
        yield Static(id="plan")

    def on_mount(self) -> None:
        box = self.query_one("#box")
        box.can_focus = False
        box.border_title = Content(self._title)
        box.border_subtitle = Content(
            key_hints(
                ("edits", "list.choose"),
                ("values", "settings.previous_value", "settings.next_value"),
                ("advanced", "settings.fold"),
                ("closes", "dialog.close"),
            )
        )
        self._list_fields(0)
        self._settle()

    def _list_fields(self, cursor: int) -> None:
        self._lines = []
        group = ""
        for field in self._fields:
            if self._folded and field.advanced and self._texts.get(field.key) == self._usual.get(field.key):
                continue
            if field.group != group:
                group = field.group
                hidden = sum(each.group == group and each.advanced for each in self._fields) if self._folded else 0
                more = f"  {hidden} more with {key_hints(('', 'settings.fold')).strip()}" if hidden else ""
                self._lines.append(f"{group}{more}")
            self._lines.append(field)
        self.query_one(Choices).show(
            len(self._lines), self._draw, cursor, lambda index: not isinstance(self._lines[index], str)
        )

    def _draw(self, index: int, width: int) -> ChoiceLine:
        line = self._lines[index]
        if isinstance(line, str):
            return [(fit_to_width(line, width), HEADING)]
        text = self._texts.get(line.key, "")
        is_wrong = self._wrong is not None and self._wrong.where == line.key
        changed = text != self._usual.get(line.key)
        role = BAD if is_wrong else MUTED if line.key in self._fixed else MARK if changed else ""
        shown = text or ("–" if line.key in self._fixed or line.kind != "text" else "")
        name = f"{'*' if changed else ' '} {line.name}"
        return [(fit_to_width(name, _NAME), MUTED), (fit_to_width(shown, max(0, width - _NAME)), role)]

    @property
    def _field(self) -> SpecField | None:
        cursor = self.query_one(Choices).cursor
        line = self._lines[cursor] if 0 <= cursor < len(self._lines) else ""
        return line if isinstance(line, SpecField) else None

    # -- editing --

    @on(Choices.Moved)
    def _show_help(self) -> None:
        field = self._field
        if field is None:
            return
        words = field.help.replace("`", "")
        if field.key in self._fixed:
            words = f"{words} It is chosen in the Data room, or with the model."
        self.query_one("#help", Static).update(Content(words))

    @on(Choices.Chosen)
    def _edit(self) -> None:
        field = self._field
        if field is None or field.key in self._fixed:
            return
        if field.kind in ("choice", "switch"):
            self.action_turn(1)
            return
        entry = self.query_one("#value", Field)
        entry.add_class("-shown")
        entry.put(self._texts.get(field.key, ""))
        entry.focus()

    @on(Input.Changed, "#value")
    def _typed(self, event: Input.Changed) -> None:
        if self._field is not None and self.query_one("#value").has_focus:
            self._try(self._field, event.value)

    @on(Input.Submitted, "#value")
    def _entered(self, event: Input.Submitted) -> None:
        field = self._field
        if field is not None and self._try(field, event.value):
            self._put(field, event.value.strip())
            self._leave_entry()

    def _try(self, field: SpecField, text: str) -> bool:
        """Say at once what is wrong with a text; returns whether it can be read."""
        try:
            parse_value(field, text)
            error = self._check({**self._texts, field.key: text})
        except RunError as wrong:
            error = wrong
        self.query_one("#trouble", Static).update(Content(f"{safe_line(error.what, 200)}." if error else ""))
        return error is None or error.where != field.key

    def _leave_entry(self) -> None:
        self.query_one("#value").remove_class("-shown")
        self.query_one(Choices).focus()

    def action_turn(self, by: int) -> None:
        field = self._field
        if field is None or (field.kind not in ("choice", "switch") and not (field.kind == "prompt" and field.choices)):
            return
        choices = list(field.choices)
        now = self._texts.get(field.key, "")
        index = (choices.index(now) + by) % len(choices) if now in choices else 0
        self._put(field, choices[index])

    def action_usual(self) -> None:
        field = self._field
        if field is not None and field.key not in self._fixed and field.key in self._usual:
            self._put(field, self._usual[field.key])

    def action_fold(self) -> None:
        field = self._field
        self._folded = not self._folded
        self._list_fields(0)
        if field in self._lines:
            self.query_one(Choices).move_to(self._lines.index(field))

    def _put(self, field: SpecField, text: str) -> None:
        self._texts[field.key] = text
        self._settle()

    def _settle(self) -> None:
        self._wrong = self._check(self._texts)
        self.query_one("#trouble", Static).update(
            Content(f"{safe_line(self._wrong.what, 200)}." if self._wrong else "")
        )
        self.query_one(Choices).refresh()
        self._show_help()
        self.run_worker(self._show_summary(dict(self._texts)), group="summary", exclusive=True)

    async def _show_summary(self, texts: dict[str, str]) -> None:
        words = "" if self._wrong is not None else await asyncio.to_thread(self._summary, texts)
        self.query_one("#plan", Static).update(Content(words))

    def action_close(self) -> None:
        if self.query_one("#value").has_focus:
            self.query_one("#trouble", Static).update(Content(""))
            self._leave_entry()
        else:
            self.dismiss(self._texts)
