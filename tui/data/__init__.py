"""The Data room: its screen, its widgets, its dialogs."""
