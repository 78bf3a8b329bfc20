"""Markers of a template or a tokenizer inside a field: headings, reasoning tags, special tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.base.row import TEXTS, Row
from core.data.columns.thinking import split_thinking
from core.quality.check_interface import CheckBlock, CheckContext, RowCheck
from core.quality.finding_kind import FindingKind, TextFix
from core.splitter.marker_families import TELLING_SPELLINGS

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock
    from core.splitter.marker_spellings import Markers
    from core.tokens.tokenizer import TextTokenizer

_WRITTEN = ("reasoning", "output")  # columns that the model writes; a tag in the others does no harm
_SPECIAL_TOKENS = (
    r"<\|[A-Za-z][A-Za-z0-9_]{1,40}\|>",
    r"<｜[^｜<>\n]{1,40}｜>",
    r"</?s>(?=\s*(?:\[/?INST\]|<|\Z))|\A\s*<s>",
    r"\[/?INST\]",
    r"<</?SYS>>",
    r"<(?:bos|eos|unk)>",
    r"<(?:start|end)_of_turn>",
    r"<\|(?:START|END)_[A-Z_]{2,40}\|>",
    r"\[(?:CLS|SEP|MASK)\]",
)
_HINTS = ("###", "<", "[")  # nearly every marker contains one of these; most texts contain none


def move_reasoning(row: Row) -> dict[str, str]:
    """Moves reasoning at the beginning of the output into its column, where that is empty and the rest of the output
    is an answer."""
    if row.has_reasoning:
        return {}
    parts = split_thinking(row.output)
    if parts is None or parts.answer is None:
        return {}
    if not parts.answer.strip() or not parts.reasoning.strip() or split_thinking(parts.answer) is not None:
        return {}
    return {"reasoning": parts.reasoning, "output": parts.answer}


KINDS = (
    FindingKind(
        "template_marker",
        "error",
        "heading or tag of the template inside a field",
        "The model learns to write the marker in the middle of a section, and its answers are then split in the wrong "
        "place",
        "Remove the marker; reasoning between <think> and </think> belongs in the reasoning column",
        TextFix(
            "move text between <think> and </think> at the beginning of the output into the empty reasoning column",
            move_reasoning,
        ),
    ),
    FindingKind(
        "special_token",
        "warning",
        "special token of a model inside a field",
        "Other trainers read it as the end of a turn in the middle of the text; here it is encoded as ordinary text, "
        "and the model learns to write it",
        "Remove it, unless the text is about such tokens",
    ),
)


class MarkerCheck:
    """Finds the markers of the rows' templates, the markers of every family, and special tokens, including those of
    `tokenizer`.

    A heading counts at the start of a line, as in the splitter; a tag counts anywhere in columns that the model writes.
    """

    def __init__(self, markers: Iterable[Markers], tokenizer: TextTokenizer | None = None) -> None:
        headings: set[str] = set()
        tags = set(TELLING_SPELLINGS)
        for template_markers in markers:
            spellings = headings if template_markers.line_start else tags
            spellings.update(template_markers.all())
        own_tokens = _unmistakable_tokens(tokenizer) if tokenizer is not None else []
        self._heading = re.compile(f"(?m)^(?:{_alternatives(headings)})") if headings else None
        self._tag = re.compile(_alternatives(tags))
        self._special_token = re.compile("|".join([*map(re.escape, own_tokens), *_SPECIAL_TOKENS]))
        without_hint = {
            marker for marker in (*own_tokens, *headings, *tags) if not any(hint in marker for hint in _HINTS)
        }
        self._hints = (*_HINTS, *without_hint)

    def __call__(self, block: RowBlock, findings: Findings) -> None:
        for column in TEXTS:
            for row, text in zip(block.indices, block[column], strict=True):
                if any(hint in text for hint in self._hints):
                    kind = self._kind_of_marker(text, column in _WRITTEN)
                    if kind:
                        findings.add(kind, row, column)

    def _kind_of_marker(self, text: str, is_written: bool) -> str:
        """The kind of the worst marker in `text`, empty for none."""
        if self._heading is not None and self._heading.search(text):
            return "template_marker"
        has_tag = self._tag.search(text) is not None
        if has_tag and is_written:
            return "template_marker"
        return "special_token" if has_tag or self._special_token.search(text) else ""


def _alternatives(markers: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(markers)))


def _unmistakable_tokens(tokenizer: TextTokenizer) -> list[str]:
    """The special tokens that no ordinary text contains: three characters or more, not all letters or digits."""
    tokens = tokenizer.raw.get_added_tokens_decoder().values()
    return sorted(
        {token.content for token in tokens if token.special and len(token.content) >= 3 and not token.content.isalnum()}
    )


def _prepare(context: CheckContext) -> CheckBlock:
    return MarkerCheck(context.trained.markers, context.tokenizer)


CHECK = RowCheck(KINDS, _prepare)
