"""Where rows lie (in memory, or in a mapped Arrow file), how edits lie over them, and how questions to them are
answered."""
