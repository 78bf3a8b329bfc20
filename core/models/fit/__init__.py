"""Whether a model fits into memory, estimated from file headers. Loads no model."""
