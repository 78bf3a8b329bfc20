"""Stores rows in memory or in a memory-mapped Arrow file, with the user's edits on top.

Returns rows by index, pages, columns and Arrow batches. Knows nothing of search, filters, undo or journals. Only
`core.data` uses it.
"""
