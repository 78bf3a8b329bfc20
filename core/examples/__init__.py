"""The only place where a row becomes a training example.

`example` draws a template of the mixture for a row, encodes the row, truncates it and gives a verdict. `build` makes a
training set of all rows of a source. Preview, counts, lengths and the search for the next problem call the same
`ExampleMaker`.

Knows rows, templates, token ids and the prompt settings of a run's specification. Knows nothing of models, trainers,
findings or screens.
"""
