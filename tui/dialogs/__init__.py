"""The app's own dialogs: the help and the choice of a model. The app opens them over any room."""
