"""The actions of the Runs room, with their built-in keys."""

from __future__ import annotations

from tui.actions.action import Action

RUNS_ACTIONS: tuple[Action, ...] = (
    Action(
        "runs.open_run",
        "enter",
        "Open",
        "Show the run in Train: its curve, its console, its state.",
        "open_run",
        footer=True,
    ),
    Action(
        "runs.mark_run",
        "space",
        "Mark",
        "Mark the run to compare it; again takes the mark away.",
        "mark_run",
        footer=True,
    ),
    Action(
        "runs.compare_runs",
        "D",
        "Compare",
        "Compare the marked runs with the selected one: settings that differ, curves, answers.",
        "compare_runs",
        footer=True,
        shared="difference",
    ),
    Action(
        "runs.filter_runs",
        "slash",
        "Filter",
        "Show only runs that contain some words, in any of their settings.",
        "filter_runs",
        footer=True,
    ),
    Action(
        "runs.sort_runs",
        "t",
        "Sort",
        "Go on to the next order: newest, loss, name, state, verdict.",
        "sort_runs",
        footer=True,
        shared="sort",
    ),
    Action(
        "runs.edit_note",
        "e",
        "Note",
        "Give the run another name and write a note about it.",
        "edit_note",
        footer=True,
        shared="edit",
    ),
    Action("runs.verdict_good", "plus", "Good", "Judge the run as good; again takes it back.", "judge('good')"),
    Action(
        "runs.verdict_mixed", "equals_sign", "Mixed", "Judge the run as mixed; again takes it back.", "judge('mixed')"
    ),
    Action("runs.verdict_bad", "minus", "Bad", "Judge the run as bad; again takes it back.", "judge('bad')"),
    Action(
        "runs.clone_settings",
        "N",
        "Clone",
        "Take the run's settings, data and model into the form of Train.",
        "clone_settings",
        footer=True,
        shared="duplicate",
    ),
    Action("runs.ask_run", "a", "Ask", "Ask the run's model in the chat.", "ask_run", footer=True, shared="ask"),
    Action(
        "runs.resume_run",
        "C",
        "Resume",
        "Go on with the run where it was paused, killed or stopped, from its newest checkpoint.",
        "resume_run",
        shared="resume",
    ),
    Action(
        "runs.delete_run",
        "d",
        "Delete",
        "Move the run to the trash. Undo brings it back.",
        "delete_run",
        shared="delete",
    ),
    Action("runs.undo", "u", "Undo", "Bring the run back that was deleted last.", "undo", shared="undo"),
    Action(
        "runs.show_all", "x", "Clear", "Show all runs, the newest first, without marks.", "show_all", shared="show_all"
    ),
    Action("runs.leave_filter", "escape", "Leave", "Go from the filter to the list.", "leave_filter"),
)
