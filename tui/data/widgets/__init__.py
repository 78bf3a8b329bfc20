"""The widgets of the Data room, one a file, and what they draw with.

A widget knows what it is given, not where it came from; only `rows_view` knows a data set, whose rows it marks.
"""
