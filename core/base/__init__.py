"""What every room uses: errors, the row, files, folders, safe text, child processes. Imports no other room."""
