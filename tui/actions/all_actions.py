"""The table of all actions, from which bindings, footer, help, palette, messages and docs/keys.md are made."""

from __future__ import annotations

from tui.actions.action import Action
from tui.actions.app_keys import APP_ACTIONS
from tui.actions.chat_keys import CHAT_ACTIONS
from tui.actions.data_keys import DATA_ACTIONS
from tui.actions.dialog_keys import DIALOG_ACTIONS
from tui.actions.prompts_keys import PROMPT_ACTIONS
from tui.actions.runs_keys import RUNS_ACTIONS
from tui.actions.train_keys import TRAIN_ACTIONS

ACTIONS: tuple[Action, ...] = (
    *APP_ACTIONS,
    *DATA_ACTIONS,
    *TRAIN_ACTIONS,
    *RUNS_ACTIONS,
    *CHAT_ACTIONS,
    *PROMPT_ACTIONS,
    *DIALOG_ACTIONS,
)


def builtin_keys(action: Action) -> tuple[str, ...]:
    """Textual's names of the action's keys without a keymap, the one to show first."""
    return tuple(key for group in (action.keys, action.plain) for key in group.split(",") if key)
