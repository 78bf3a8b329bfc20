"""Answers questions about rows: text, filters, SQL conditions, order. Stands on storage, never under it."""
