"""Writes what was tuned into the files that other programs read: merged weights, GGUF, adapters, Modelfiles.

Weights are read, merged and written in blocks of rows with numpy alone, so that memory depends on the block and not on
the model. Knows folders, configs, tokenizers and templates; knows nothing of runs, rows or jobs. Only `gguf_reading`
imports torch and transformers.
"""
