"""What a person changes: the journal beside the data, the edits it tells of, undo, and how they follow a source that
changed."""
