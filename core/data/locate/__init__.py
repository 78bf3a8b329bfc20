"""Finds the files behind a source's name: paths, patterns, folders of shards, hub names. Reads no rows."""
