"""The user's edits: the journal beside the data, the operations it records, undo, and how edits follow a source that
changed.

Editing makes new data sets; it knows neither the screen nor file formats. The source itself is never written.
"""
