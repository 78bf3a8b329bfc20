"""The doctor's checks, one file each, with their kinds of finding and fixes.

A new check is a file here that exports `CHECK`, and its name in `core.quality.registry`. Checks do not import each
other, and import nothing heavy at the top: the terminal reads the kinds and the fixes without running a check.
"""
