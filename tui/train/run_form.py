"""The form with the settings of a run. Knows numbers and their ranges; names the data and the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Label, Static

from core.base.errors import RunError
from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from core.runs.setting_texts import RUN_SETTINGS, RunSetting, setting_texts_of, with_setting_texts
from core.runs.spec import RunSpec
from tui.actions import ACTIONS, key_bindings, keys_in_force

NOTE_BELOW = 12  # rows of a form beside the curve, with one setting a row
_ALLOWED = r"[0-9eE.+\-_]*"
_ROOM_KEYS = {
    key
    for action in ACTIONS
    if action.in_number_fields
    for key in keys_in_force(action)
    if key not in action.plain.split(",")
}


class PresetChoice(Static, can_focus=True):
    """The preset that the fields are filled from; keys or a click choose another."""

    BINDINGS: ClassVar[list[BindingType]] = key_bindings("preset")

    class Turned(Message):
        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def action_turn(self, by: int) -> None:
        self.post_message(self.Turned(by))

    def on_click(self, event: events.Click) -> None:
        self.action_turn(1)


class NumberInput(Input):
    """Passes the letter keys of the room on to the room: numbers do not need them."""

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return key not in _ROOM_KEYS and super().check_consume_key(key, character)


class SettingField(Horizontal):
    """A label and its number."""

    def __init__(self, setting: RunSetting) -> None:
        super().__init__(classes="setting")
        self.setting = setting

    def compose(self) -> ComposeResult:
        yield Label(self.setting.words)
        field = NumberInput(
            id=field_id(self.setting.key), compact=True, restrict=_ALLOWED, max_length=16, tooltip=self.setting.help
        )
        field.cursor_blink = False
        yield field


class RunForm(Container):
    """`fill` sets the preset, `spec` reads it back with what was typed. The note shows what is wrong, else the data and
    the model. In a high form the focused setting is explained below them, in a low one in their place."""

    class Changed(Message):
        """A setting has changed: the name of the preset, and the texts by key."""

        def __init__(self, preset: str, texts: dict[str, str]) -> None:
            super().__init__()
            self.preset, self.texts = preset, texts

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._preset, self._further = "", False
        self._base: RunSpec | None = None
        self._about: list[Content] = []
        self._shown_note = Content("")
        self.error: RunError | None = None

    def compose(self) -> ComposeResult:
        with Container(id="fields"):
            with Horizontal(classes="setting"):
                yield Label("preset")
                yield PresetChoice(id="preset")
            for setting in RUN_SETTINGS:
                yield SettingField(setting)
        yield Static(id="form-note")

    @property
    def preset(self) -> str:
        return self._preset

    def fill(self, preset: str, base: RunSpec, texts: Mapping[str, str] | None = None, further: bool = False) -> None:
        """Show the settings of `base`, the specification of the preset, and over them what the user has typed. further:
        whether `base` has settings of the user's that have no field here."""
        self._preset, self._base, self._further = preset, base, further
        shown = {**setting_texts_of(base), **(texts or {})}
        for field in self.query(Input):
            with field.prevent(Input.Changed):
                field.value = shown[_key(field)]
        self._check()

    def rebase(self, base: RunSpec) -> None:
        """Use another data set or model with the same preset and texts."""
        self._base = base

    def about(self, data: str, model: str, note: str = "", prompts: str = "") -> None:
        """Show the data, the model and the prompt settings of the run (foreign text, made safe here), and a note about
        them."""
        parts = [Content.styled(note, "$warning")] if note else []
        parts += [
            Content.styled(word, "$text-muted").append(safe_line(name, 200))
            for word, name in (("data ", data), ("model ", model), ("prompts ", prompts))
            if name
        ]
        self._about = parts
        self._check()

    def texts(self) -> dict[str, str]:
        return {_key(field): field.value for field in self.query(Input)}

    def spec(self) -> RunSpec:
        """The specification with what was typed. Raises RunError and focuses the setting that it names."""
        self._check()
        if self.error is not None:
            self.screen.set_focus(self.query_one(f"#{field_id(self.error.where)}", Input))
            raise self.error
        assert self._base is not None, "fill() comes first"  # noqa: S101 - an order of calls, not a check of input
        return with_setting_texts(self._base, self.texts())

    def move(self, by: int) -> None:
        """Focus the field `by` positions further."""
        fields = [*self.query(PresetChoice), *self.query(Input)]
        position = next((index for index, field in enumerate(fields) if field.has_focus), -1 if by > 0 else 0)
        self.screen.set_focus(fields[(position + by) % len(fields)])  # at once: what is typed next is for it

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._check()
        self.post_message(self.Changed(self._preset, self.texts()))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.move(1)

    def _check(self) -> None:
        if self._base is None:
            return
        texts = self.texts()
        self.error = None
        try:
            with_setting_texts(self._base, texts)
        except RunError as error:
            self.error = error
        for field in self.query(Input):
            field.set_class(self.error is not None and self.error.where == _key(field), "-wrong")
        is_edited = self._further or texts != setting_texts_of(self._base)
        self.query_one(PresetChoice).update(
            Content.styled(f"‹ {self._preset} ›", "bold").append("*" if is_edited else ""), layout=False
        )
        by_steps = texts["train.steps"].strip() not in ("", "0")
        self.query_one(f"#{field_id('train.epochs')}").set_class(by_steps, "-unused")
        self._show_note()

    def on_resize(self) -> None:
        self._show_note()

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _show_note(self) -> None:
        high = self.size.height > NOTE_BELOW
        focused = next(
            (field.setting.help for field in self.query(SettingField) if field.query_one(Input).has_focus), ""
        )
        help_words = [Content.styled(focused, "$text-muted")] if focused else []
        if self.error is not None:
            note = Content.styled(with_full_stop(self.error.what), "bold $error")
        elif high:
            note = Content("\n").join([*self._about, *([Content(""), *help_words] if help_words else [])])
        else:
            note = help_words[0] if help_words else Content("  ").join(self._about)
        if note != self._shown_note:
            self._shown_note = note
            self.query_one("#form-note", Static).update(note)


def field_id(key: str) -> str:
    return "setting-" + key.replace(".", "-")


def _key(field: Input) -> str:
    return next(setting.key for setting in RUN_SETTINGS if field_id(setting.key) == field.id)
