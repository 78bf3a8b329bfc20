"""What a row's cache holds, outside of any row: kept for a later answer, or carried to another step."""

from __future__ import annotations

from typing import Any

import msgspec


class CacheCopy(msgspec.Struct, frozen=True):
    """The cache of a sequence. Only a step of the same path and model can take it."""

    length: int
    """Tokens that it holds."""
    content: Any
    """Tensors, or a cache object of Transformers."""
    bytes: int
    """Memory that it takes."""
    ids: tuple[int, ...] = ()
    """The tokens; the penalties of an answer behind them count these."""


def tensor_bytes(content: Any) -> int:
    """Bytes of all tensors inside lists, dictionaries and objects, each storage counted as its tensor's view."""
    seen: set[int] = set()
    total = 0
    waiting = [content]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if hasattr(item, "element_size"):
            total += item.numel() * item.element_size()
        elif isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, (list, tuple)):
            waiting.extend(item)
        elif hasattr(item, "__dict__"):
            waiting.extend(vars(item).values())
    return total
