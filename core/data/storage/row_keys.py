"""64 bits that name a row by what it says, the same in any process, file and order, and the same from DuckDB: see
`sql_child`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from core.base.row import Row

IDENTITY = ("instruction", "input", "reasoning", "output")  # as `Row.identity`
QUESTION = ("instruction", "input")


def key(row: Row, columns: Sequence[str], prefix: str = "") -> int:
    """An unsigned number of `prefix` and the texts of `columns`. MD5, because DuckDB makes it too, on all cores:
    nothing here guards a secret."""
    digest = hashlib.md5(prefix.encode(), usedforsecurity=False)
    for column in columns:
        text = getattr(row, column).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(text) + text)
    return int.from_bytes(digest.digest()[8:], "little")
