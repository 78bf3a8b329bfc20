"""The Data room: shows, searches, edits and checks the rows of a source. `screen` composes its parts.

Knows what the user asks for and how it is shown. Computes nothing about rows: `core.data` reads, searches and edits
them, `core.quality` checks them.
"""
