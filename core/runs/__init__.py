"""A run: its specification, its folder, how it is started, asked to stop, and read.

A run is plain files. This room must not know torch, trainers or screens; `core.training` writes what is read here.
"""
