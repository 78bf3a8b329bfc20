"""One widget a file. A widget knows what it is handed, not where it came from."""
