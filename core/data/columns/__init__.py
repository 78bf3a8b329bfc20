"""Which column of a source is which of the six, and how its values become text. Pure: knows names and values, neither
files nor formats."""
