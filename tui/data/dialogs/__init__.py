"""The dialogs of the Data room, one a file. A dialog asks; the room acts."""
