"""Rows: opens any source, maps its columns, reads pages, filters, searches, counts, edits and exports.

Knows nothing of prompts, models or screens.

A large source is imported once into an Arrow file in the cache and memory-mapped from then on. Pages, search and counts
never make Python lists of all rows.
"""
