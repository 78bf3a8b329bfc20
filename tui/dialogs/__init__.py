"""The app's own dialogs, which it opens over any room: the help and the choice of a model."""
