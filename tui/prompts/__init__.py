"""The Prompts room: one row as it is trained and as a model is asked with it, down to the token.

Templates are written here too. The room shows what `core.examples` says of a row and computes nothing about rows
itself.
"""
