"""A source at once: its first pages straight from the file, while a process of its own imports it into the cache."""
