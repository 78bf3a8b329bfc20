"""What changes the run from the Prompts room: its mixture, its loss, its long rows. Each change is told and undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.runs.prompt_texts import LOSS_KEY, LOSS_NAMES, TOO_LONG_CHOICES, TOO_LONG_KEY, loss_text
from core.session import Session
from tui.actions import key_of
from tui.common.run_settings import session_spec
from tui.prompts.run_changes import RunChanges, Settings, change_words

if TYPE_CHECKING:
    from tui.prompts.room_interface import PromptsRoom


class RunActions:
    """Each action says what it changed, from what to what."""

    def __init__(self, room: PromptsRoom) -> None:
        self._room = room
        self._changes = RunChanges()

    def next_loss(self) -> None:
        spec, _ = session_spec(self._room.suiron.session)
        loss = loss_text(spec.prompt.loss_on)
        following = LOSS_NAMES[(LOSS_NAMES.index(loss) + 1) % len(LOSS_NAMES)] if loss in LOSS_NAMES else LOSS_NAMES[0]
        self._change({LOSS_KEY: following})

    def next_too_long(self) -> None:
        spec, _ = session_spec(self._room.suiron.session)
        following = TOO_LONG_CHOICES[(TOO_LONG_CHOICES.index(spec.prompt.too_long) + 1) % len(TOO_LONG_CHOICES)]
        self._change({TOO_LONG_KEY: following})

    def choose_mixture(self) -> None:
        """Choose all of them in a dialog."""
        from tui.prompts.dialogs.mixture import MixtureDialog

        view, suiron = self._room.view, self._room.suiron
        if view is None:
            return
        spec, _ = session_spec(suiron.session)
        catalog = self._room.catalog
        descriptions = {name: catalog.template_words(name) for name in view.names}
        templates = [(name, words) for name, words in descriptions.items() if words is not None]
        dialog = MixtureDialog(spec, templates, suiron.dataset, catalog.bound_template)
        self._room.app.push_screen(dialog, self._take_mixture)

    def _take_mixture(self, texts: dict[str, str] | None) -> None:
        if texts:
            self._change(texts)
        elif texts is not None:
            self._room.say("The run is as it was.")

    def undo(self) -> None:
        """Undo the last change of this room that is still in force."""
        before = self._room.suiron.session
        settings = self._changes.undo(before)
        if settings is None:
            self._room.say("Nothing to undo: the run is as it was when this room was opened.")
        else:
            self._use(before, settings, f"(undone; {key_of('prompts.redo')} redoes)")

    def redo(self) -> None:
        before = self._room.suiron.session
        settings = self._changes.redo(before)
        if settings is None:
            self._room.say("Nothing to redo.")
        else:
            self._use(before, settings, f"({key_of('prompts.undo')} undoes)")

    def _change(self, texts: dict[str, str]) -> None:
        before = self._room.suiron.session
        self._use(before, self._changes.make(before, texts), f"({key_of('prompts.undo')} undoes)")

    def _use(self, before: Session, settings: Settings, hint: str) -> None:
        suiron = self._room.suiron
        suiron.remember(train=settings)
        words = change_words(before, suiron.session) or "The run is as it was"
        self._room.say(f"{words} {hint}")
        self._room.show_again()
