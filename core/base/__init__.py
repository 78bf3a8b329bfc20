"""The words and tools every room shares: errors, the row, files, folders, safe text, child processes. Imports no other
room."""
