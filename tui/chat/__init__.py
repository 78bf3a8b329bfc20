"""The Chat room: a question, and its answer in two panels."""
