"""Where rows are stored: in memory, or in a memory-mapped Arrow file, with the user's edits laid over them.

Storage offers rows by index, pages, columns and Arrow batches. It knows nothing of search, filters, undo or journals,
and nothing outside `core.data` uses it.
"""
