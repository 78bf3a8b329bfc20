"""The Prompts room: one row as it is trained and as a model is asked with it, down to the token; and templates being
written.

Shows what `core.examples` says of a row. Computes nothing about rows itself.
"""
