"""One module a format, each with its reading, its pages before the import and its writing; `table` lists them all.

Every reader hands records to one collector, which maps them to rows and sets bad ones aside. Nothing here knows where
files are found, or where rows are kept.
"""
