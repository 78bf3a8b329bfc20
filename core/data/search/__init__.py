"""Text search, filters, SQL conditions, order and counts over stored rows.

`row_search` has the functions that data sets call. Reads rows, columns and batches of the storage; knows nothing of
data sets, editing or the screen.
"""
