"""The benchmarks: one script per figure in docs/benchmarks.md, each with a peer measured in the same run.

Timings never decide a test.
"""
