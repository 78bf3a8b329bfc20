"""Judging a data set: statistics and the doctor. Runs in processes of its own; knows nothing of screens."""
