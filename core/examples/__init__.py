"""A row becomes a training example, here and nowhere else: drawn, encoded, cut, checked, stored and previewed."""
