"""A run: its specification, its folder, how it is started, controlled and read.

A run is plain files, so this room knows nothing of torch, of trainers or of screens; `training` writes what is read
here.
"""
