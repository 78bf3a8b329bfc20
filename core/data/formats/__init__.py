"""One module per file format, with its reading, its pages before the import and its writing; `registry` lists them all.

Every reader passes records to one collector, which maps them to rows and sets bad ones aside. Knows neither where files
are found nor where rows are stored.
"""
