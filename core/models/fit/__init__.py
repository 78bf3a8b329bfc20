"""Estimates from file headers whether a model fits into memory. Loads no model."""
