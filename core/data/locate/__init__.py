"""From what a person typed to the files that hold the rows: paths, folders of shards, hub names. Reads no rows."""
