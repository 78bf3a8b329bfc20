"""A template: its files, the built-in ones, and the model's own chat template. Knows the text around a row; knows
nothing of token ids."""
