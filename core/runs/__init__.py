"""A run: its specification, its folder, and how it is started, stopped and read.

A run is plain files. This room must not know torch, trainers or screens; `core.training` writes the files.
"""
