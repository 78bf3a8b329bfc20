"""Rows and what they hold: which sequence is in which row of which step, and what earlier ones leave for the next."""
