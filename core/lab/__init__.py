"""Evaluation of a model on held-out rows.

Knows rows, templates and sections. Must not load models or choose rows: the caller does.
"""
