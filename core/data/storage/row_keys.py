"""A 64-bit key of a row's texts: the same in every process, file and order.

DuckDB computes the same key (see `search.sql_child`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from core.base.row import Row

IDENTITY_COLUMNS = ("instruction", "input", "reasoning", "output")  # as `Row.identity`
QUESTION_COLUMNS = ("instruction", "input")


def row_key(row: Row, columns: Sequence[str], prefix: str = "") -> int:
    """An unsigned 64-bit number made of `prefix` and the texts of `columns`.

    It is the upper half of an MD5 digest, because DuckDB computes the same on all cores. It protects no secret.
    """
    digest = hashlib.md5(prefix.encode(), usedforsecurity=False)
    for column in columns:
        text = getattr(row, column).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(text) + text)
    return int.from_bytes(digest.digest()[8:], "little")
