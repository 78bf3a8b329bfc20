"""Opens located sources from the import cache, by an import, or in memory where they are small. Knows no format.

The import runs in this process or in a child process. Also lets the user choose the columns.
"""
