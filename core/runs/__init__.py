"""A run, and any other job: its specification, its folder, what its process has, and how it is started, steered,
resumed and read.

A job is plain files. This room must not know torch, trainers or screens; `core.training` does the work of a run.
"""
