"""Which column of a source is which of the six, and how its values become text.

Pure: knows names and values, no files and no formats, except for the file of a saved mapping.
"""
