"""Text search, filters, SQL conditions, order and counts over stored rows.

`row_search` has the functions that data sets call. Search reads what storage offers (rows, columns, batches) and knows
nothing of data sets, editing or the screen.
"""
