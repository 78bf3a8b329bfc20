"""Templates: the text around a row, by name, from files, and the model's own chat template.

Knows rows, markers and segments of text. Must not know token ids of a row, training or models' weights.
"""
