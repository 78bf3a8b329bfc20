"""Judging a data set: statistics and the doctor. Both run in a process of their own (`python -m core.quality`), started
and cached by `client`.

`report`, `client` and `fixes` are what screens and commands use; they import nothing heavy. Knows nothing of screens,
and changes no row itself.
"""
