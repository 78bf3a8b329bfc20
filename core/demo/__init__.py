"""The embedded demo: its data set, its run's settings, and the headless story of `python -m core demo`."""
