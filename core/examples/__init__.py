"""How a row becomes a training example, here and nowhere else.

A row is drawn for a template of the mixture, encoded, truncated and judged (`example`); a whole source of rows becomes
a training set (`build`). Preview, counts, lengths and the search for the next problem call the same `ExampleMaker`.

Knows rows, templates, token ids and what a run's specification says of prompts. Knows nothing of models, trainers,
findings or screens.
"""
