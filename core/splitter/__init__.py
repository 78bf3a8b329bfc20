"""Sorts a stream of text into reasoning and response. `splitter` has the rules and the public class.

Knows markers and text. Must not know tokens, templates or models.
"""
