"""How a token is chosen from the scores: penalties, cuts, noise and log-probabilities, for several rows at once.

Knows ids and scores. Must not know models, caches, text or requests.
"""
