"""Evaluation on held-out rows, and (to come with its own screens) the influence of the reasoning on the answer."""
