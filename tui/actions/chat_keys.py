"""The actions of the Chat room, with their built-in keys."""

from __future__ import annotations

from tui.actions.action import Action

CHAT_ACTIONS: tuple[Action, ...] = (
    Action(
        "chat.ask_question",
        "f5,ctrl+r",
        "Ask",
        "Send the instruction and the input; the answer streams in.",
        "ask",
        everywhere=True,
        footer=True,
    ),
    Action(
        "chat.stop_answer",
        "f6,escape",
        "Stop",
        "Stop the answer within two tokens. Press it again to stop waiting for the engine.",
        "stop_answer",
        everywhere=True,
        footer=True,
    ),
    Action(
        "chat.free_engine",
        "ctrl+f",
        "Free",
        "End an engine that hangs, or take the place of another terminal's model; then ask again.",
        "free_engine",
        everywhere=True,
    ),
    Action(
        "chat.next_template",
        "f8",
        "Template",
        "Choose the next template, with reasoning or without.",
        "next_template",
        plain="T",
        everywhere=True,
        footer=True,
        shared="template",
    ),
    Action(
        "chat.next_adapter",
        "ctrl+o",
        "Tuned",
        "Choose the model to ask: the base model, the newest tuned one, or an older one.",
        "next_adapter",
        everywhere=True,
        footer=True,
    ),
    Action(
        "chat.toggle_base",
        "ctrl+g",
        "Base",
        "Ask the base model without the adapter, or the tuned one again.",
        "toggle_base",
        everywhere=True,
        footer=True,
    ),
)
