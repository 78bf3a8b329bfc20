"""The embedded demo: its data set, its run's settings, and `python -m core demo`, which tells it as text."""
