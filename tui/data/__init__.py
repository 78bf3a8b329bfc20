"""The Data room: rows looked at, searched, edited and judged. `screen` composes the parts.

Knows what the user asks for and how it is shown. Computes nothing about rows: `core.data` reads, searches and edits
them, `core.quality` judges them.
"""
