"""The terminal. Shows what `core` knows and sends what the person wants; holds no logic of data, models or runs, and
never imports torch."""
