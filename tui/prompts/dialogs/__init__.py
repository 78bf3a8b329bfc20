"""The dialogs of the Prompts room, one a file."""
