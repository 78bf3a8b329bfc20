"""A count with its noun, in English: `1 row`, `2,000 rows`."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """`count` with thousands separators, and `noun` in the plural unless there is exactly one."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
