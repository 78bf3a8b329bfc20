"""Marks inside a field that belong to a template or a tokenizer, not to a text: headings, tags of reasoning, special
tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.data.columns.thinking import MARKERS
from core.quality.blocks import TEXTS, Block
from core.quality.findings import Findings
from core.splitter.markers import Markers
from core.tokens.tokenizer import TextTokenizer

_TAGS = tuple(mark for pair in MARKERS for mark in pair)  # of public data sets: what `fixes` can take apart is found
_OTHER_TAGS = (r"<\|(?:begin|end)_of_solution\|>", "<｜(?:begin|end)▁of▁thinking｜>")
_SPECIAL = (
    r"<\|[A-Za-z][A-Za-z0-9_]{1,40}\|>", r"<｜[^｜<>\n]{1,40}｜>", r"</?s>(?=\s*(?:\[/?INST\]|<|\Z))|\A\s*<s>", r"\[/?INST\]", r"<</?SYS>>",
    r"<(?:bos|eos|unk)>", r"<(?:start|end)_of_turn>", r"<\|(?:START|END)_[A-Z_]{2,40}\|>", r"\[(?:CLS|SEP|MASK)\]",
)  # fmt: skip
_HINTS = ("###", "<", "[")  # one of these stands in every mark; most texts have none


class Marks:
    """markers: of the templates that rows are trained with; tokenizer: the chosen model's, whose own special tokens are
    sought too.

    A heading counts at the start of a line, as the splitter reads it; a tag anywhere in what the model writes.
    """

    def __init__(self, markers: Sequence[Markers], tokenizer: TextTokenizer | None = None) -> None:
        own = _own(tokenizer) if tokenizer is not None else []
        headings = sorted({mark for one in markers if one.line_start for mark in one.all()})
        tags = sorted({*_TAGS, *(mark for one in markers if not one.line_start for mark in one.all())})
        self._heading = re.compile(f"(?m)^(?:{'|'.join(map(re.escape, headings))})") if headings else None
        self._tag = re.compile("|".join([*map(re.escape, tags), *_OTHER_TAGS]))
        self._special = re.compile("|".join([*map(re.escape, own), *_SPECIAL]))
        self._hints = tuple(
            {*_HINTS, *(mark for mark in (*own, *headings, *tags) if not any(hint in mark for hint in _HINTS))}
        )

    def check(self, block: Block, findings: Findings) -> None:
        for column in TEXTS:
            written = column in (
                "reasoning",
                "output",
            )  # what the model writes; a tag in what it only reads does not split anything
            for row, text in zip(block.rows, block[column], strict=True):
                if not any(hint in text for hint in self._hints):
                    continue
                if (self._heading is not None and self._heading.search(text)) or (written and self._tag.search(text)):
                    findings.add("template_marker", row, column)
                elif self._special.search(text) or self._tag.search(text):
                    findings.add("special_token", row, column)


def _own(tokenizer: TextTokenizer) -> list[str]:
    """The special tokens that no ordinary text spells: of at least three characters, with a sign that is no letter in
    them."""
    tokens = tokenizer.raw.get_added_tokens_decoder().values()
    return sorted(
        {token.content for token in tokens if token.special and len(token.content) >= 3 and not token.content.isalnum()}
    )
