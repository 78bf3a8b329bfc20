"""The actions of the Prompts room, with their built-in keys."""

from __future__ import annotations

from tui.actions.action import Action

PROMPT_ACTIONS: tuple[Action, ...] = (
    Action("prompts.next_row", "n,j", "Row", "Go to the next of the rows shown in Data.", "row_by(1)", footer=True),
    Action("prompts.previous_row", "p,k", "Previous row", "Go to the previous row.", "row_by(-1)"),
    Action(
        "prompts.next_problem",
        "N,right_square_bracket",
        "Problem",
        "Go to the next row that is left out, truncated or has a warning.",
        "problem_by(1)",
        footer=True,
    ),
    Action(
        "prompts.previous_problem",
        "P,left_square_bracket",
        "Previous problem",
        "Go to the previous row that is left out, truncated or has a warning.",
        "problem_by(-1)",
    ),
    Action(
        "prompts.next_template",
        "t",
        "Template",
        "Show the row with the template that the mixture draws, then with each of the others.",
        "next_template",
        footer=True,
    ),
    Action("prompts.previous_template", "T", "Previous template", "Go back by one template.", "next_template(-1)"),
    Action(
        "prompts.next_view",
        "v",
        "View",
        "Show the text, the tokens, or the prompts for inference.",
        "next_view",
        footer=True,
    ),
    Action(
        "prompts.edit_mixture",
        "w",
        "Mixture",
        "Set the templates, their weights and the loss; count the rows of each.",
        "mixture",
        footer=True,
    ),
    Action("prompts.edit_template", "e", "Edit", "Edit the template and watch the row change.", "edit", footer=True),
    Action(
        "prompts.save_template",
        "ctrl+o",
        "Save",
        "Save the template as your own.",
        "save",
        plain="S",
        everywhere=True,
    ),
    Action("prompts.toggle_ids", "i", "Ids", "Show or hide token ids.", "toggle_ids"),
    Action(
        "prompts.next_loss", "l", "Loss", "Choose what is trained: the completion, the response or all.", "next_loss"
    ),
    Action(
        "prompts.next_truncation",
        "o",
        "Long rows",
        "Choose what happens to long rows: drop them, cut their reasoning or cut their end.",
        "next_too_long",
    ),
    Action("prompts.line_down", "down", "Line down", "Scroll down one line.", "lines_by(1)"),
    Action("prompts.line_up", "up", "Line up", "Scroll up one line.", "lines_by(-1)"),
    Action("prompts.page_down", "pagedown,space", "Page down", "Scroll down one page.", "pages_by(1)"),
    Action("prompts.page_up", "pageup,b", "Page up", "Scroll up one page.", "pages_by(-1)"),
    Action("prompts.go_to_top", "home,g", "Top", "Go to the start of the row.", "to_end(-1)"),
    Action("prompts.go_to_end", "end,G", "End", "Go to the end of the row.", "to_end(1)"),
    Action(
        "prompts.go_back",
        "escape",
        "Back",
        "Leave the editor, stop a search, drop the chosen template; then return to Data.",
        "back",
    ),
)
