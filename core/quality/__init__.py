"""The quality of a data set: its statistics, and the doctor, which checks every row.

Both run in a child process (`python -m core.quality`) and are cached. Screens and commands use `quality_job` (starts
the child), `report` (its results), `fixes` and `registry` (the checks); these import nothing heavy. Knows nothing of
screens, and changes no row itself.
"""
