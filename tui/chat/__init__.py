"""The Chat room: a question, and its answer in two panels.

Knows how to ask an engine; loads no model.
"""
