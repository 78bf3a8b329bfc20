"""The actions of the Train room, with their built-in keys."""

from __future__ import annotations

from tui.actions.action import Action

TRAIN_ACTIONS: tuple[Action, ...] = (
    Action(
        "train.start_run",
        "f5",
        "Start",
        "Start a run with these settings. It continues when you close this terminal.",
        "start_run",
        everywhere=True,
        footer=True,
    ),
    Action(
        "train.stop_run",
        "f6",
        "Stop",
        "Ask the run to stop after its current step and save its adapter.",
        "stop_run",
        plain="X",
        everywhere=True,
        footer=True,
    ),
    Action(
        "train.resume_run",
        "C",
        "Resume",
        "Go on with this run where it was paused, killed or stopped, from its newest checkpoint.",
        "resume_run",
        everywhere=True,
    ),
    Action(
        "train.next_run",
        "f8",
        "Next run",
        "Show the next older run; after the oldest, the newest again.",
        "next_run",
        plain="R",
        everywhere=True,
        footer=True,
    ),
    Action(
        "train.toggle_log_scale",
        "Y",
        "Log scale",
        "Show the loss on a logarithmic axis, or a linear one.",
        "toggle_scale",
        everywhere=True,
        footer=True,
    ),
    Action("train.next_field", "down", "Next field", "Go to the next setting.", "field_by(1)"),
    Action("train.previous_field", "up", "Previous field", "Go to the previous setting.", "field_by(-1)"),
    Action("preset.next_preset", "right,enter,space", "Next", "Choose the next preset.", "turn(1)"),
    Action("preset.previous_preset", "left", "Previous", "Choose the previous preset.", "turn(-1)"),
)
