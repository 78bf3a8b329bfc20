"""From the name that the user types to the files with the rows: paths, patterns, folders of shards, hub names. Reads no
rows."""
