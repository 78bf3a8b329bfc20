"""Splits a text in the harmony format of gpt-oss: messages of the channels analysis, commentary and final.

Knows no columns and no other markers.
"""

from __future__ import annotations

import re

_HEAD = re.compile(
    r"\s*(?:<\|(?:end|return|call)\|>)?\s*(?:<\|start\|>\s*assistant)?\s*"
    r"<\|channel\|>\s*(\w+)[^<\n]*(?:<\|constrain\|>[^<\n]*)?<\|message\|>",
    re.IGNORECASE,
)
_END = re.compile(r"\s*<\|(?:end|return|call)\|>\s*\Z", re.IGNORECASE)


def split_harmony(text: str) -> tuple[str, str | None] | None:
    """The reasoning (analysis and commentary) and the final message of a text that begins with a message on a channel.
    The message is None where there is no final one; the result is None where the text begins otherwise."""
    if "<|" not in text[:200] or _HEAD.match(text) is None:
        return None
    heads = list(_HEAD.finditer(text))
    thoughts: list[str] = []
    finals: list[str] = []
    for index, head in enumerate(heads):
        last = index == len(heads) - 1
        body = text[head.end() : len(text) if last else heads[index + 1].start()]
        body = _END.sub("", body).strip()
        if body:
            (finals if head[1].lower() == "final" else thoughts).append(body)
    return "\n\n".join(thoughts), "\n\n".join(finals) if finals else None
