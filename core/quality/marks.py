"""Marks inside a field that belong to a template or a tokenizer, not to a text: headings, tags of reasoning, special tokens."""

from __future__ import annotations

import re

from core.prompts.markers import ALPACA
from core.prompts.tokenizer import TextTokenizer
from core.quality.blocks import TEXTS, Block
from core.quality.findings import Findings

# A heading counts at the start of a line, as the splitter reads it.
_HEADING = re.compile("(?m)^(?:" + "|".join(map(re.escape, ALPACA.all())) + ")")
_TAG = re.compile(r"</?think(?:ing)?>|<\|(?:begin|end)_of_(?:thought|solution)\|>|<｜(?:begin|end)▁of▁thinking｜>")
_SPECIAL = (
    r"<\|[A-Za-z][A-Za-z0-9_]{1,40}\|>", r"<｜[^｜<>\n]{1,40}｜>", r"</?s>(?=\s*(?:\[/?INST\]|<|\Z))|\A\s*<s>", r"\[/?INST\]", r"<</?SYS>>",
    r"<(?:bos|eos|unk)>", r"<(?:start|end)_of_turn>", r"<\|(?:START|END)_[A-Z_]{2,40}\|>", r"\[(?:CLS|SEP|MASK)\]",
)  # fmt: skip
_HINTS = ("###", "<", "[")  # one of these stands in every mark; most texts have none


class Marks:
    """tokenizer: the chosen model's, whose own special tokens are sought too."""

    def __init__(self, tokenizer: TextTokenizer | None = None) -> None:
        own = _own(tokenizer) if tokenizer is not None else []
        self._special = re.compile("|".join([*map(re.escape, own), *_SPECIAL]))
        self._hints = tuple({*_HINTS, *(token for token in own if not any(hint in token for hint in _HINTS))})

    def check(self, block: Block, findings: Findings) -> None:
        for column in TEXTS:
            written = column in ("reasoning", "output")  # what the model writes; a tag in what it only reads does not split anything
            for row, text in zip(block.rows, block[column], strict=True):
                if not any(hint in text for hint in self._hints):
                    continue
                if _HEADING.search(text) or (written and _TAG.search(text)):
                    findings.add("template_marker", row, column)
                elif self._special.search(text) or _TAG.search(text):
                    findings.add("special_token", row, column)


def _own(tokenizer: TextTokenizer) -> list[str]:
    """The special tokens that no ordinary text spells: of at least three characters, with a sign that is no letter in them."""
    tokens = tokenizer.raw.get_added_tokens_decoder().values()
    return sorted({token.content for token in tokens if token.special and len(token.content) >= 3 and not token.content.isalnum()})
