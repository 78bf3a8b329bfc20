"""Sorts a stream of text into reasoning and response. `splitter` has the rules and is the way in.

Knows markers and text. Must not know tokens, templates or models.
"""
