"""Analyses one text for the checks: its characters, its language, its answer, its similarity to another text.

Knows only texts, neither rows nor findings.
"""
