"""One script per figure in the README; each prints a ratio against the named peer from the same run. Timings never
decide a test."""
