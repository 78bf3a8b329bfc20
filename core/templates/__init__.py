"""Templates: the text around a row, from files by name, or by the model's own chat template.

Knows rows, markers and segments of text. Must not know a row's token ids, training or models' weights.
"""
