"""The actions of dialogs, of the lists in them and of the field editor, with their built-in keys."""

from __future__ import annotations

from tui.actions.action import Action

DIALOG_ACTIONS: tuple[Action, ...] = (
    Action("dialog.close", "escape", "Close", "Close the dialog, or go one step back in it.", "close", plain="q"),
    Action("list.move_up", "up,k", "Up", "Go one line up; from the first line to the field above.", "move(-1)"),
    Action("list.move_down", "down,j", "Down", "Go one line down.", "move(1)"),
    Action("list.page_up", "pageup", "Page up", "Go one page up.", "page(-1)"),
    Action("list.page_down", "pagedown", "Page down", "Go one page down.", "page(1)"),
    Action("list.go_to_first", "home", "First", "Go to the first line.", "end(-1)"),
    Action("list.go_to_last", "end", "Last", "Go to the last line.", "end(1)"),
    Action("list.choose", "enter", "Choose", "Choose the selected line.", "choose"),
    Action("help.close", "enter", "Close", "Close the help.", "close"),
    Action("model.go_to_list", "down", "List", "Go to the list of known models.", "to_list"),
    Action("path.go_to_list", "down", "List", "Go to the list below the path.", "to_list"),
    Action(
        "path.complete",
        "tab",
        "Complete",
        "Complete the path as far as it is unambiguous; then go to the list.",
        "complete",
        priority=True,
    ),
    Action("open.enter_folder", "right", "Enter folder", "Go into the selected folder.", "into"),
    Action("open.forget_source", "delete", "Forget", "Remove the source from this list. Its data stays.", "forget"),
    Action("save.toggle_rows", "ctrl+t", "All or shown", "Save all rows, or only the rows shown.", "which"),
    Action("save.replace", "y", "Replace", "Replace the existing file.", "replace"),
    Action("save.keep", "n", "Keep", "Keep the existing file and return to the path.", "keep"),
    Action("sort.choose", "t", "Choose", "Order by the selected line.", "choose"),
    Action("values.next_column", "tab", "Next column", "Go to the values of the next column.", "column(1)"),
    Action(
        "values.previous_column", "shift+tab", "Previous column", "Go to those of the previous column.", "column(-1)"
    ),
    Action("statistics.next_page", "right,tab", "Next page", "Show the next page.", "page(1)"),
    Action("statistics.previous_page", "left,shift+tab", "Previous page", "Show the previous page.", "page(-1)"),
    Action("statistics.edit_length", "m", "Maximum length", "Enter a maximum length and see what it costs.", "edit"),
    Action("doctor.fix", "f", "Fix", "Apply the safe fix of the selected finding.", "fix"),
    Action("doctor.confirm", "y", "Yes", "Confirm the fix.", "yes"),
    Action("doctor.decline", "n", "No", "Decline the fix.", "no"),
    Action("bulk.go_down", "down", "Down", "Go to the next field, or to the list of values.", "down"),
    Action("bulk.apply", "enter", "Apply", "Change the rows.", "apply"),
    Action("columns.next_source", "right,space", "Next", "Take the column from the next candidate.", "change(1)"),
    Action("columns.previous_source", "left", "Previous", "Take it from the previous candidate.", "change(-1)"),
    Action("columns.toggle_keep", "s", "Keep", "Keep the mapping for the next time, or not.", "keep"),
    Action("difference.close", "D", "Close", "Close the comparison.", "close"),
    Action("mixture.next_field", "down", "Next field", "Go to the next field.", "field(1)", priority=True),
    Action("mixture.previous_field", "up", "Previous field", "Go to the previous field.", "field(-1)", priority=True),
    Action("mixture.apply", "enter,f5", "Apply", "Apply the mixture to the run's settings.", "take"),
    Action("value.next_value", "right,space", "Next", "Choose the next value.", "turn(1)"),
    Action("value.previous_value", "left", "Previous", "Choose the previous value.", "turn(-1)"),
    Action("save_template.next_folder", "f8,down,up", "Folder", "Save to the other folder.", "turn"),
    Action("editor.keep", "f5,ctrl+r", "Keep", "Keep the text and close the editor.", "keep", priority=True),
    Action("editor.close", "escape", "Close", "Close the editor; asks first if the text has changed.", "close"),
)
