"""Opens located sources: from the import cache, by an import in this process or in one of its own, or small ones in
memory; and lets the user choose the columns. Knows no format.
"""
