"""The embedded demo: its data set, its run's settings, and `python -m core demo`, which runs it as text."""
