"""Says why no question or no answer was found in columns that look as if they had one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.base.safe_text import safe_line
from core.data.columns.column_names import CHAT_NAMES, normalized_name
from core.data.columns.column_values import profile_column
from core.data.columns.nested_text import looks_like_python, read_nested
from core.data.columns.turn_shapes import as_turns


def explain_unmapped(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """What the first such column holds, such as `messages has chat turns without a reply`; empty where there is
    none."""
    if rows and all(as_turns(dict(row)) is not None for row in rows):
        return "its records are single chat turns; put those of one conversation into a list"
    for name in names:
        values = [row[name] for row in rows if row.get(name) is not None]
        if any(looks_like_python(value) and read_nested(value) is None for value in values):
            return f"{safe_line(name, 60)} looks like Python lists or objects, not JSON"
        profile = profile_column(name, rows)
        if profile.kind == "chat" and not (profile.asks and profile.replies):
            lacks = "a reply" if profile.asks else "a question of a user"
            return f"{safe_line(name, 60)} has chat turns without {lacks}"
        if profile.kind == "list" and profile.several and normalized_name(name) in (*CHAT_NAMES, "data"):
            return f"{safe_line(name, 60)} has lists of texts that do not say who speaks"
        if profile.kind == "nested" and normalized_name(name) == "segments":
            return (
                f"{safe_line(name, 60)} has pieces of text with marks, in which question and answer are not told apart"
            )
    filled = [name for name in names if profile_column(name, rows).kind not in ("empty", "unseen")]
    if rows and len(filled) == 1 and profile_column(filled[0], rows).kind == "text":
        return f"{safe_line(filled[0], 60)} has whole texts, in which question and answer are not told apart"
    return ""
