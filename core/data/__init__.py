"""Rows: open any source, map its columns, page, filter, search and count. Knows nothing of prompts, models or screens.

A source is imported once into an Arrow file in the cache, memory-mapped from then on; pages and counts never make
Python lists of the whole.
"""
