"""Reads conversations that are written into one text: `\\n\\nHuman: …\\n\\nAssistant: …`, `### Human: …`, ChatML.

A text is one only where it begins with the first speaker's mark and has a second one; everything else stays a text.
Without blank lines between the turns, each line is a turn, and the speakers take turns.
"""

from __future__ import annotations

import re

_LINES = re.compile(r"(?:\A\s*|\n\s*\n)(Human|Assistant|System):")
_SINGLE_LINES = re.compile(r"(?:\A\s*|\n[ \t]*)(Human|Assistant|System)[:：]")
_HEADINGS = re.compile(r"(?:\A\s*)?### ?(Human|Assistant|System):")
_CAPITALS = re.compile(r"(?:\A\s*|\n\n\n)(SYSTEM|USER|ASSISTANT|FUNCTION RESPONSE):")
_CHATML = re.compile(r"(?:\A\s*)?<\|im_start\|>[ \t]*(\w+)[ \t]*\n")
SYSTEM_PREFIX = re.compile(r"\A\s*(?:SYSTEM|System):[ \t]*")
"""The role before a system prompt that stands alone, as in the files of Glaive."""
_ENDS = {_CAPITALS: "<|endoftext|>", _CHATML: "<|im_end|>"}
_ROLES = {"human": "user", "function response": "tool"}
_STARTS = (
    "Human:", "Human：",
    "System:", "System：", "### Human:", "###Human:", "### System:", "SYSTEM:", "USER:", "<|im_start|>",
)  # fmt: skip


def read_transcript(text: str) -> list[dict[str, str]] | None:
    """The turns of a conversation in one text, each with its role and its content without white space around it; None
    for any other text."""
    bare = text.lstrip()
    if not bare.startswith(_STARTS):
        return None
    for mark in (_CHATML, _HEADINGS, _CAPITALS, _LINES):
        found = list(mark.finditer(text))
        if len(found) >= 2 and not text[: found[0].start()].strip():
            break
    else:
        mark, found = _SINGLE_LINES, list(_SINGLE_LINES.finditer(text))
        if not _alternate([match.group(1) for match in found]) or len(found) != len(bare.rstrip().split("\n")):
            return None
    turns = []
    for match, following in zip(found, [*found[1:], None], strict=True):
        content = text[match.end() : following.start() if following is not None else len(text)].strip()
        role = match.group(1).lower()
        content = content.removesuffix(_ENDS.get(mark, "")).rstrip()
        turns.append({"role": _ROLES.get(role, role), "content": content})
    if not turns[-1]["content"]:  # the place of the reply
        turns.pop()
    return turns


def _alternate(speakers: list[str]) -> bool:
    """Whether a question and a reply, or its place, follow one another, after at most one system prompt."""
    turns = speakers[1:] if speakers[:1] == ["System"] else speakers
    return len(turns) >= 2 and all(name == ("Human", "Assistant")[index % 2] for index, name in enumerate(turns))
