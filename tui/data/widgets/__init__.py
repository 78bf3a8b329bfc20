"""The widgets of the Data room, one a file. A widget knows what it is handed, not where it came from."""
