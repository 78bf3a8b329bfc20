"""The user's edits: operations on rows, their journal beside the data, undo, and rebasing onto a changed source.

Editing makes new data sets; it knows neither the screen nor file formats. The source itself is never written.
"""
