"""The changes of the run's prompt settings that were made in the Prompts room, each to be undone. Knows no widgets."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from core.runs.prompt_texts import LOSS_KEY, MIXTURE_KEY, TOO_LONG_KEY, prompt_texts
from core.session import Session
from tui.common.run_settings import session_spec, with_settings

Settings = dict[str, str | int | float | bool]
"""The settings of the next run, as `Session.train`."""
NAMES = {MIXTURE_KEY: "mixture", LOSS_KEY: "loss", TOO_LONG_KEY: "long rows"}
KEPT = 100  # changes


class _Change(msgspec.Struct, frozen=True):
    """One change, as the settings that differ."""

    before: Settings
    """By key, the settings as they were; a key that was not set is missing."""
    after: Settings
    """By key, the settings as they are since."""


class RunChanges:
    """Makes changes of a session's settings, and takes them back one by one, the last first."""

    def __init__(self) -> None:
        self._done: list[_Change] = []
        self._undone: list[_Change] = []

    def make(self, session: Session, texts: Mapping[str, str]) -> Settings:
        """The session's settings with `texts` over them, as `core.runs.prompt_texts` reads them."""
        settings = with_settings(session, texts)
        self._done = [*self._done[-KEPT:], _difference(session.train, settings)]
        self._undone = []
        return settings

    def undo(self, session: Session) -> Settings | None:
        """The session's settings without the last change that is still in force; None where there is none. What
        another room has set since stays."""
        return _take_back(session, self._done, self._undone)

    def redo(self, session: Session) -> Settings | None:
        """The session's settings with the change that was undone last; None where there is none."""
        return _take_back(session, self._undone, self._done)


def _take_back(session: Session, changes: list[_Change], reversed_changes: list[_Change]) -> Settings | None:
    """The session's settings without the last of `changes` that is still in force, which goes to `reversed_changes`
    the other way round; None where there is none."""
    while changes:
        change = changes.pop()
        settings = _replaced(session.train, change.after, change.before)
        if settings != session.train:
            reversed_changes.append(_Change(change.after, change.before))
            return settings
    return None


def change_words(before: Session, after: Session) -> str:
    """`loss: completion → response`; empty where no prompt setting of the run differs. Quotes foreign text."""
    old, new = (prompt_texts(session_spec(session)[0]) for session in (before, after))
    return "; ".join(
        f"{name}: {old[key].replace('_', ' ')} → {new[key].replace('_', ' ')}"
        for key, name in NAMES.items()
        if old[key] != new[key]
    )


def _difference(before: Settings, after: Settings) -> _Change:
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return _Change(
        {key: before[key] for key in keys if key in before}, {key: after[key] for key in keys if key in after}
    )


def _replaced(settings: Settings, old: Settings, new: Settings) -> Settings:
    """`settings` with the values `new` in place of `old`, where they still have those."""
    keys = [key for key in {**old, **new} if settings.get(key) == old.get(key)]
    kept = {key: value for key, value in settings.items() if key not in keys}
    return {**kept, **{key: new[key] for key in keys if key in new}}
