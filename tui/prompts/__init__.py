"""The Prompts room: one row as it is trained and asked, to the token."""
