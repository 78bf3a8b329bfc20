"""The Runs room: all runs with what became of them, compared, noted, cleared away.

Knows runs by their folders and summaries; starts none but those it goes on with.
"""
